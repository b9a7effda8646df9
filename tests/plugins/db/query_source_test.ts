import { assertEquals, assertRejects } from "../../support/assert.ts";
import { MAX_RESULT_BYTES, querySource } from "../../../plugins/db/query_source.ts";
import { Problem, problemResponse } from "../../../plugins/kit/problem.ts";

const ONE = { columns: ["a"], rows: [[1]], truncated: false };
const NFC = "\u00fc.db";
const NFD = "u\u0308.db";

/** An environment whose queries note their source. */
function envOf(respond: (path: string) => Response, onDisk: readonly string[] = []) {
  const sources: unknown[] = [];
  const paths: string[] = [];
  return {
    sources,
    paths,
    config: { "/etc/fstab": "/srv /mnt/data ro\n" },
    caller: {
      fetch: (path: string) => {
        paths.push(path);
        return Promise.resolve(respond(path));
      },
    },
    sql: {
      query: (source: unknown, _sql: string, _params: unknown, limits: unknown) => {
        sources.push(source);
        assertEquals(limits, { maxRows: 1000, maxBytes: MAX_RESULT_BYTES, timeoutMs: 2000 });
        if (typeof source !== "string" || onDisk.includes(source)) return Promise.resolve(ONE);
        return Promise.reject(Object.assign(new Error("absent"), { name: "NotFound" }));
      },
    },
    files: { list: () => Promise.resolve([{ name: NFD }, { name: "x.db" }]) },
  };
}

const noResponse = (): Response => Response.error();
const target = (file: string) => ({ file, content: false, params: [] });

Deno.test("querySource() queries a copy of a world, or its content", async () => {
  const env = envOf(() => new Response("bytes"));
  const world = { world: "home/a b", params: [] };
  assertEquals(await querySource(env, { ...world, content: false }, "SELECT 1"), ONE);
  await querySource(env, { ...world, content: true }, "SELECT 1");
  assertEquals(env.paths, ["/proc/snapshot/home/a%20b", "/home/a%20b?raw"]);
  assertEquals(env.sources.every((source) => source instanceof ReadableStream), true);
});

Deno.test("querySource() passes on the server's problem with its headers", async () => {
  const headers = { "www-authenticate": "Bearer" };
  const problem = new Problem("unauthorized", "Cannot read /home/x: no credential", headers);
  const env = envOf(() => problemResponse(problem, null));
  await assertRejects(
    querySource(env, { world: "home/x", content: false, params: [] }, "SELECT 1"),
    {
      status: 401,
      type: "/usr/share/doc/problems/unauthorized.md",
      message: "Cannot query /home/x: Cannot read /home/x: no credential",
      headers,
    },
  );
});

Deno.test("querySource() answers 502 to a response that is not a problem", async () => {
  const env = envOf(() => new Response("broken", { status: 500 }));
  await assertRejects(
    querySource(env, { world: "home/x", content: false, params: [] }, "SELECT 1"),
    {
      status: 502,
      message: "Cannot query /home/x: the server responded with 500",
    },
  );
});

Deno.test("querySource() queries a file below a mount", async () => {
  const env = envOf(noResponse, ["/srv/x.db"]);
  await querySource(env, target("data/x.db"), "SELECT 1");
  assertEquals(env.sources, ["/srv/x.db"]);
});

Deno.test("querySource() finds a file whose name is in NFD on the disk", async () => {
  for (const name of [NFC, NFD]) {
    const env = envOf(noResponse, [`/srv/${NFD}`]);
    await querySource(env, target(`data/${name}`), "SELECT 1");
    assertEquals(env.sources.at(-1), `/srv/${NFD}`);
  }
});

Deno.test("querySource() answers 404 if no spelling of the name exists", async () => {
  await assertRejects(querySource(envOf(noResponse), target("data/\u00e9.db"), "SELECT 1"), {
    status: 404,
    message: "Cannot query the file data/\u00e9.db: the file does not exist",
  });
});
