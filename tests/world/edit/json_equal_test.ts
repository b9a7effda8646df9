/** Tests of the equality of JSON values; see json_patch_test.ts for more spellings. */
import { assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { JsonDocument, JsonNode } from "../../../lib/world/edit/json_document.ts";
import { isEqualJson } from "../../../lib/world/edit/json_equal.ts";
import { JsonSource } from "../../../lib/world/edit/json_source.ts";
import { createRandom } from "../../support/random.ts";
import { randomJson, writeRandomly } from "./random_json.ts";

function isEqual(a: string, b: string, budget = new EditBudget()): boolean {
  const document = new JsonDocument(a, new EditBudget());
  return isEqualJson(document, document.root, new JsonNode(JsonSource.parse(b), 0, ""), budget);
}

Deno.test("isEqualJson() finds two spellings of a random value equal, and another value different", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed);
    const value = randomJson(random, 3);
    assertStrictEquals(isEqual(writeRandomly(random, value), writeRandomly(random, value)), true);
    assertStrictEquals(isEqual(JSON.stringify([value]), JSON.stringify([value, 0])), false);
  }
});

Deno.test("isEqualJson() compares long exponents by their text", () => {
  assertStrictEquals(isEqual("1e9999999999999999", "1e9999999999999999"), true);
  assertStrictEquals(isEqual("1e9999999999999999", "10e9999999999999998"), false);
  assertStrictEquals(isEqual("1e99999", "10e99998"), true);
});

Deno.test("isEqualJson() spends its budget", () => {
  assertThrows(() => isEqual("[1,2,3]", "[1,2,3]", new EditBudget(2)), EditFault);
});
