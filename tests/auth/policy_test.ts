import {
  assert,
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertStrictEquals,
  fail,
} from "../support/assert.ts";
import { ANONYMOUS, LOCAL, REJECTED, REVOKED } from "../../lib/auth/authenticate.ts";
import type { Caller, CapabilityMode } from "../../lib/auth/caller.ts";
import {
  type Action,
  ALLOWED,
  assertAllowed,
  assertCan,
  canRead,
  canSeeRoute,
  canUseLock,
  CHALLENGE,
  decide,
  decideCall,
  decideCopy,
  decideEntry,
  decideFallback,
  decidePluginLog,
  decideTree,
  isRedacted,
  passesLock,
  readScopeKey,
} from "../../lib/auth/policy.ts";
import { Problem } from "../../lib/http/problem.ts";

const T1_ACCOUNT: Caller = { tier: "T1", by: "user:ada", authenticated: true };
const T2: Caller = { tier: "T2", by: "T2", authenticated: true };
const T3: Caller = { tier: "T3", by: "T3", authenticated: true };

function cap(mode: CapabilityMode, ...prefixes: string[]): Caller {
  const scope = { prefixes, mode, exp: 2_000_000_000, root: "" };
  return { tier: "T2", by: `cap:${prefixes.at(-1)}`, scope, authenticated: true };
}

const EVERYONE: Caller[] = [
  ANONYMOUS,
  REJECTED,
  LOCAL,
  T1_ACCOUNT,
  T2,
  T3,
  cap("rw", "/"),
  cap("r", "/"),
  cap("rw", "/home/scratch"),
  cap("rw", "/home", "/home/scratch"),
  cap("rw", "/home/a", "/home/b"),
  cap("rw", "/boot"),
  cap("rw", "/etc/shadow"),
  cap("rwd", "/etc/revoked"),
  cap("rwd", "/home"),
];

function detail(
  caller: Caller,
  action: "read" | "write" | "delete" | "mint",
  path: string,
): string {
  const verdict = decide(caller, action, path);
  return verdict.allowed ? "allowed" : `${verdict.status} ${verdict.needs}: ${verdict.detail}`;
}

function problem(call: () => void): Problem {
  try {
    call();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  return fail("nothing was thrown");
}

Deno.test("decide() returns one shared object if it allows the action", () => {
  assertStrictEquals(decide(ANONYMOUS, "read", "/home/x"), ALLOWED);
  assertStrictEquals(decide(T3, "delete", "/etc/x"), ALLOWED);
  assert(Object.isFrozen(ALLOWED));
});

Deno.test("decide() explains a refusal: the action, the caller and what would be enough", () => {
  const scratch = cap("r", "/home", "/home/scratch");
  const rows: [string, string][] = [
    [
      detail(ANONYMOUS, "write", "/home/x"),
      "401 T2: Cannot write /home/x: no credential was sent; T2 is required",
    ],
    [
      detail(REJECTED, "write", "/home/x"),
      "401 T2: Cannot write /home/x: the credential is unknown or expired; T2 is required",
    ],
    [
      detail(LOCAL, "write", "/etc/x"),
      "401 T3: Cannot write /etc/x: no credential was sent; T3 is required",
    ],
    [
      detail(T2, "write", "/etc/x"),
      "403 T3: Cannot write /etc/x: the caller has T2; T3 is required",
    ],
    [
      detail(scratch, "read", "/home/other"),
      "403 a capability over the path: Cannot read /home/other: the capability covers " +
      "/home/scratch with mode r; a capability over the path is required",
    ],
    [
      detail(scratch, "write", "/home/scratch/x"),
      "403 a capability of mode rw over the path: Cannot write /home/scratch/x: the capability " +
      "covers /home/scratch with mode r; a capability of mode rw over the path is required",
    ],
    [
      detail(scratch, "delete", "/home/scratch/x"),
      "403 a capability of mode rwd over the path: Cannot delete /home/scratch/x: the capability " +
      "covers /home/scratch with mode r; a capability of mode rwd over the path is required",
    ],
    [
      detail(scratch, "write", "/etc/x"),
      "403 T3: Cannot write /etc/x: the capability covers /home/scratch with mode r; T3 is required",
    ],
    [
      detail(scratch, "mint", "/home/other"),
      "403 T3: Cannot mint a capability for /home/other: the capability covers /home/scratch with " +
      "mode r; T3 is required",
    ],
    [
      detail(cap("rwd", "/lib"), "delete", "/lib/x"),
      "403 T3: Cannot delete /lib/x: the capability covers /lib with mode rwd; T3 is required",
    ],
    [
      detail(T2, "delete", "/home/x"),
      "403 T3 or a capability of mode rwd over the path: Cannot delete /home/x: the caller has T2; " +
      "T3 or a capability of mode rwd over the path is required",
    ],
    [
      detail(REVOKED, "read", "/etc/shadow"),
      "401 T3: Cannot read /etc/shadow: the capability was revoked; T3 is required",
    ],
  ];
  for (const [found, expected] of rows) assertStrictEquals(found, expected);
});

Deno.test("decide() keeps private prefixes private, by whole segments", () => {
  const secret = ["/boot", "/boot/env", "/boot/a/b", "/etc/shadow", "/etc/shadow/x"];
  const open = ["/", "/boots", "/boot2/x", "/boot.txt", "/etc", "/etc/shadow2", "/etc/shadows/x"];
  const more = [
    "/etc/passwd",
    "/etc/fstab",
    "/home/boot",
    "/home/etc/shadow",
    "/usr/etc/shadow",
    "/b",
  ];
  for (const path of secret) {
    assertEquals(detail(ANONYMOUS, "read", path).slice(0, 3), "401", path);
    assertEquals(detail(T2, "read", path).slice(0, 3), "403", path);
    assertEquals(detail(T3, "read", path), "allowed", path);
  }
  for (const path of [...open, ...more]) {
    assertEquals(detail(ANONYMOUS, "read", path), "allowed", path);
  }
});

Deno.test("decide() protects spellings that a case-insensitive disk maps to a private world", () => {
  for (const path of ["/etc/Shadow", "/etc/SHADOW", "/ETC/shadow", "/Boot/env", "/etc/shadoW/x"]) {
    assertEquals(detail(T2, "read", path).slice(0, 3), "403", path);
  }
});

Deno.test("decide() allows T2 to write plugin sources and nothing else below /lib", () => {
  assertEquals(detail(T2, "write", "/lib/example"), "allowed");
  for (const path of ["/lib", "/lib/", "/lib/example/state", "/lib/a/b", "/libx", "/library/x"]) {
    assertEquals(detail(T2, "write", path).slice(0, 6), "403 T3", path);
  }
});

Deno.test("decide() allows T2 to write below /home, but not /home itself", () => {
  assertEquals(detail(T2, "write", "/home/a/b/c"), "allowed");
  for (const path of ["/home", "/homes/x", "/", "/Home/x", "/dev/x", "/proc/x", "/example"]) {
    assertEquals(detail(T2, "write", path).slice(0, 6), "403 T3", path);
  }
});

Deno.test("decide() limits a capability to every prefix, for reads too", () => {
  const caller = cap("rw", "/home/scratch");
  for (const action of ["read", "write"] as const) {
    for (const path of ["/home/scratch", "/home/scratch/x", "/home/scratch/x/y"]) {
      assertStrictEquals(decide(caller, action, path), ALLOWED, `${action} ${path}`);
    }
    for (
      const path of ["/", "/home", "/home/scratchy", "/home/scratch2/x", "/home/x", "/etc/passwd"]
    ) {
      assertMatch(
        JSON.stringify(decide(caller, action, path)),
        /"status":403/,
        `${action} ${path}`,
      );
    }
  }
  const nowhere = cap("rw", "/home/a", "/home/b");
  for (const path of ["/", "/home", "/home/a", "/home/b", "/home/a/b"]) {
    assertEquals(decide(nowhere, "read", path).allowed, false, path);
  }
});

Deno.test("decide() allows every capability to read what it needs to work, and nothing else", () => {
  const caller = cap("rwd", "/home/scratch");
  const needed = [
    "/usr /usr/lib/shell /usr/lib/shell/a/b.js /usr/share/doc/auth.md /usr/lib/skills/elastik.md",
    "/auth/whoami /bin /proc/health /proc/status /proc/version /proc/worlds",
  ].join(" ").split(" ");
  for (const path of needed) {
    assertStrictEquals(decide(caller, "read", path), ALLOWED, path);
    assertEquals(decide(caller, "write", path).allowed, false, path);
    assertEquals(decide(caller, "delete", path).allowed, false, path);
    assertEquals(canRead(caller, path), true, path);
  }
  const others = [
    "/ /usrs /usr2/x /Usr/x /home /home/x /etc /etc/x /etc/revoked /var /lib /lib/x /boot /dev /mnt",
    "/auth /auth/mint /auth/whoami/x /bin/x /proc /proc/source /proc/metrics /proc/uptime",
    "/proc/status/x /proc/worldss",
  ].join(" ").split(" ");
  for (const path of others) {
    assertEquals(decide(caller, "read", path).allowed, false, path);
    assertEquals(canRead(caller, path), false, path);
  }
});

Deno.test("canSeeRoute() shows a capability the routes that it can use", () => {
  const caller = cap("rw", "/home/scratch");
  for (const route of ["/home", "/proc/log", "/stream", "/auth/mint", "/bin"]) {
    assertEquals(canSeeRoute(caller, route, undefined), true, route);
  }
  for (const route of ["/boot", "/proc/source"]) {
    assertEquals(canSeeRoute(caller, route, undefined), false, route);
  }
  assertEquals(canSeeRoute(caller, "/example", "T1"), true);
  assertEquals(canSeeRoute(caller, "/example", "T2"), false);
  assertEquals(canSeeRoute(caller, "/mnt/docs", "T1"), false);
  assertEquals(canSeeRoute(T2, "/example", "T3"), true);
  assertEquals(canSeeRoute(T2, "/boot", undefined), false);
});

Deno.test("decide() allows a capability no more than T2", () => {
  for (const caller of [cap("rw", "/"), cap("rw", "/etc"), cap("rw", "/boot"), cap("rw", "/lib")]) {
    for (const path of ["/etc/x", "/etc/shadow", "/boot/env", "/lib/x/state", "/usr/x", "/var/x"]) {
      assertEquals(decide(caller, "write", path).allowed, false, path);
    }
    for (const action of ["activate", "mint"] as const) {
      for (const path of ["/", "/home/x", "/etc/x", "/lib/x", "/boot/x"]) {
        assertEquals(decide(caller, action, path).allowed, false, `${action} ${path}`);
      }
    }
    for (const path of ["/boot", "/boot/env", "/etc/shadow"]) {
      assertEquals(decide(caller, "read", path).allowed, false, path);
    }
  }
});

Deno.test("decide() allows mode rwd to delete what T2 can write below /home, in its prefix", () => {
  const deletable = (caller: Caller, paths: string) =>
    paths.split(" ").filter((path) => decide(caller, "delete", path).allowed).join(" ");
  const paths = "/ /home /home/s /home/s/x /home/sx /home/x /lib /lib/x /lib/x/state /etc/x " +
    "/etc/revoked /usr/x /usr/lib/shell/x /var/x /boot/x /proc/x /auth/whoami";
  assertEquals(deletable(cap("rwd", "/home/s"), paths), "/home/s /home/s/x");
  assertEquals(deletable(cap("rwd", "/home"), paths), "/home/s /home/s/x /home/sx /home/x");
  assertEquals(deletable(cap("rwd", "/"), paths), "/home/s /home/s/x /home/sx /home/x");
  for (const prefix of ["/lib", "/etc", "/usr", "/var", "/boot"]) {
    assertEquals(deletable(cap("rwd", prefix), paths), "", prefix);
  }
  for (const mode of ["r", "rw"] as const) assertEquals(deletable(cap(mode, "/"), paths), "");
  assertEquals(decideTree(cap("rwd", "/home/s"), "delete", "/home/s"), ALLOWED);
  assertEquals(decideTree(cap("rwd", "/home/s"), "delete", "/home").allowed, false);
});

Deno.test("canRead() agrees with decide() for every caller and path", () => {
  const paths = [
    "/",
    "/home",
    "/home/scratch",
    "/home/scratch/x",
    "/home/scratchy",
    "/home/a",
    "/etc",
  ];
  const more = [
    "/etc/shadow",
    "/etc/shadow2",
    "/boot",
    "/boot/env",
    "/boots",
    "/usr/lib/shell/x",
    "/lib/x",
  ];
  for (const caller of EVERYONE) {
    for (const path of [...paths, ...more, "/auth/whoami", "/var/x", "/proc/status"]) {
      assertStrictEquals(
        canRead(caller, path),
        decide(caller, "read", path).allowed,
        `${caller.by} ${path}`,
      );
    }
  }
});

Deno.test("isRedacted() returns true for /etc/fstab below T3", () => {
  for (const caller of EVERYONE) {
    const below = caller.tier !== "T3";
    for (const path of ["/etc/fstab", "/etc/FSTAB", "/etc/fstab/x"]) {
      assertStrictEquals(isRedacted(caller, path), below, `${caller.by} ${path}`);
    }
    for (const path of ["/", "/etc", "/etc/fstabs", "/etc/passwd", "/home/etc/fstab"]) {
      assertEquals(isRedacted(caller, path), false, `${caller.by} ${path}`);
    }
  }
});

Deno.test("decideCopy() refuses a world whose events name one that the caller cannot read", () => {
  const scratch = cap("r", "/home/scratch");
  const rows: [Caller, readonly string[], boolean][] = [
    [scratch, [], true],
    [scratch, ["/home/scratch/x", "/usr/x"], true],
    [scratch, ["/home/scratch/x", "/home/other"], false],
    [T2, ["/home/other"], true],
    [T2, ["/boot/x"], false],
    [T3, ["/boot/x"], true],
  ];
  for (const [caller, named, isAllowed] of rows) {
    const decision = decideCopy(caller, "/home/scratch/x", named);
    assertEquals(decision.allowed, isAllowed, `${caller.by} ${named}`);
    assert(decision.allowed || !/other|boot/.test(decision.detail));
  }
});

Deno.test("assertCan() throws 401 with a challenge for Bearer and Basic", () => {
  const thrown = problem(() => assertCan(ANONYMOUS, "write", "/home/x"));
  assertEquals(thrown.type, "unauthorized");
  assertEquals(thrown.status, 401);
  assertEquals(thrown.headers, {
    "www-authenticate": 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"',
  });
  assertStrictEquals(thrown.headers["www-authenticate"], CHALLENGE);
});

Deno.test("assertCan() throws 403 without a challenge, and nothing if allowed", () => {
  const thrown = problem(() => assertCan(T2, "delete", "/home/x"));
  assertEquals(thrown.type, "forbidden");
  assertEquals(thrown.status, 403);
  assertEquals(thrown.headers, {});
  assertEquals(assertCan(T3, "delete", "/home/x"), undefined);
});

Deno.test("assertAllowed() throws the same problems as assertCan()", () => {
  assertEquals(problem(() => assertAllowed(decideEntry(ANONYMOUS, "/home/x", false))).status, 401);
  assertEquals(assertAllowed(ALLOWED), undefined);
});

Deno.test("decideEntry() requires a credential from clients on other computers", () => {
  for (const caller of EVERYONE) {
    const known = caller.authenticated === true;
    assertStrictEquals(decideEntry(caller, "/home/x", false).allowed, known, caller.by);
    assertStrictEquals(decideEntry(caller, "/home/x", true), ALLOWED, caller.by);
  }
  const refusal = decideEntry(REJECTED, "/home/x", false);
  assertEquals(!refusal.allowed && refusal.status, 401);
});

Deno.test("decideEntry() allows everyone the shell's files and no other path", () => {
  assertStrictEquals(decideEntry(ANONYMOUS, "/usr/lib/shell/index.html", false), ALLOWED);
  for (const path of ["/", "/usr/lib/shell", "/usr/lib/shells/x", "/usr/lib/x", "/auth/whoami"]) {
    assertEquals(decideEntry(ANONYMOUS, path, false).allowed, false, path);
  }
});

Deno.test("decideCall() requires the tier that the plugin declares", () => {
  const rows: [Caller, Record<"T1" | "T2" | "T3", number>][] = [
    [ANONYMOUS, { T1: 200, T2: 401, T3: 401 }],
    [REJECTED, { T1: 200, T2: 401, T3: 401 }],
    [LOCAL, { T1: 200, T2: 200, T3: 401 }],
    [T1_ACCOUNT, { T1: 200, T2: 403, T3: 403 }],
    [T2, { T1: 200, T2: 200, T3: 403 }],
    [T3, { T1: 200, T2: 200, T3: 200 }],
    [cap("rw", "/dev/gpu"), { T1: 200, T2: 200, T3: 403 }],
    [cap("rw", "/home/scratch"), { T1: 200, T2: 403, T3: 403 }],
    [cap("r", "/home/scratch"), { T1: 403, T2: 403, T3: 403 }],
  ];
  for (const [caller, expected] of rows) {
    for (const tier of ["T1", "T2", "T3"] as const) {
      const verdict = decideCall(caller, "write", "/dev/gpu", tier);
      assertStrictEquals(
        verdict.allowed ? 200 : verdict.status,
        expected[tier],
        `${caller.by} ${tier}`,
      );
    }
  }
});

Deno.test("decideFallback() requires only the fallback's tier, and refuses plugins without a user", () => {
  const rows: [Caller, Record<"T1" | "T2" | "T3", number>][] = [
    [ANONYMOUS, { T1: 200, T2: 401, T3: 401 }],
    [T1_ACCOUNT, { T1: 200, T2: 403, T3: 403 }],
    [T2, { T1: 200, T2: 200, T3: 403 }],
    [T3, { T1: 200, T2: 200, T3: 200 }],
    [cap("r", "/home/scratch"), { T1: 200, T2: 200, T3: 403 }],
    [{ tier: "T1", by: "plugin:p", authenticated: true, grants: { "/home/": "rw" } }, {
      T1: 403,
      T2: 403,
      T3: 403,
    }],
  ];
  for (const [caller, expected] of rows) {
    for (const tier of ["T1", "T2", "T3"] as const) {
      const verdict = decideFallback(caller, "/nowhere", tier);
      assertStrictEquals(
        verdict.allowed ? 200 : verdict.status,
        expected[tier],
        `${caller.by} ${tier}`,
      );
    }
  }
});

Deno.test("readScopeKey() is equal only for callers with equal canRead()", () => {
  const paths = [
    "/home",
    "/home/a",
    "/home/b/x",
    "/home/scratch/x",
    "/etc/shadow",
    "/boot/x",
    "/x",
  ];
  const grants: Caller = {
    tier: "T1",
    by: "plugin:p",
    authenticated: true,
    grants: { "/home/": "r" },
  };
  assertEquals(readScopeKey(grants), undefined);
  for (const one of EVERYONE) {
    for (const other of EVERYONE) {
      if (readScopeKey(one) !== readScopeKey(other)) continue;
      for (const path of paths) {
        assertStrictEquals(
          canRead(one, path),
          canRead(other, path),
          `${one.by} ${other.by} ${path}`,
        );
      }
    }
  }
  assertNotStrictEquals(
    readScopeKey(cap("r", "/home/a", "/home/b")),
    readScopeKey(cap("r", '/home/a","/home/b')),
  );
});

Deno.test("decideCall() lets a capability reach a mount only if it covers the path", () => {
  const home = cap("rw", "/home/scratch");
  for (const path of ["/mnt", "/mnt/home/scratch/x", "/MNT/home/scratch/x"]) {
    assertEquals(decideCall(home, "read", path, "T1").allowed, false, path);
  }
  assertStrictEquals(decideCall(home, "read", "/mnts", "T1"), ALLOWED);
  assertStrictEquals(decideCall(cap("r", "/mnt/a"), "read", "/mnt/a/x", "T1"), ALLOWED);
  assertEquals(decideCall(cap("r", "/mnt/a"), "read", "/mnt/b", "T1").allowed, false);
});

Deno.test("decide() refuses a plugin on behalf of a caller what would outlive the request", () => {
  const isConfigPath = (path: string) => path === "/etc/p.conf";
  const delegated: Caller = { ...T3, delegation: { plugin: "p", holder: T3, isConfigPath } };
  const refused: [Action, string][] = [
    ["mint", "/home"],
    ["activate", "/lib/x"],
    ["write", "/lib/x"],
    ["delete", "/lib/x"],
    ["delete", "/lib"],
    ["write", "/etc/passwd"],
    ["write", "/ETC/Shadow"],
    ["delete", "/etc/revoked"],
    ["write", "/etc"],
    ["delete", "/"],
    ["write", "/usr/lib/shell/app.js"],
    ["write", "/usr/bin/boot"],
    ["write", "/boot/x"],
    ["write", "/etc/p.conf"],
  ];
  for (const [action, path] of refused) {
    const verdict = decide(delegated, action, path);
    assertEquals(verdict.allowed ? 200 : verdict.status, 403, `${action} ${path}`);
  }
  const allowed: [Action, string][] = [
    ["read", "/etc/shadow"],
    ["write", "/etc/motd"],
    ["write", "/home/x"],
    ["delete", "/home/x"],
    ["write", "/var/cache/x"],
  ];
  for (const [action, path] of allowed) {
    assertStrictEquals(decide(delegated, action, path), ALLOWED, `${action} ${path}`);
  }
});

Deno.test("decideCall() compares a capability with the subject of the route", () => {
  const caller = cap("r", "/home/scratch");
  assertStrictEquals(
    decideCall(caller, "read", "/shaped/home/scratch/x", "T2", "/home/scratch/x"),
    ALLOWED,
  );
  assertEquals(
    decideCall(caller, "read", "/shaped/home/other", "T2", "/home/other").allowed,
    false,
  );
  assertEquals(
    decideCall(caller, "read", "/shaped/home/scratch/x", "T3", "/home/scratch/x").allowed,
    false,
  );
});

Deno.test("canUseLock() and passesLock() give T3 the locks of lower tiers", () => {
  assertEquals([canUseLock(T2, T2), canUseLock(T3, T2), canUseLock(T1_ACCOUNT, T2)], [
    true,
    true,
    false,
  ]);
  assertEquals(canUseLock(cap("rw", "/home"), T2), false);
  assertEquals([passesLock(T3, T2), passesLock(T3, T3), passesLock(T2, cap("rw", "/home"))], [
    true,
    false,
    false,
  ]);
});

Deno.test("decideTree() refuses a path with another decision below it", () => {
  const grants = { "/home/": "rw", "/home/a/b/": "r", "/var/": "rw" } as const;
  const plugin: Caller = { tier: "T1", by: "plugin:p", authenticated: true, grants };
  const rows: readonly (readonly [Caller, "read" | "write" | "delete", string, boolean])[] = [
    [T2, "read", "/etc", false],
    [T2, "read", "/var", false],
    [T2, "read", "/", false],
    [T3, "read", "/", true],
    [T2, "read", "/home", true],
    [T2, "write", "/home/a", true],
    [T2, "write", "/home", false],
    [T3, "delete", "/etc", true],
    [cap("r", "/"), "read", "/var", false],
    [cap("r", "/var/www"), "read", "/var/www", true],
    [cap("r", "/var/lib"), "read", "/var/lib", false],
    [plugin, "read", "/home/a", true],
    [plugin, "write", "/home/a", false],
    [plugin, "write", "/home/A", false],
    [plugin, "delete", "/home/a", false],
    [plugin, "write", "/home/c", true],
    [plugin, "read", "/var", false],
    [plugin, "write", "/var/www/x", true],
    [plugin, "write", "/var/lib/x", false],
    [plugin, "read", "/var/lib/q/kv", false],
  ];
  for (const [caller, action, path, allowed] of rows) {
    assertEquals(
      decideTree(caller, action, path).allowed,
      allowed,
      `${caller.by} ${action} ${path}`,
    );
  }
});

Deno.test("decide() protects a private path in every spelling that a disk may not distinguish", () => {
  for (
    const path of [
      "/etc/shadow",
      "/ETC/SHADOW",
      "/etc/\u017fhadow",
      "/etc/sha\u200cdow",
      "/etc/shadow.",
      "/etc/shadow ",
      "/etc/shadow\u200c",
      "/etc/shadow/x",
      "/Boot/env",
      "/var/\u200dcache/x",
    ]
  ) {
    assertEquals(decide(T2, "read", path).allowed, false, JSON.stringify(path));
    assertEquals(canRead(T2, path), false, JSON.stringify(path));
  }
  for (const path of ["/etc/f\ufb06ab", "/etc/FSTAB.", "/etc/fstab/x"]) {
    assertEquals(isRedacted(T2, path), true, JSON.stringify(path));
  }
  for (
    const path of ["/etc/shadow2", "/etc/shadow.txt", "/etc/sh\u00e4dow", "/etc/shad", "/e", "/"]
  ) {
    assertEquals(decide(T2, "read", path).allowed, true, JSON.stringify(path));
    assertEquals(isRedacted(T2, path), false);
  }
});

Deno.test("decidePluginLog() allows T3, and the writer of the source as long as it can write it", () => {
  const allowed = (caller: Caller, writer: string | undefined) =>
    decidePluginLog(caller, "/lib/p", writer).allowed;
  const scope = (prefix: string, mode: "r" | "rw"): Caller => ({
    tier: "T2",
    by: `cap:${prefix}`,
    authenticated: true,
    scope: { prefixes: [prefix], mode, exp: 2e9, root: "x" },
  });
  const T2: Caller = { tier: "T2", by: "T2", authenticated: true };
  const T3: Caller = { tier: "T3", by: "T3", authenticated: true };
  const delegation = { plugin: "q", holder: T3, isConfigPath: () => false };
  const rows: readonly [Caller, string | undefined, boolean][] = [
    [T3, undefined, true],
    [T3, "T2", true],
    [T2, "T2", true],
    [T2, "T3", false],
    [T2, "user:ada", false],
    [T2, undefined, false],
    [{ tier: "T1", by: "T1" }, "T1", false],
    [scope("/lib", "rw"), "cap:/lib", true],
    [scope("/lib", "r"), "cap:/lib", false],
    [scope("/home", "rw"), "cap:/home", false],
    [{ ...T3, delegation }, "T2", true],
    [{ ...T2, delegation }, "T2", false],
    [{ tier: "T1", by: "plugin:q", grants: { "/home/": "rw" } }, "plugin:q", false],
  ];
  for (const [caller, writer, expected] of rows) {
    assertEquals(allowed(caller, writer), expected, `${caller.by} ${writer}`);
  }
  assertEquals(decidePluginLog(T2, "/lib/p", "T3"), {
    allowed: false,
    status: 403,
    needs: "T3 or the credential that wrote the source",
    detail: "Cannot read the log of /lib/p: the caller has T2; T3 or the credential that wrote " +
      "the source is required",
  });
});

Deno.test("decideCopy() refuses the file of a plugin's source below T3, also after a move", () => {
  const T2: Caller = { tier: "T2", by: "T2", authenticated: true };
  const T3: Caller = { tier: "T3", by: "T3", authenticated: true };
  assertEquals(decideCopy(T2, "/lib/p").allowed, false);
  assertEquals(decideCopy(T2, "/LIB/p").allowed, false);
  assertEquals(decideCopy(T2, "/home/p", ["/lib/p", "/home/p"]).allowed, false);
  assertEquals(decideCopy(T2, "/home/p", ["/home/q"]).allowed, true);
  assertEquals(decideCopy(T3, "/lib/p", ["/lib/p"]).allowed, true);
});
