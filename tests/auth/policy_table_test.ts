/**
 * The whole policy as tables: every kind of caller, every namespace, every action, and each
 * decision. The decisions are literals; a change of rights changes a cell.
 */

import { assert, assertStrictEquals } from "../support/assert.ts";
import { ANONYMOUS, LOCAL, REJECTED } from "../../lib/auth/authenticate.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { type Action, decide } from "../../lib/auth/policy.ts";
import { NAMESPACES } from "../../lib/world/name.ts";

function cap(prefix: string, mode: "r" | "rw"): Caller {
  const scope = { prefixes: [prefix], mode, exp: 2_000_000_000, root: prefix };
  return { tier: "T2", by: `cap:${prefix}`, scope, authenticated: true };
}

/** The columns of every table, in this order. */
const CALLERS: readonly (readonly [name: string, caller: Caller])[] = [
  ["anonymous", ANONYMOUS],
  ["rejected", REJECTED],
  ["local", LOCAL],
  ["account T1", { tier: "T1", by: "user:ada", authenticated: true }],
  ["account T2", { tier: "T2", by: "user:bob", authenticated: true }],
  ["account T3", { tier: "T3", by: "user:cy", authenticated: true }],
  ["T2", { tier: "T2", by: "T2", authenticated: true }],
  ["T3", { tier: "T3", by: "T3", authenticated: true }],
  ["cap / rw", cap("/", "rw")],
  ["cap / r", cap("/", "r")],
  ["cap /home/s rw", cap("/home/s", "rw")],
  ["cap /home/s r", cap("/home/s", "r")],
  ["cap /etc rw", cap("/etc", "rw")],
  ["cap /boot rw", cap("/boot", "rw")],
  ["cap /lib rw", cap("/lib", "rw")],
];

/** Action, path, and the decision for each caller: `ok` or the status. */
// deno-fmt-ignore
const TABLE: readonly (readonly [action: Action, path: string, verdicts: string])[] = [
  //                                 ano rej loc aT1 aT2 aT3 T2  T3  /rw /r  /s  /sr etc boo lib
  ["read", "/",                     "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/home",                 "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/home/x",               "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/home/sx",              "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/home/s",               "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403"],
  ["read", "/home/s/x",             "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403"],
  ["read", "/etc",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 ok  403 403"],
  ["read", "/etc/passwd",           "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 ok  403 403"],
  ["read", "/etc/fstab",            "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 ok  403 403"],
  ["read", "/etc/shadow",           "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/etc/revoked",          "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/etc/quota",            "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/usr",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  ["read", "/usr/x",                "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  ["read", "/usr/lib/shell",        "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  ["read", "/usr/lib/shell/x",      "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  ["read", "/var",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/var/x",                "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/var/cache",            "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/var/cache/p/x",        "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/var/Cache/p/x",        "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/var/lib/p/kv/x",       "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/var/Lib/p/kv/x",       "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/var/caches",           "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/boot",                 "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/boot/env",             "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/proc/source",          "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/proc/source/main.ts",  "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["read", "/lib",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 ok"],
  ["read", "/lib/x",                "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 ok"],
  ["read", "/lib/x/state",          "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 ok"],
  ["read", "/bin",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  ["read", "/dev",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/mnt",                  "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/proc/status",          "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  ["read", "/proc/nodes",           "401 401 ok  403 ok  ok  ok  ok  ok  ok  403 403 403 403 403"],
  ["read", "/auth/whoami",          "ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"],
  //                                 ano rej loc aT1 aT2 aT3 T2  T3  /rw /r  /s  /sr etc boo lib
  ["write", "/home/x",              "401 401 ok  403 ok  ok  ok  ok  ok  403 403 403 403 403 403"],
  ["write", "/home/x/y",            "401 401 ok  403 ok  ok  ok  ok  ok  403 403 403 403 403 403"],
  ["write", "/home/sx",             "401 401 ok  403 ok  ok  ok  ok  ok  403 403 403 403 403 403"],
  ["write", "/home/s",              "401 401 ok  403 ok  ok  ok  ok  ok  403 ok  403 403 403 403"],
  ["write", "/home/s/x",            "401 401 ok  403 ok  ok  ok  ok  ok  403 ok  403 403 403 403"],
  ["write", "/lib/x",               "401 401 ok  403 ok  ok  ok  ok  ok  403 403 403 403 403 ok"],
  ["write", "/",                    "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/home",                "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/etc",                 "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/etc/x",               "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/etc/passwd",          "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/etc/shadow",          "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/etc/revoked",         "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/etc/quota",           "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/usr/x",               "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/usr/lib/shell/x",     "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/var/x",               "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/boot/x",              "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/lib",                 "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/lib/x/state",         "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/lib/x/y",             "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/proc/x",              "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["write", "/auth/whoami",         "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  //                                 ano rej loc aT1 aT2 aT3 T2  T3  /rw /r  /s  /sr etc boo lib
  ["delete", "/",                   "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/home",               "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/home/x",             "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/home/s",             "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/home/s/x",           "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/etc/x",              "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/etc/shadow",         "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/etc/revoked",        "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/etc/quota",          "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/usr/x",              "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/var/x",              "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/boot/x",             "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["delete", "/lib/x",              "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  //                                 ano rej loc aT1 aT2 aT3 T2  T3  /rw /r  /s  /sr etc boo lib
  ["activate", "/lib/x",            "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["activate", "/home/x",           "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["activate", "/home/s",           "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  //                                 ano rej loc aT1 aT2 aT3 T2  T3  /rw /r  /s  /sr etc boo lib
  ["mint", "/",                     "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/home/x",               "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/home/s",               "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/home/s/x",             "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/etc",                  "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/usr",                  "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/var",                  "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/boot",                 "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
  ["mint", "/lib",                  "401 401 401 403 403 ok  403 ok  403 403 403 403 403 403 403"],
];

for (const [action, path, verdicts] of TABLE) {
  Deno.test(`decide() returns the decisions of the table for ${action} ${path}`, () => {
    const expected = verdicts.split(/ +/);
    assertStrictEquals(expected.length, CALLERS.length);
    for (const [at, [name, caller]] of CALLERS.entries()) {
      const verdict = decide(caller, action, path);
      const found = verdict.allowed ? "ok" : String(verdict.status);
      assertStrictEquals(found, expected[at], `${name}: ${action} ${path}`);
    }
  });
}

Deno.test("the policy table has every action, and a row for every namespace of it", () => {
  const rows = new Set(TABLE.map(([action, path]) => `${action} ${path.split("/")[1]}`));
  for (const namespace of NAMESPACES) {
    for (const action of ["read", "write", "delete", "mint"]) {
      assert(rows.has(`${action} ${namespace}`), `${action} ${namespace}`);
    }
  }
  assert(rows.has("activate lib"));
});
