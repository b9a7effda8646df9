import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { allGrants, assertOwnWorlds, kvCollection } from "../../../lib/plugin/host/own_worlds.ts";
import { ManifestError } from "../../../lib/plugin/manifest/manifest.ts";
import { canRead } from "../../../lib/auth/policy.ts";

Deno.test("kvCollection() is below the plugin's own folder", () => {
  assertEquals(kvCollection("gpu"), "/var/lib/gpu/kv/");
});

Deno.test("allGrants() adds exactly the collection of the plugin's own values", () => {
  const grants = { "/home/": "r" } as const;
  assertEquals(allGrants("lib/p", { grants, kv: false }), grants);
  assertEquals(allGrants("lib/p", { grants, kv: true }), {
    "/home/": "r",
    "/var/lib/p/kv/": "rw",
  });
  const caller = { tier: "T1", by: "plugin:p", grants: allGrants("lib/p", { grants, kv: true }) };
  const readable = ["p/kv/x", "p/kv", "p/x", "p/kvx", "q/kv/x", "P/kv/x"].filter((name) =>
    canRead({ ...caller, tier: "T1" }, `/var/lib/${name}`)
  );
  assertEquals(readable, ["p/kv/x", "p/kv"]);
});

Deno.test("assertOwnWorlds() refuses names for which the server cannot store values", () => {
  assertOwnWorlds("p", { kv: true });
  assertOwnWorlds("dav", { kv: false });
  assertOwnWorlds("x".repeat(200), { kv: false });
  for (const name of ["dav", "DAV", "x".repeat(60)]) {
    assertThrows(() => assertOwnWorlds(name, { kv: true }), (error) => {
      assert(error instanceof ManifestError);
      return error.field === "kv";
    });
  }
});
