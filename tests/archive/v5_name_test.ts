import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { convertV5Name } from "../../lib/archive/v5_name.ts";
import { NAMESPACES } from "../../lib/world/name.ts";

Deno.test("convertV5Name() puts names outside the namespaces below home", () => {
  const rows: readonly [string, string][] = [
    ["hello", "home/hello"],
    ["home%2Fhello", "home/hello"],
    ["findings%2Fx", "home/findings/x"],
    ["etc%2Fgpu.conf", "etc/gpu.conf"],
    ["lib%2Fgpu", "lib/gpu"],
    ["etc", "home/etc"],
    ["etcetera%2Fx", "home/etcetera/x"],
    ["100%", "home/100%"],
    ["50%25", "home/50%25"],
    ["cafe\u0301", "home/caf\u00e9"],
    ["帮我画", "home/帮我画"],
  ];
  for (const [folder, name] of rows) {
    const found = convertV5Name(folder);
    assertEquals([found.name, found.fault], [name, undefined], folder);
    assertEquals(found.original, folder.replaceAll("%2F", "/"));
  }
  for (const space of NAMESPACES) assertEquals(convertV5Name(`${space}%2Fx`).name, `${space}/x`);
});

Deno.test("convertV5Name() explains why a name is invalid here", () => {
  assertMatch(convertV5Name("a:b").fault ?? "", /the character :/);
  assertMatch(convertV5Name("home%2F..%2Fetc%2Fx").fault ?? "", /a dot segment/);
  assertMatch(convertV5Name("a%2F%2Fb").fault ?? "", /an empty segment/);
  assertMatch(convertV5Name("x".repeat(250)).fault ?? "", /at most 255 are allowed/);
  assert(convertV5Name("a\u0001").fault);
});
