import { assertEquals } from "../../support/assert.ts";
import { problemOfStatus } from "../../../plugins/kit/problem_of_status.ts";

Deno.test("problemOfStatus() finds the first type with a status", () => {
  assertEquals(problemOfStatus(404)?.type, "/usr/share/doc/problems/not-found.md");
  assertEquals(problemOfStatus(418), undefined);
});
