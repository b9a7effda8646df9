import { strictEqual } from "node:assert/strict";
import { problemOfStatus } from "../../../plugins/kit/problem_of_status.ts";

Deno.test("problemOfStatus() finds the first type with a status", () => {
  strictEqual(problemOfStatus(404)?.type, "/usr/share/doc/problems/not-found.md");
  strictEqual(problemOfStatus(418), undefined);
});
