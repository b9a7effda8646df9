import { assertEquals } from "../../support/assert.ts";
import { PROBLEMS as CORE_PROBLEMS } from "../../../lib/http/problem.ts";
import { PROBLEMS } from "../../../plugins/kit/problem_types.ts";

Deno.test("PROBLEMS of the kit have the types, titles and status codes of the core", () => {
  const advice = "run `deno task plugins` and commit plugins/";
  assertEquals({ ...PROBLEMS }, { ...CORE_PROBLEMS }, advice);
});
