import { assertEquals, assertMatch, assertStrictEquals } from "../../../support/assert.ts";
import { upstreamProblem } from "../../../../plugins/fstab/upstream/problem.ts";
import type { Problem } from "../../../../plugins/kit/problem.ts";

function problemOf(
  status: number,
  text = "no \u001b[31m such\r\nthing",
  type = "text/plain",
  bearer?: string,
): Problem {
  const headers = new Headers({ "content-type": type, "retry-after": "7" });
  const start = new TextEncoder().encode(text);
  return upstreamProblem({ status, headers, start }, bearer, "/mnt/api/x");
}

Deno.test("upstreamProblem() keeps a 4xx status with the type of this server, and Retry-After", () => {
  const { type, status, headers, message } = problemOf(404);
  assertEquals(
    [type, status, headers],
    ["/usr/share/doc/problems/not-found.md", 404, { "retry-after": "7" }],
  );
  assertEquals(message, "Cannot read /mnt/api/x: its server answered 404: no [31m such thing");
});

Deno.test("upstreamProblem() has a type of its own for a status that this server uses otherwise", () => {
  for (const status of [410, 418, 423]) {
    const problem = problemOf(status);
    assertEquals([problem.type, problem.status], ["/usr/share/doc/mounts.md", status]);
  }
});

Deno.test("upstreamProblem() is 502 for every other status", () => {
  for (const status of [206, 300, 500, 503]) {
    const { status: becomes, headers } = problemOf(status);
    assertEquals([becomes, headers], [502, {}]);
  }
});

Deno.test("upstreamProblem() is 502 for 401 and 407, because the credential is the mount's", () => {
  assertMatch(problemOf(401).message, /; the mount has no bearer, see \/etc\/fstab$/);
  const rejected = problemOf(407, "", "text/plain", "secret");
  assertEquals(rejected.status, 502);
  assertMatch(rejected.message, /; it does not accept the mount's bearer, see \/etc\/fstab$/);
});

Deno.test("upstreamProblem() quotes text and JSON only, at most 300 characters", () => {
  const detail = "Cannot read /mnt/api/x: its server answered 500";
  assertStrictEquals(problemOf(500, "<h1>no</h1>", "text/html").message, detail);
  assertEquals(problemOf(500, '{"a":1}', "application/problem+json").message, `${detail}: {"a":1}`);
  assertEquals(problemOf(500, "x".repeat(900)).message, `${detail}: ${"x".repeat(300)}`);
});
