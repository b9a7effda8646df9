import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { Problem } from "../../lib/http/problem.ts";
import { toStoreProblem } from "../../lib/response/store_problem.ts";
import { DamagedRows } from "../../lib/world/damaged_rows.ts";
import { StoreError, type StoreErrorCode } from "../../lib/world/store.ts";
import { CommitsWait } from "../../lib/world/commits_wait.ts";

// deno-fmt-ignore
const TABLE: readonly (readonly [code: StoreErrorCode, message: string, status: number, detail: RegExp])[] = [
  ["precondition", "If-Match names another version", 412, /^Cannot write \/home\/x: If-Match names another version$/],
  ["absent", "Cannot read version 7: the current one is 2", 404, /^Cannot write \/home\/x: the current one is 2$/],
  ["gone", "Cannot read version 1: it was evicted", 410, /^Cannot write \/home\/x: it was evicted$/],
  ["too-large", "the world would hold 11 bytes and 10 is the most", 413, /11 bytes and 10/],
  ["lower", "whatever", 403, /a PUT covers it/],
  ["full", "disk I/O error at /srv/data/home%2Fx", 507, /the disk of the server is full/],
  ["damaged", "file is not a database: /srv/data/home%2Fx/universe.db", 500, /cannot be read/],
  ["claimed", "/a is taken: /lib/other has the route /a", 422, /^Cannot write \/home\/x: \/a is taken: \/lib\/other has the route \/a$/],
  ["repeated", "Cannot write the world: an earlier try has changed it", 503, /an earlier try has changed it/],
  ["unreachable", "connect ECONNREFUSED 10.0.0.7:5432 /srv/data", 503, /cannot reach its database; nothing was changed/],
  ["unknown", "the batch at 10.0.0.7 /srv/data was not confirmed", 503, /may have been made; read the world, or repeat .* If-Match or .* Idempotency-Key/],
  ["closed", "Cannot use the store: it is shutting down", 503, /shutting down/],
];

Deno.test("toStoreProblem() maps store errors to problems without paths of the disk", () => {
  for (const [code, message, status, detail] of TABLE) {
    const problem = toStoreProblem(new StoreError(code, message), "PUT", "/home/x");
    assert(problem instanceof Problem, code);
    assertStrictEquals(problem.status, status, code);
    assertMatch(problem.detail, detail);
    assert(!problem.detail.includes("10.0.0.7"), problem.detail);
    assert(
      !problem.detail.includes("/srv/data") && !problem.detail.includes("%2F"),
      problem.detail,
    );
  }
});

Deno.test("toStoreProblem() tells a database that waits for a standby from one that is lost", () => {
  const problem = toStoreProblem(new CommitsWait("b at 10.0.0.7 is gone", "home/y"), "PUT", "/");
  assert(problem instanceof Problem);
  assertEquals(
    [problem.type, problem.detail],
    [
      "unreachable",
      "Cannot write /home/y: the database answers, but its commits wait for a synchronous standby; " +
      "nothing was changed, try again",
    ],
  );
});

Deno.test("toStoreProblem() adds Retry-After, except to an unknown outcome", () => {
  for (
    const [code, seconds] of [["closed", "5"], ["unreachable", "1"], [
      "unknown",
      undefined,
    ]] as const
  ) {
    const problem = toStoreProblem(new StoreError(code, ""), "PUT", "/home/x");
    assert(problem instanceof Problem);
    assertEquals(problem.headers["retry-after"], seconds, code);
  }
});

Deno.test("toStoreProblem() returns every other error unchanged", () => {
  const error = new TypeError("a mistake of ours");
  assertStrictEquals(toStoreProblem(error, "PUT", "/home/x"), error);
  const problem = new Problem("not-found", "Cannot find it");
  assertStrictEquals(toStoreProblem(problem, "PUT", "/home/x"), problem);
});

Deno.test("toStoreProblem() uses the world of the error, and the method if it has no verb", () => {
  const error = new StoreError("absent", "nothing is here", "home/y");
  const problem = toStoreProblem(error, "MOVE", "/dav/home/y");
  assert(problem instanceof Problem);
  assertEquals(problem.detail, "Cannot MOVE /home/y: nothing is here");
});

Deno.test("toStoreProblem() says what was found in the rows of a damaged world", () => {
  const error = new DamagedRows("read home/x", "the database has no row of it", "home/x");
  const problem = toStoreProblem(error, "GET", "/home/");
  assert(problem instanceof Problem);
  assertEquals(
    [problem.status, problem.detail],
    [
      500,
      "Cannot read /home/x: the database has no row of it; a backup or the trash may have a copy",
    ],
  );
});
