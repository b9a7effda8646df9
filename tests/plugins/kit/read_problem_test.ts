import { assertEquals } from "../../support/assert.ts";
import { Problem, problemResponse } from "../../../plugins/kit/problem.ts";
import { problemHeaders, readProblem } from "../../../plugins/kit/read_problem.ts";

Deno.test("readProblem() returns the problem that a response carries", async () => {
  const headers = { "www-authenticate": "Bearer", "retry-after": "3", "x-other": "no" };
  const sent = new Problem("unauthorized", "Cannot read /x: no credential", headers);
  const read = await readProblem(problemResponse(sent, null));
  assertEquals([read?.type, read?.status, read?.title, read?.message], [
    sent.type,
    sent.status,
    sent.title,
    sent.message,
  ]);
  assertEquals(read?.headers, { "www-authenticate": "Bearer", "retry-after": "3" });
});

Deno.test("readProblem() returns undefined for a body that is not a problem", async () => {
  for (const body of ["", "no JSON", "[]", '{"type":"x","title":"x"}', "x".repeat(100_000)]) {
    assertEquals(await readProblem(new Response(body, { status: 500 })), undefined);
  }
});

Deno.test("problemHeaders() copies what the caller needs and nothing else", () => {
  const headers = { "retry-after": "1", "set-cookie": "a=b" };
  assertEquals(problemHeaders(new Response(null, { headers })), { "retry-after": "1" });
});
