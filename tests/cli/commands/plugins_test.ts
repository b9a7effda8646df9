import { assertEquals } from "../../support/assert.ts";
import { formatTable } from "../../../lib/cli/commands/plugins.ts";
import { install, plugin, QUICK } from "../../plugin/plugin_test_server.ts";
import { ask, fromCheckout, runProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { withServer } from "../../support/test_server.ts";

Deno.test("plugins prints one line with tabs for each plugin in a pipe", () =>
  withServer({ env: QUICK }, (server) =>
    withTempFolder(async (folder) => {
      const url = `http://127.0.0.1:${server.port}`;
      const run = () => runProgram(fromCheckout(folder, ["plugins", "--url", url]));
      assertEquals(await run(), { code: 0, stdout: "", stderr: "" });
      await install(server, "p", plugin({ routes: ["/p", "/p2"] }, "return new Response('x');"));
      await server.approve("PUT", "/lib/waiting", plugin({}, ""));
      await ask(`${url}/p`);
      const { code, stdout } = await run();
      assertEquals([code, stdout], [0, "p\tactive\trunning\t/p /p2\nwaiting\tpending\tdown\t-\n"]);
    })));

Deno.test("formatTable() aligns columns", () => {
  assertEquals(formatTable([["name", "state"], ["p", "active"], ["longer", "x"]]), [
    "name    state",
    "p       active",
    "longer  x",
  ]);
});
