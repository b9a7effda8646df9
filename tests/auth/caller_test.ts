import assert from "node:assert/strict";
import { type Caller, expired, reaches } from "../../lib/auth/caller.ts";

Deno.test("reaches() orders the tiers", () => {
  const rows = { T1: ["T1"], T2: ["T1", "T2"], T3: ["T1", "T2", "T3"] } as const;
  for (const tier of ["T1", "T2", "T3"] as const) {
    const below = (["T1", "T2", "T3"] as const).filter((needed) => reaches(tier, needed));
    assert.deepEqual(below, rows[tier]);
  }
});

Deno.test("expired() is true for a capability from its last second on, and for no other caller", () => {
  const scope = { prefixes: ["/home"], mode: "rw", exp: 100 } as const;
  const cap: Caller = { tier: "T2", by: "cap:/home", scope, known: true };
  assert.equal(expired(cap, 99.9), false);
  assert.equal(expired(cap, 100), true);
  assert.equal(expired({ tier: "T3", by: "T3", known: true }, 1e12), false);
  assert.equal(expired({ tier: "T1", by: "T1" }, 1e12), false);
});
