import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { originalName } from "../../lib/archive/v5_name.ts";
import { NAMESPACES } from "../../lib/world/name.ts";

Deno.test("originalName() puts what lay nowhere else below home", () => {
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
    const found = originalName(folder);
    equal([found.name, found.fault], [name, undefined], folder);
    equal(found.original, folder.replaceAll("%2F", "/"));
  }
  for (const space of NAMESPACES) equal(originalName(`${space}%2Fx`).name, `${space}/x`);
});

Deno.test("originalName() says why a name cannot be a world here", () => {
  match(originalName("a:b").fault ?? "", /the character :/);
  match(originalName("home%2F..%2Fetc%2Fx").fault ?? "", /a dot segment/);
  match(originalName("a%2F%2Fb").fault ?? "", /an empty segment/);
  match(originalName("x".repeat(250)).fault ?? "", /255 is the most/);
  ok(originalName("a\u0001").fault);
});
