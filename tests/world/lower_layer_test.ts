import { assertEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { auditLower, createLowerLayer } from "../../lib/world/lower_layer.ts";

const AT = "2026-01-01T00:00:00.000Z";

Deno.test("createLowerLayer() creates worlds of version 0 with the unchanged texts", () => {
  const worlds = createLowerLayer({ "usr/share/doc/http.md": "# ü\n" }, AT);
  const body = new TextEncoder().encode("# ü\n");
  assertEquals([...worlds], [["usr/share/doc/http.md", {
    name: "usr/share/doc/http.md",
    version: 0,
    ext: "md",
    meta: [],
    state: "",
    updatedAt: AT,
    body,
    sha256: sha256Hex(body),
    layer: "lower",
  }]]);
});

Deno.test("createLowerLayer() removes the suffix from names of TypeScript files only", () => {
  const worlds = createLowerLayer({
    "home/boot.ts": "",
    "usr/lib/a.d/x.js": "",
    "usr/lib/types.d.ts": "",
    "usr/ts/plain": "",
  }, AT);
  assertEquals([...worlds.values()].map(({ name, ext }) => [name, ext]), [
    ["home/boot", "ts"],
    ["usr/lib/a.d/x.js", "js"],
    ["usr/lib/types.d.ts", "ts"],
    ["usr/ts/plain", "txt"],
  ]);
});

Deno.test("createLowerLayer() uses txt for a suffix that is not a valid extension", () => {
  const worlds = createLowerLayer(
    { "usr/a.b c": "", "usr/b.": "", "usr/c.tooLongToBeAnExtension": "" },
    AT,
  );
  assertEquals([...worlds.values()].map(({ ext }) => ext), ["txt", "txt", "txt"]);
});

Deno.test("auditLower() returns ok for a world without events", () => {
  const [world] = createLowerLayer({ "usr/a": "a" }, AT).values();
  if (world === undefined) throw new Error("no world");
  assertEquals(auditLower("usr/a", world), {
    name: "usr/a",
    ok: true,
    events: 0,
    version: 0,
    named: true,
    chain: { ok: true },
    body: { ok: true, sha256: sha256Hex("a") },
  });
});
