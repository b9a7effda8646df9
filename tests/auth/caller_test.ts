import { assertEquals } from "../support/assert.ts";
import {
  type Caller,
  capabilityName,
  credentialKey,
  hasCredentialOf,
  innermostPrefix,
  isAtLeast,
  isExpired,
  splitCapabilityName,
} from "../../lib/auth/caller.ts";

Deno.test("isAtLeast() orders the tiers", () => {
  const rows = { T1: ["T1"], T2: ["T1", "T2"], T3: ["T1", "T2", "T3"] } as const;
  for (const tier of ["T1", "T2", "T3"] as const) {
    const below = (["T1", "T2", "T3"] as const).filter((needed) => isAtLeast(tier, needed));
    assertEquals(below, rows[tier]);
  }
});

Deno.test("isExpired() returns true for a capability from its expiry second on, false for other callers", () => {
  const scope = { prefixes: ["/home"], mode: "rw", exp: 100, root: "/home|100|rw" } as const;
  const cap: Caller = { tier: "T2", by: "cap:/home", scope, authenticated: true };
  assertEquals(isExpired(cap, 99.9), false);
  assertEquals(isExpired(cap, 100), true);
  assertEquals(isExpired({ tier: "T3", by: "T3", authenticated: true }, 1e12), false);
  assertEquals(isExpired({ tier: "T1", by: "T1" }, 1e12), false);
});

Deno.test("credentialKey() is one key for all tokens of one capability, and one for each account", () => {
  const root = "/home|100|rw";
  const wide: Caller = {
    tier: "T2",
    by: "cap:/home",
    scope: { prefixes: ["/home"], mode: "rw", exp: 100, root },
    authenticated: true,
  };
  const narrow: Caller = {
    ...wide,
    by: "cap:/home/x",
    scope: { prefixes: ["/home", "/home/x"], mode: "r", exp: 50, root },
  };
  assertEquals(credentialKey(narrow), credentialKey(wide));
  assertEquals(credentialKey({ tier: "T3", by: "user:ada", authenticated: true }), "user:ada");
  assertEquals(credentialKey({ tier: "T1", by: "T1" }), "T1");
});

Deno.test("capabilityName() shows the innermost prefix and all names", () => {
  const prefixes = ["/home", "/home/a b#c%"];
  assertEquals(innermostPrefix({ prefixes }), "/home/a b#c%");
  assertEquals(capabilityName({ prefixes }), "cap:/home/a b%23c%25");
  assertEquals(
    capabilityName({ prefixes: ["/home/team"], names: ["kestrel", "junior"] }),
    "cap:/home/team#kestrel/junior",
  );
  assertEquals(capabilityName({ prefixes: ["/"] }), "cap:/");
});

Deno.test("splitCapabilityName() returns the prefix that capabilityName() encoded", () => {
  for (const prefix of ["/", "/home/a b", "/home/50%", "/home/%23#x", "/home/%25"]) {
    for (const names of [[], ["kestrel"], ["a", "b"]]) {
      const by = capabilityName({ prefixes: [prefix], names });
      const shown = names.length === 0 ? "" : `#${names.join("/")}`;
      assertEquals(splitCapabilityName(by), { prefix, names: shown });
    }
  }
  for (const by of ["T2", "user:cap:/x", "cap:"]) assertEquals(splitCapabilityName(by), undefined);
});

Deno.test("hasCredentialOf() is true for the same credential and the capability it was derived from", () => {
  const scope = { prefixes: ["/home"], mode: "rw", exp: 100, root: "/home|100|rw" } as const;
  const wide: Caller = { tier: "T2", by: "cap:/home", scope, authenticated: true };
  const narrow: Caller = { ...wide, scope: { ...scope, prefixes: ["/home", "/home/x"], exp: 50 } };
  const other: Caller = { ...wide, scope: { ...scope, root: "/home|101|rw" } };
  const sibling: Caller = { ...wide, scope: { ...scope, prefixes: ["/home", "/home/y"] } };
  assertEquals(hasCredentialOf(wide, { ...wide }), true);
  assertEquals(hasCredentialOf(wide, narrow), true);
  assertEquals(hasCredentialOf(narrow, wide), false);
  assertEquals(hasCredentialOf(sibling, narrow), false);
  assertEquals(hasCredentialOf(other, wide), false);
  const named: Caller = { ...wide, scope: { ...scope, names: ["kestrel"] } };
  const helper = (name: string): Caller => ({
    ...wide,
    scope: { ...scope, prefixes: ["/home", "/home"], names: ["kestrel", name] },
  });
  assertEquals(hasCredentialOf(named, helper("junior")), true);
  assertEquals(hasCredentialOf(helper("junior"), helper("junior")), true);
  assertEquals(hasCredentialOf(helper("other"), helper("junior")), false);
  assertEquals(hasCredentialOf(helper("junior"), named), false);
  const account: Caller = { tier: "T2", by: "user:ada", authenticated: true };
  assertEquals(hasCredentialOf(account, { ...account }), true);
  assertEquals(hasCredentialOf({ ...account, tier: "T3" }, account), false);
  assertEquals(hasCredentialOf({ ...account, by: "cap:/home" }, wide), false);
});
