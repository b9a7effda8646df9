/**
 * Every problem that can be provoked over HTTP, in three forms: JSON, text, and headers only for
 * HEAD. The form is always the same, the detail names the action, and nothing is stored.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { PROBLEMS, type ProblemType } from "../../lib/http/problem.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  requireOneServer,
  skipInCluster,
  startTestServer,
  type TestServer,
  TOKEN,
} from "../support/test_server.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

/** Problem type, request, headers, body, and response headers that belong to it. */
// deno-fmt-ignore
const ROWS: readonly (readonly [ProblemType, string, Record<string, string>, (string | undefined)?, Record<string, RegExp>?])[] = [
  ["bad-path", "GET /home/../x", T2],
  ["bad-name", "PUT /home/a:b", T2, "x"],
  ["bad-query", "GET /home/x?at=x", T2],
  ["bad-query", "PUT /home/x?ext=%2F", T2, "x"],
  ["bad-query", "POST /auth/mint?prefix=x", T3],
  ["bad-header", "GET /home/x", { ...T2, host: "a b" }],
  ["bad-header", "PUT /home/x", { ...T2, "if-match": "no tag" }, "x"],
  ["bad-header", "PUT /home/x", { ...T2, "content-range": "bytes 0-1/2" }, "x"],
  ["bad-metadata", "PUT /home/x", { ...T2, "x-meta-a": "é" }, "x"],
  ["bad-body", "PUT /home/x?from=1", T2, "x"],
  ["unauthorized", "PUT /home/x", {}, "x", { "www-authenticate": /^Bearer realm="elastik", Basic / }],
  ["unauthorized", "GET /boot/env", bearer("wrong"), undefined, { "www-authenticate": /Basic/ }],
  ["forbidden", "PUT /etc/x", T2, "x"],
  ["forbidden", "GET /etc/shadow", T2],
  ["foreign-origin", "PUT /home/x", { ...T3, origin: "https://evil.example" }, "x"],
  ["lower-layer", "DELETE /usr/bin/boot", T3],
  ["not-found", "GET /home/absent", T2],
  ["not-found", "GET /nowhere", T2],
  ["method-not-allowed", "LOCK /home/x", T2, "x", { allow: /^GET, HEAD, PUT, POST, PATCH, OPTIONS$/ }],
  ["method-not-allowed", "PUT /proc/status", T3, "x", { allow: /^GET, HEAD, OPTIONS$/ }],
  ["unsupported-media-type", "PATCH /home/x", T2, "x", { "accept-patch": /^application\/merge-patch\+json, / }],
  ["patch-conflict", "PATCH /home/x", { ...T2, "content-type": "application/json" }, '{"line":99,"replace":""}'],
  ["gone", "GET /home/x?at=1", T2],
  ["precondition-failed", "PUT /home/x", { ...T2, "if-match": '"99"' }, "x"],
  ["precondition-failed", "GET /home/x", { ...T2, "if-match": '"99"' }, undefined, { etag: /^"3-/ }],
  ["body-too-large", "PUT /home/x", T2, "x".repeat(1001)],
  ["uri-too-long", `GET /home/${"x".repeat(9000)}`, T2],
  ["range-not-satisfiable", "GET /home/x?raw", { ...T2, range: "bytes=99-" }, undefined, { "content-range": /^bytes \*\/3$/ }],
  ["not-implemented", "BREW /home/x", T2],
  ["world-damaged", "GET /home/torn", T2],
  ["world-damaged", "PUT /home/torn", T2, "x"],
  ["world-damaged", "GET /proc/audit/home/torn", T2],
];

async function worlds(server: TestServer): Promise<string> {
  const headers = { ...T3, accept: "application/json" };
  const { text } = await server.send({ method: "GET", target: "/proc/worlds", headers });
  const rows: unknown = JSON.parse(text);
  assert(Array.isArray(rows));
  return rows.map(({ name, version }) => `${name} ${version}`).join();
}

/** A server with a world whose first version was evicted, and, if it has files, one whose file is damaged. */
async function startDamagedServer(data: string): Promise<TestServer> {
  const env = { ...CLOSED, ELASTIK_HISTORY: "1", ELASTIK_MAX_BODY: "1000" };
  const first = await startTestServer({ env, data });
  for (const body of ["one", "two", "six"]) {
    await first.send({ method: "PUT", target: "/home/x", headers: T2, body });
  }
  if (first.isCluster) return first;
  await first.send({ method: "PUT", target: "/home/torn", headers: T2, body: "x" });
  await first.stop();
  await Deno.writeTextFile(
    `${data}/home%2Ftorn/universe.db`,
    "this is no database, but it was one",
  );
  return await startTestServer({ env, data });
}

Deno.test(
  "toProblemResponse() has one form for every problem over HTTP",
  async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "elastik-test-" });
    const server = await startDamagedServer(`${folder}/data`);
    try {
      const before = await worlds(server);
      for (const [type, request, headers, body, belonging = {}] of ROWS) {
        const step = `${type}: ${request.slice(0, 60)}`;
        const check = async () => {
          if (type === "world-damaged") requireOneServer("it damages a file of a world");
          const [method = "", target = ""] = request.split(" ");
          const { status, title } = PROBLEMS[type];
          const sent = { method, target, headers, ...(body === undefined ? {} : { body }) };
          const reply = await server.send(sent);
          assertStrictEquals(reply.status, status, reply.text);
          assertEquals(reply.headers.get("content-type"), "application/problem+json");
          assertEquals(reply.headers.get("cache-control"), "no-store");
          for (const [name, value] of Object.entries(belonging)) {
            assertMatch(reply.headers.get(name) ?? "", value);
          }
          const problem: Record<string, unknown> = JSON.parse(reply.text);
          assertEquals(Object.keys(problem), ["type", "title", "status", "detail"]);
          assertEquals(problem.type, `/usr/share/doc/problems/${type}.md`);
          assert(Object.hasOwn(lowerWorlds, String(problem.type).slice(1)), "its page is missing");
          assertEquals([problem.title, problem.status], [title, status]);
          const detail = String(problem.detail);
          assertMatch(detail, /^Cannot [^]+[^.\s]$/);
          assert(!detail.includes(folder) && !/%2F|universe\.db|\n/.test(detail), detail);
          const words = await server.send({
            ...sent,
            headers: { ...headers, accept: "text/plain" },
          });
          assertStrictEquals(words.status, status);
          assertEquals(words.headers.get("content-type"), "text/plain; charset=utf-8");
          // Each representation has its own tag, also in a refusal.
          const expected = words.text.replaceAll('.text"', '.json"');
          assertEquals(expected, `${status} ${title}\n${detail}\n`);
          if (method === "GET" && type !== "range-not-satisfiable") {
            const head = await server.send({ ...sent, method: "HEAD" });
            assertEquals([head.status, head.text], [status, ""]);
            assertStrictEquals(
              head.headers.get("content-length"),
              reply.headers.get("content-length"),
            );
          }
        };
        await t.step(step, () => skipInCluster(step, check));
      }
      assertStrictEquals(await worlds(server), before);
      // The other worlds are unchanged.
      assertEquals((await server.send({ method: "GET", target: "/home/x?raw" })).text, "six");
      assertEquals((await server.send({ method: "GET", target: "/home/" })).status, 200);
      assert(server.log.every((line) => !line.includes(TOKEN)));
      if (server.isCluster) return;
      assert(server.log.length > 0);
      assertEquals((await server.approve("DELETE", "/home/torn")).status, 500);
    } finally {
      await server.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
);
