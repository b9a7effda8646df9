import { assertEquals } from "../support/assert.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { canRead, isPrivatePath } from "../../lib/auth/policy.ts";
import { limitReadScope, toReadScope } from "../../lib/auth/read_scope.ts";
import type { Within } from "../../lib/world/changes.ts";

const SCOPE = { mode: "r", exp: 2_000_000_000, root: "" } as const;
const CALLERS: Record<string, Caller> = {
  T1: { tier: "T1", by: "T1" },
  T2: { tier: "T2", by: "T2" },
  T3: { tier: "T3", by: "T3" },
  "capability for a folder": { tier: "T2", by: "c", scope: { ...SCOPE, prefixes: ["/home/team"] } },
  "capability for everything": { tier: "T2", by: "c", scope: { ...SCOPE, prefixes: ["/"] } },
  "narrowed capability": {
    tier: "T2",
    by: "c",
    scope: { ...SCOPE, prefixes: ["/home", "/home/team/a"] },
  },
  "capability without a common path": {
    tier: "T2",
    by: "c",
    scope: { ...SCOPE, prefixes: ["/home/a", "/home/b"] },
  },
  "capability for private paths": { tier: "T2", by: "c", scope: { ...SCOPE, prefixes: ["/boot"] } },
  "plugin with a wide grant": { tier: "T1", by: "p", grants: { "/": "r" } },
  "plugin with a private grant": {
    tier: "T1",
    by: "p",
    grants: {
      "/var/cache/p/": "rw",
      "/etc/p.conf": "r",
      "/etc/shadow": "r",
      "/var/lib/p/kv/": "rw",
    },
  },
  "plugin without grants": { tier: "T1", by: "p", grants: {} },
};
const NAMES = [
  ..."home home/a home/ab home/b/c home/team home/team/a home/team/a/b home/team/ab home/teams"
    .split(" "),
  ..."boot boot/x bootx etc etc/shadow etc/shadow/x etc/shadows etc/Shadow etc/p.conf etc/p.conf/x"
    .split(" "),
  ..."var var/cache var/cache/p var/cache/p/x var/cache/q/x var/lib/x var/lib/p/kv/x var/www/x Var/Cache/x"
    .split(" "),
  ..."usr usr/lib usr/lib/shell usr/lib/shell/app.js usr/lib/skills/elastik.md usr/lib/x lib/x"
    .split(" "),
];

function isIn(scope: readonly Within[], name: string): boolean {
  return scope.some((part) => {
    if (isPrivatePath(`/${name}`) && !part.restricted) return false;
    if (name === part.name) return part.part !== "below";
    return part.part !== "exact" && (part.name === "" || name.startsWith(`${part.name}/`));
  });
}

for (const [title, caller] of Object.entries(CALLERS)) {
  Deno.test(`toReadScope() covers exactly what the caller can read: ${title}`, () => {
    const scope = toReadScope(caller);
    assertEquals(
      NAMES.filter((name) => isIn(scope, name)),
      NAMES.filter((name) => canRead(caller, `/${name}`)),
    );
  });

  Deno.test(`limitReadScope() covers what is below a collection: ${title}`, () => {
    const scope = toReadScope(caller);
    for (const collection of ["", "home", "home/team", "var/cache", "usr/lib", "etc/p.conf"]) {
      assertEquals(
        NAMES.filter((name) => isIn(limitReadScope(scope, collection), name)),
        NAMES.filter((name) =>
          canRead(caller, `/${name}`) && (collection === "" || name.startsWith(`${collection}/`))
        ),
        collection,
      );
    }
  });
}
