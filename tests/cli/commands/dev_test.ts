/** The command `dev` with the real program: a build, a change, errors, the log, and its end. */

import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { InstallError, installPlugins } from "../../../lib/cli/client/install_plugins.ts";
import { ServerClient } from "../../../lib/cli/client/server_client.ts";
import { eventually, QUICK } from "../../plugin/plugin_test_server.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { startCommand } from "../../support/live_command.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { APPROVE, bearer, withServer } from "../../support/test_server.ts";

const HONO = `import { Hono } from "npm:hono@4.13.19";
import { greet } from "./greet.ts";
export const routes = ["/hi"];
const app = new Hono().basePath("/hi");
app.get("/:name", (c) => {
  console.log("greets", c.req.param("name"));
  return c.text(greet(c.req.param("name")));
});
export default app;
`;
const greet = (body: string) =>
  `export function greet(name: string): string {\n  return ${body};\n}\n`;

Deno.test("dev installs a Hono app from its files, again after each change, and prints its log", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    await Deno.mkdir(`${folder}/hi`);
    const write = (body: string) => Deno.writeTextFile(`${folder}/hi/greet.ts`, greet(body));
    await Deno.writeTextFile(`${folder}/hi/main.ts`, HONO);
    await write("`Hello, ${name}`");
    const dev = startCommand(fromCheckout(folder, ["dev", "./hi", "--url", program.url]));
    try {
      await dev.until(/^It requests:\n {2}"routes":\["\/hi"\]\n/m);
      await dev.until(new RegExp(`^hi version 1 is active: ${program.url}/hi\n`, "m"));
      assertEquals((await ask(`${program.url}/hi/ada`)).text, "Hello, ada");
      await dev.until(/^\d{4}-\S+Z log v1 greets ada\n/m);

      await write("`Good day, ${name}`");
      await dev.until(/^hi version \d+ is active: /m);
      assertEquals((await ask(`${program.url}/hi/ada`)).text, "Good day, ada");
      await dev.until(/ greets ada\n/);

      // A syntax error, then a type error: the running version continues.
      await write("`Bye");
      await dev.until(
        /\/hi\/greet\.ts:\d+:\d+\n[\s\S]*Cannot build hi; the server keeps what it has\n/,
      );
      await write("name.length");
      await dev.until(/TS2322[\s\S]*\/hi\/greet\.ts:2:3\n[\s\S]*Cannot build hi; /);
      assertEquals((await ask(`${program.url}/hi/ada`)).text, "Good day, ada");

      await write("`Good day, ${name}`");
      await dev.until(/^hi builds again, as the server has it\n/m);

      await write("`Back, ${name}`");
      await dev.until(/^hi version \d+ is active: /m);
      assertEquals((await ask(`${program.url}/hi/ada`)).text, "Back, ada");
      assertEquals(dev.output().match(/It requests:/g)?.length, 1, "requests are shown if new");

      assertEquals(await dev.interrupt(), 0, dev.output());
      await dev.until(new RegExp(`^Stopped; hi stays as it is on ${program.url}\n$`, "m"));
      assertEquals((await ask(`${program.url}/hi/ada`)).text, "Back, ada");
    } finally {
      await dev.interrupt();
      await program.stop();
    }
  }));

Deno.test("dev shows the place of what the server refuses, traces as several lines, and ends during a check", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const write = (text: string) => Deno.writeTextFile(`${folder}/p.ts`, text);
    const source = (body: string) =>
      `export const routes = ["/p"];\nexport default {\n  async fetch(): Promise<Response> {\n    ${body}\n  },\n};\n`;
    await write(source('console.error(new Error("trace"));\n    return new Response("1");'));
    const url = program.url;
    const dev = startCommand(fromCheckout(folder, ["dev", "./p.ts", "--no-check", "--url", url]));
    try {
      await dev.until(/ is active: /);
      assertEquals((await ask(`${url}/p`)).text, "1");
      await dev.until(/^\S+Z error v\d+ Error: trace\n {4}at (?:\S+ )*\(?\/lib\/p:4:19\)?\n/m);
      await write(source("return = 1;"));
      await dev.until(
        /^Cannot approve p: .*\(line 4, column 12\).*version \d+ is still active\n {4}return = 1;\n {11}\^\n/m,
      );
      assertEquals((await ask(`${url}/p`)).text, "1");
      assertEquals(await dev.interrupt(), 0, dev.output());
    } finally {
      await dev.interrupt();
    }

    // The check of types waits for a module that is never answered.
    await write(source("return new Promise(() => {});"));
    const installed = await runProgram(fromCheckout(folder, ["install", "./p.ts", "--url", url]));
    assertEquals(installed.code, 0, installed.stderr);
    await Deno.mkdir(`${folder}/q`);
    await Deno.writeTextFile(
      `${folder}/q/q.ts`,
      `import type { X } from "${url}/p/types.d.ts";\nexport const routes: X = ["/q"];\n`,
    );
    const late = startCommand(fromCheckout(folder, ["dev", "./q/q.ts", "--url", url]));
    try {
      await eventually(async () => {
        const { text } = await ask(`${url}/lib/p/state`);
        return /"open":1\b|"requests":1\b/.test(text) ? text : undefined;
      }, "a request of the check");
      assertEquals(await late.interrupt(), 0, late.output());
      assert(!late.output().includes("Cannot build"), late.output());
      await late.until(/^Stopped; q stays as it is/m);
    } finally {
      await late.interrupt();
      await program.stop();
    }
  }));

Deno.test("dev refuses a missing file, a missing token, and another computer without a terminal", () =>
  withServer({ env: QUICK }, ({ port }) =>
    withTempFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/p.ts`, "export const routes = ['/p'];");
      const url = `http://127.0.0.1:${port}`;
      const token = { ELASTIK_APPROVE_TOKEN: APPROVE };
      const rows: readonly [string[], Record<string, string>, RegExp][] = [
        [["none.ts"], token, /^Cannot install none\.ts: there is no such file or folder\n$/],
        [["p.ts", "--url", url], {}, /^Cannot approve p: ELASTIK_APPROVE_TOKEN is not set/],
        [
          ["p.ts", "--url", `http://192.0.2.1:${port}`],
          token,
          /^Cannot approve p on http:\/\/192\.0\.2\.1:\d+: it is another computer, and there is no terminal/,
        ],
        [["p.ts", "q.ts"], {}, /^Cannot run dev with 2 arguments: it takes <path>\n$/],
      ];
      for (const [args, env, says] of rows) {
        const { code, stderr } = await runProgram(fromCheckout(folder, ["dev", ...args], env));
        assertEquals(code, 2, stderr);
        assertMatch(stderr, says);
      }
      assertEquals((await ask(`${url}/lib/p?raw`)).status, 404);
    })));

Deno.test("installPlugins() puts back what was there if the operator does not approve", () =>
  withServer({ env: QUICK }, async (server) => {
    const client = new ServerClient(`http://127.0.0.1:${server.port}`);
    const access = { client, data: server.data, token: undefined, approveToken: APPROVE };
    const text = 'export const routes = ["/p"]; export default { fetch: () => new Response("1") };';
    const shown: unknown[] = [];
    const install = (source: string, isApproved: boolean) =>
      installPlugins(access, [{ name: "p", text: source, ext: "js" }], {
        print() {},
        confirm(_name, asks) {
          shown.push(asks);
          return isApproved;
        },
      });
    await assertRejects(install(text, false), (error: unknown) => {
      assert(error instanceof InstallError);
      assertEquals([error.code, error.message], [1, "Did not approve p; p was removed again"]);
      return true;
    });
    assertEquals((await ask(`${client.base}/lib/p?raw`)).status, 404);
    await install(text, true);
    await assertRejects(install(text.replace("/p", "/q"), false), { name: "InstallError" });
    assertEquals((await ask(`${client.base}/p`)).text, "1");
    assertEquals((await ask(`${client.base}/q`, { headers: bearer(APPROVE) })).status, 404);
    assertEquals(shown.length, 3);
  }));
