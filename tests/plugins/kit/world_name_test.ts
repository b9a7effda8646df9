/** One table of names, judged by the core and by the kit of the plugins. */

import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { nameFault, NAMESPACES as CORE_NAMESPACES } from "../../../lib/world/name.ts";
import { fullWorldName, NAMESPACES, worldNameFault } from "../../../plugins/kit/world_name.ts";

Deno.test("NAMESPACES of the kit are those of the core", () => {
  assertEquals(NAMESPACES, CORE_NAMESPACES);
});

const VALID = ["home/x", "etc/motd", "home/a b/ü", "lib/x", "home/.hidden", "home/a..b"];
const INVALID = [
  "",
  "home",
  "home/",
  "dev/x",
  "home//x",
  "home/./x",
  "home/../x",
  "home/a:b",
  "home/a\\b",
  "home/a*",
  "home/a?",
  'home/"',
  "home/<",
  "home/|",
  "home/a\u0000",
  "home/a\u007f",
  "home/a\u0085",
  "home/a\u2028",
  "home/u\u0308",
  "home/\ud800",
];

for (const [names, valid] of [[VALID, true], [INVALID, false]] as const) {
  for (const name of names) {
    const title = `${valid ? "accept" : "refuse"} ${JSON.stringify(name)}`;
    Deno.test(`worldNameFault() and the core ${title}`, () => {
      assertStrictEquals(worldNameFault(name) === undefined, valid);
      assertStrictEquals(nameFault(name) === undefined, valid);
    });
  }
}

Deno.test("fullWorldName() completes short names and converts them to NFC", () => {
  assertEquals(fullWorldName("x"), "home/x");
  assertEquals(fullWorldName("home"), "home/home");
  assertEquals(fullWorldName("a/b"), "home/a/b");
  assertEquals(fullWorldName("/etc/motd"), "etc/motd");
  assertEquals(fullWorldName("u\u0308"), "home/\u00fc");
});
