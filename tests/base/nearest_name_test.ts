import { assertEquals } from "../support/assert.ts";
import { findNearestName } from "../../lib/base/nearest_name.ts";

Deno.test("findNearestName() finds the name that a misspelt one means", () => {
  const known = ["ELASTIK_TOKEN", "ELASTIK_APPROVE_TOKEN", "ELASTIK_PORT"];
  const rows: [string, string, number][] = [
    ["ELASTIK_TOKEN", "ELASTIK_TOKEN", 0],
    ["elastik-token", "ELASTIK_TOKEN", 0],
    ["ELASTIC_TOKEN", "ELASTIK_TOKEN", 1],
    ["ELASTIK_APROVE_TOKENS", "ELASTIK_APPROVE_TOKEN", 2],
    ["ELASTIK_PROT", "ELASTIK_PORT", 2],
  ];
  for (const [name, nearest, distance] of rows) {
    assertEquals(findNearestName(name, known), { name: nearest, distance });
  }
});
