import { assert, assertEquals, assertMatch, assertNotMatch } from "../../support/assert.ts";
import { ErrorPositions, PLUGIN_URL_START } from "../../../lib/plugin/realm/error_positions.ts";
import { buildPlugin } from "../../../lib/cli/client/bundle_plugin.ts";
import { findPluginEntry } from "../../../lib/cli/client/plugin_entry.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { APPROVE, bearer, type TestServer } from "../../support/test_server.ts";
import { eventually, get, install, withPlugins } from "../plugin_test_server.ts";

const PLAIN = new ErrorPositions("p", undefined);
/** Line 1 is line 5 of src/a.ts from column 10 on, and line 2 is line 1 of a package. */
const MAP = {
  sources: ["src/a.ts", "npm:x@1.0.0/x.js"],
  mappings: "AAAA,SAIA;ACJA",
};
const MAPPED = new ErrorPositions("p", new TextEncoder().encode(JSON.stringify(MAP)).toBase64());

Deno.test("namePositions() names the world of the plugin, and removes other frames", () => {
  const text = `Error: x\n    at f (${PLUGIN_URL_START}aGk+....../w==:3:14)\n` +
    `    at ${PLUGIN_URL_START}aGk=:1:2\n    at async data:application/javascript,x:1:1`;
  assertEquals(PLAIN.namePositions(text), "Error: x\n    at f (/lib/p:3:14)\n    at /lib/p:1:2");
  assertEquals(PLAIN.namePositions(`${PLUGIN_URL_START}aGk=`), "/lib/p");
  const own = "a\n    at file:///x:1:1 data:text/javascript,1:2:3";
  assertEquals(PLAIN.namePositions(own), own);
});

Deno.test("namePositions() names the file of the author before the stored source", () => {
  const text =
    `Error: x\n    at f (${PLUGIN_URL_START}aGk=:1:12)\n    at ${PLUGIN_URL_START}aGk=:9:2`;
  assertEquals(
    MAPPED.namePositions(text),
    "Error: x\n    at f (src/a.ts:5:1, /lib/p:1:12)\n    at /lib/p:9:2",
  );
});

Deno.test("formatError() names the permissions of the plugin, not the flags of Deno", () => {
  const error = new Deno.errors.NotCapable(
    'Requires net access to "example.com:443", run again with the --allow-net flag',
  );
  error.stack = "";
  assertEquals(
    PLAIN.formatError(error),
    'NotCapable: Requires net access to "example.com:443"; `permissions` of the plugin must name it',
  );
});

Deno.test("formatError() has the position once, and is limited", () => {
  const error = new TypeError("no");
  error.stack = `TypeError: no\n    at f (${PLUGIN_URL_START}aGk=:3:14)`;
  assertEquals(PLAIN.formatError(error), "TypeError: no (/lib/p:3:14)");
  error.message = `bad at ${PLUGIN_URL_START}aGk=:3:14`;
  assertEquals(PLAIN.formatError(error), "TypeError: bad at /lib/p:3:14");
  assertEquals(PLAIN.formatError("text"), "text");
  assertEquals(PLAIN.formatError("x".repeat(5000)).length, 4000);
});

Deno.test("formatError() prefers the first frame in a file of the author to one in a package", () => {
  const error = new Error("no");
  const inPackage = `    at g (${PLUGIN_URL_START}aGk=:2:1)`;
  error.stack = `Error: no\n${inPackage}\n    at f (${PLUGIN_URL_START}aGk=:1:12)`;
  assertEquals(MAPPED.formatError(error), "Error: no (src/a.ts:5:1, /lib/p:1:12)");
  error.stack = `Error: no\n${inPackage}`;
  assertEquals(MAPPED.formatError(error), "Error: no (npm:x@1.0.0/x.js:1:1, /lib/p:2:1)");
});

Deno.test("the log of a plugin names line and column of its TypeScript source", () =>
  withPlugins(async (server) => {
    const source = `interface Long { readonly a: string }
export const routes: string[] = ["/p"];
export default {
  fetch(request: Request): Response {
    const { search }: { search: string } = new URL(request.url);
    if (search === "?console") console.error(new Error("printed"));
    if (search === "?stack") console.error(new Error("as text").stack);
    if (search === "?traced") console.trace("traced", new Error("not").message);
    if (search === "?rejected") { const late: unknown = Promise.reject(new Error("rejected")); }
    if (search === "?timer") setTimeout((): void => { throw new Error("in a timer"); });
    if (search === "?thrown") { const n: number = 1; throw new Error("thrown"); }
    return new Response("ok");
  },
};
`;
    await install(server, "p", source);
    const lines = source.split("\n");
    const cases = {
      console: "printed",
      stack: "as text",
      traced: "Trace: traced not\\n    at ",
      rejected: "rejected",
      timer: "in a timer",
      thrown: "thrown",
    };
    for (const [query, message] of Object.entries(cases)) {
      await get(server, `/p?${query}`);
      const line = lines.findIndex((text) => text.includes(`"?${query}"`)) + 1;
      const column = (lines[line - 1] ?? "").search(/new Error|(?<=console\.)trace/) + 1;
      const log = await eventually(async () => {
        const { text } = await server.send({
          method: "GET",
          target: "/proc/plugins/p/log?limit=1",
          headers: { ...bearer(APPROVE), accept: "text/plain" },
        });
        return text.includes(message) ? text : undefined;
      }, `a line with ${message}`);
      assertMatch(log, new RegExp(`/lib/p:${line}:${column}\\b`));
      assertNotMatch(log, /data:|file:/);
    }
  }));

/** Sends a request to the plugin, and waits for the line of its log that has the message. */
async function logAfter(server: TestServer, target: string, message: string): Promise<string> {
  await get(server, target);
  return await eventually(async () => {
    const { text } = await server.send({
      method: "GET",
      target: "/proc/plugins/p/log?limit=1",
      headers: { ...bearer(APPROVE), accept: "text/plain" },
    });
    return text.includes(message) ? text : undefined;
  }, `a line with ${message}`);
}

Deno.test("the log of a bundled plugin names file, line and column of its author", () =>
  withTempFolder((folder) =>
    withPlugins(async (server) => {
      await Deno.mkdir(`${folder}/src`);
      const routes = `import { Hono } from "npm:hono@4.13.19";
interface Long { readonly a: string }

export function fail(kind: string | undefined, value?: Long): never {
  if (kind === "console") console.error(new Error("printed"));
  throw new TypeError(\`thrown \${value?.a}\`);
}
export const app = new Hono();
`;
      await Deno.writeTextFile(`${folder}/src/routes.ts`, routes);
      await Deno.writeTextFile(
        `${folder}/mod.ts`,
        `import { app, fail } from "./src/routes.ts";
export const routes = ["/p"];
app.get("/p/:kind", (context) => fail(context.req.param("kind")));
app.onError((error) => { throw error; });
export default app;
`,
      );
      const { text } = await buildPlugin(await findPluginEntry(folder, "p"));
      await install(server, "p", text);
      const code = text.split("\n");
      const position = (file: string, source: string, found: string, stored = found) => {
        const own = source.split("\n");
        const line = own.findIndex((each) => each.includes(found));
        const at = code.findIndex((each) => each.includes(stored));
        return `${file}:${line + 1}:${(own[line] ?? "").indexOf(found) + 1}, ` +
          `/lib/p:${at + 1}:${(code[at] ?? "").indexOf(stored) + 1}`;
      };
      const thrown = await logAfter(server, "/p/thrown", "thrown");
      const where = position("src/routes.ts", routes, "new TypeError(");
      assert(thrown.includes(`TypeError: thrown undefined (${where})`), `${thrown} has ${where}`);
      const printed = await logAfter(server, "/p/console", "thrown");
      assert(printed.includes(where), printed);
      const { text: all } = await server.send({
        method: "GET",
        target: "/proc/plugins/p/log",
        headers: { ...bearer(APPROVE), accept: "text/plain" },
      });
      const trace = all.split("\n").find((line) => line.includes("printed")) ?? "";
      const inConsole = position("src/routes.ts", routes, 'new Error("printed")');
      assert(trace.includes(`Error: printed\\n    at fail (${inConsole})`), trace);
      assertMatch(trace, /at [^(]*\(mod\.ts:3:\d+, \/lib\/p:\d+:\d+\)/);
      assertMatch(trace, /\(npm:hono@4\.13\.19\/dist\/[\w./-]+\.js:\d+:\d+, \/lib\/p:\d+:\d+\)/);
      assertNotMatch(trace, /data:|file:/);
    })
  ));

Deno.test("a hostile source map costs only positions of the plugin's own log", () =>
  withPlugins(async (server) => {
    const source = (map: unknown) =>
      `export const routes = ["/p"];
export default { fetch() { throw new Error("boom"); } };
//# sourceMappingURL=data:application/json;base64,${
        new TextEncoder().encode(JSON.stringify(map)).toBase64()
      }\n`;
    const rows: readonly [unknown, RegExp][] = [
      [
        { sources: ["../../etc/shadow"], mappings: "AAAA;AAAA" },
        /boom \(shadow:1:1, \/lib\/p:2:34\)/,
      ],
      [
        { sources: ["https://a:b@c.example/\u001b[2J.ts"], mappings: ";AAAA" },
        /boom \(\?\[2J\.ts:1:1, \/lib\/p:2:34\)/,
      ],
      [{ sources: ["a.ts"], mappings: "A,".repeat(300_000) }, /boom \(\/lib\/p:2:34\)/],
      [{ sources: ["a.ts"], mappings: "ADDD;!" }, /boom \(\/lib\/p:2:34\)/],
      [["no", "map"], /boom \(\/lib\/p:2:34\)/],
    ];
    for (const [map, says] of rows) {
      await install(server, "p", source(map));
      assertMatch(await logAfter(server, "/p", "boom"), says);
      assertEquals((await get(server, "/proc/version")).status, 200);
    }
  }));
