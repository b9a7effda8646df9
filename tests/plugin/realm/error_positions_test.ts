import { assertEquals, assertMatch, assertNotMatch } from "../../support/assert.ts";
import {
  formatError,
  namePositions,
  PLUGIN_URL_START,
} from "../../../lib/plugin/realm/error_positions.ts";
import { APPROVE, bearer } from "../../support/test_server.ts";
import { eventually, get, install, withPlugins } from "../plugin_test_server.ts";

Deno.test("namePositions() names the world of the plugin, and removes other frames", () => {
  const text = `Error: x\n    at f (${PLUGIN_URL_START}aGk+....../w==:3:14)\n` +
    `    at ${PLUGIN_URL_START}aGk=:1:2\n    at async data:application/javascript,x:1:1`;
  assertEquals(namePositions(text, "p"), "Error: x\n    at f (/lib/p:3:14)\n    at /lib/p:1:2");
  assertEquals(namePositions(`${PLUGIN_URL_START}aGk=`, "p"), "/lib/p");
  const own = "a\n    at file:///x:1:1 data:text/javascript,1:2:3";
  assertEquals(namePositions(own, "p"), own);
});

Deno.test("formatError() has the position once, and is limited", () => {
  const error = new TypeError("no");
  error.stack = `TypeError: no\n    at f (${PLUGIN_URL_START}aGk=:3:14)`;
  assertEquals(formatError(error, "p"), "TypeError: no (/lib/p:3:14)");
  error.message = `bad at ${PLUGIN_URL_START}aGk=:3:14`;
  assertEquals(formatError(error, "p"), "TypeError: bad at /lib/p:3:14");
  assertEquals(formatError("text", "p"), "text");
  assertEquals(formatError("x".repeat(5000), "p").length, 4000);
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
      rejected: "rejected",
      timer: "in a timer",
      thrown: "thrown",
    };
    for (const [query, message] of Object.entries(cases)) {
      await get(server, `/p?${query}`);
      const line = lines.findIndex((text) => text.includes(`"?${query}"`)) + 1;
      const column = (lines[line - 1] ?? "").indexOf("new Error") + 1;
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
