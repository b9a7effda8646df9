import { assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { queryProblem } from "../../../plugins/db/query_problem.ts";
import { Problem } from "../../../plugins/kit/problem.ts";

const NAMES: readonly (readonly [name: string, status: number, words: RegExp])[] = [
  ["SqliteError", 400, /^Cannot query \/x: why$/],
  ["TimeoutError", 408, /^Cannot query \/x: the statement took more than 2 s and was stopped/],
  ["QuotaExceededError", 413, /: why$/],
  ["Busy", 503, /: why$/],
  ["NotFound", 404, /: the file does not exist$/],
  ["NotADirectory", 404, /: the file does not exist$/],
  ["IsADirectory", 400, /: it is a folder$/],
  ["TypeError", 403, /: it is a link that leads out of the mount$/],
  ["NotCapable", 403, /leads out/],
  ["FilesystemLoop", 403, /leads out/],
  ["PermissionDenied", 403, /: the server cannot read the file$/],
];

for (const [name, status, words] of NAMES) {
  Deno.test(`queryProblem() answers ${status} to ${name}`, () => {
    const problem = queryProblem(Object.assign(new Error("why"), { name }), "/x", 2000);
    assertStrictEquals(problem instanceof Problem && problem.status, status);
    assertMatch(problem instanceof Error ? problem.message : "", words);
  });
}

Deno.test("queryProblem() returns an error that env.sql does not document as it is", () => {
  for (const error of [new RangeError("x"), "text", undefined]) {
    assertStrictEquals(queryProblem(error, "/x", 2000), error);
  }
});
