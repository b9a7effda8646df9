import { assertEquals, assertRejects } from "../../support/assert.ts";
import {
  listSource,
  moduleResponse,
  ServerRefusal,
  sourceEntries,
} from "../../../plugins/reality/source.ts";

/** A server whose source has these files. */
function envOf(files: Readonly<Record<string, string>>, main = "main.ts") {
  const fetch = (path: string): Promise<Response> => {
    if (path === "/proc/source/") {
      return Promise.resolve(Response.json({ main, files: Object.keys(files) }));
    }
    const text = files[decodeURIComponent(path.slice("/proc/source/".length))];
    return Promise.resolve(
      text === undefined ? new Response(null, { status: 404 }) : new Response(text),
    );
  };
  return { caller: { tier: "T3", fetch }, machine: { fetch } };
}

function get(path: string, method = "GET"): Request {
  return new Request(`http://server/self/${path}`, { method });
}

Deno.test("listSource() returns the server's list, or throws its refusal", async () => {
  assertEquals(await listSource(envOf({ "main.ts": "" })), {
    main: "main.ts",
    files: ["main.ts"],
  });
  const fetch = () => Promise.resolve(new Response("one binary", { status: 501 }));
  const env = { caller: { tier: "T3", fetch }, machine: { fetch } };
  await assertRejects(listSource(env), ServerRefusal);
});

Deno.test("moduleResponse() sends TypeScript with a media type that Deno accepts", async () => {
  const env = envOf({ "a.ts": "a", "b.mts": "b", "c.md": "c" });
  const typeOf = async (path: string, method?: string) =>
    (await moduleResponse(get(path, method), env, path)).headers.get("content-type");
  assertEquals(await typeOf("a.ts"), "application/typescript");
  assertEquals(await typeOf("b.mts", "HEAD"), "application/typescript");
  assertEquals(await typeOf("c.md"), "text/plain;charset=UTF-8");
});

Deno.test("moduleResponse() redirects from main.ts to a program of another name", async () => {
  const response = await moduleResponse(get("main.ts"), envOf({}, "my program.js"), "main.ts");
  assertEquals([response.status, response.headers.get("location")], [307, "./my%20program.js"]);
  assertEquals((await moduleResponse(get("main.ts"), envOf({}), "main.ts")).status, 404);
  assertEquals((await moduleResponse(get("a.ts"), envOf({}, "b.js"), "a.ts")).status, 404);
});

Deno.test("sourceEntries() leaves out removed files and marks programs as executable", async () => {
  const env = envOf({ "run me": "#!/bin/sh\n", "a.ts": "a" });
  const found: [string, number][] = [];
  for await (const { path, mode } of sourceEntries(env, ["a.ts", "removed.ts", "run me"])) {
    found.push([path, mode]);
  }
  assertEquals(found, [["a.ts", 0o644], ["run me", 0o755]]);
});
