/** The commands `logs` and `plugins` with the real program. */

import { assertEquals, assertMatch } from "../../support/assert.ts";
import { install, plugin, QUICK } from "../../plugin/plugin_test_server.ts";
import { ask, fromCheckout, runProgram } from "../../project/program.ts";
import { startCommand } from "../../support/live_command.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { APPROVE, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";
import { createClosedUrl } from "../client/impostor.ts";

const SOURCE = plugin({}, "console.log('asked', url.search); return new Response('x');");

Deno.test("logs prints the last lines of a plugin, and follows them with -f until Ctrl-C", () =>
  withServer({ env: QUICK }, (server) =>
    withTempFolder(async (folder) => {
      const url = `http://127.0.0.1:${server.port}`;
      const env = { ELASTIK_APPROVE_TOKEN: APPROVE };
      const start = (...args: string[]) =>
        fromCheckout(folder, ["logs", ...args, "--url", url], env);
      await install(server, "p", SOURCE);
      for (const query of ["?1", "?2"]) await ask(`${url}/p${query}`);
      const all = await runProgram(start("p"));
      assertMatch(all.stdout, /^\d{4}-\S+Z log v1 asked \?1\n\S+ log v1 asked \?2\n$/);
      assertEquals(all.code, 0);
      const one = await runProgram(start("p", "--limit", "1"));
      assertMatch(one.stdout, /^\S+ log v1 asked \?2\n$/);
      const live = startCommand(start("p", "-f", "--limit=1"));
      await live.until(/asked \?2\n/);
      await ask(`${url}/p?3`);
      await live.until(/^\S+ log v1 asked \?3\n$/m);
      assertEquals(await live.interrupt(), 0, live.output());
    })));

Deno.test("logs says why it prints nothing", () =>
  withServer({ env: { ...CLOSED, ...QUICK } }, (server) =>
    withTempFolder(async (folder) => {
      const url = `http://127.0.0.1:${server.port}`;
      const stored = await server.approve("PUT", "/lib/p", SOURCE);
      assertEquals(stored.status, 201);
      const rows: readonly [string[], Record<string, string>, number, RegExp][] = [
        [
          ["q"],
          { ELASTIK_APPROVE_TOKEN: APPROVE },
          1,
          /^Cannot read the log of \/lib\/q: there is/,
        ],
        [
          ["p"],
          { ELASTIK_TOKEN: TOKEN },
          1,
          /^Cannot read the log of \/lib\/p: the caller has T2; /,
        ],
        [["p"], {}, 1, /^Cannot read the log of \/lib\/p: no credential was sent/],
        [
          ["p", "--limit", "0"],
          {},
          2,
          /^Cannot run logs: --limit is 0; a whole number from 1 to 1000/,
        ],
        [
          ["../x"],
          {},
          2,
          /^Cannot run logs: \.\.\/x is not the name of a plugin, such as hello\n$/,
        ],
        [[".."], {}, 2, /^Cannot run logs: \.\. is not the name of a plugin/],
        [["p", "-x"], {}, 2, /^Cannot run logs with -x: it takes --follow, --limit, --url\n$/],
        [[], {}, 2, /^Cannot run logs with 0 arguments: it takes <plugin>\n$/],
      ];
      for (const [args, env, code, says] of rows) {
        const all = ["logs", ...args, "--url", url];
        const result = await runProgram(fromCheckout(folder, all, env));
        assertEquals([result.code, result.stdout], [code, ""], result.stderr);
        assertMatch(result.stderr, says);
      }
      const closed = ["--url", createClosedUrl()];
      for (const command of [["logs", "p", "-f"], ["plugins"]]) {
        const result = await runProgram(fromCheckout(folder, [...command, ...closed]));
        assertEquals(result.code, 3, result.stderr);
        assertMatch(result.stderr, /^Cannot reach http/);
      }
    })));
