import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { ServerRefusal } from "../../../plugins/reality/source.ts";
import { listWorlds, worldEntries } from "../../../plugins/reality/worlds.ts";

/** A server that answers every request with the next of these responses. */
function envOf(...responses: readonly Response[]) {
  let at = 0;
  const requested: string[] = [];
  const fetch = (path: string): Promise<Response> => {
    requested.push(path);
    return Promise.resolve(responses[at++] ?? Response.error());
  };
  return { caller: { tier: "T3", fetch }, machine: { fetch }, requested };
}

function copyOf(body: string, size: number | string = body.length): Response {
  return new Response(body, { headers: { "content-disposition": `attachment; size=${size}` } });
}

async function pathsOf(env: ReturnType<typeof envOf>, name = "home/x"): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of worldEntries(env, [name])) paths.push(path);
  return paths;
}

Deno.test("listWorlds() lists worlds that have a file, or throws the server's refusal", async () => {
  const rows = [{ name: "home/x", layer: "upper" }, { name: "usr/low", layer: "lower" }];
  assertEquals(await listWorlds(envOf(Response.json(rows))), ["home/x"]);
  await assertRejects(listWorlds(envOf(new Response(null, { status: 403 }))), ServerRefusal);
});

Deno.test("worldEntries() begins with the folder and ends with a new key", async () => {
  const env = envOf(copyOf("copy"));
  const entries = [];
  for await (const entry of worldEntries(env, ["home/a%b"])) entries.push(entry);
  assertEquals(entries.map(({ path }) => path), [
    "data/",
    "data/home%2Fa%25b/universe.db",
    "data/.key",
  ]);
  assertMatch(String(entries[2]?.body), /^[0-9a-f]{64}\n$/);
  assertEquals(env.requested, ["/proc/snapshot/home/a%25b"]);
});

Deno.test("worldEntries() leaves out a world that was deleted", async () => {
  assertEquals(await pathsOf(envOf(new Response(null, { status: 404 }))), [
    "data/",
    "data/.key",
  ]);
});

Deno.test("worldEntries() tries again while the server is busy", async () => {
  const env = envOf(new Response("busy", { status: 503 }), copyOf("copy"));
  assertEquals((await pathsOf(env)).length, 3);
  assertEquals(env.requested.length, 2);
});

Deno.test("worldEntries() throws if the copy fails or has no length", async () => {
  await assertRejects(
    pathsOf(envOf(new Response("failed", { status: 500 }))),
    /responded with 500/,
  );
  await assertRejects(pathsOf(envOf(copyOf("copy", "many"))), /responded with 200/);
});

Deno.test("worldEntries() puts a text in place of a damaged world", async () => {
  const problem = Response.json({ type: "/usr/share/doc/problems/world-damaged.md" }, {
    status: 500,
  });
  const warn = console.warn;
  const lines: string[] = [];
  console.warn = (line: string) => void lines.push(line);
  try {
    for await (const { path, body } of worldEntries(envOf(problem), ["home/x"])) {
      if (path.endsWith("universe.db")) {
        assertMatch(String(body), /^This is not a world: .*\/home\/x/);
      }
    }
  } finally {
    console.warn = warn;
  }
  assertEquals(lines, [
    "Cannot copy /home/x: its file is damaged; the archive has a text in its place",
  ]);
});
