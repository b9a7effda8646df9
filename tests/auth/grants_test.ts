import { equal, match, ok } from "node:assert/strict";
import type { Grants } from "../../lib/auth/caller.ts";
import { grantFault, isGranted } from "../../lib/auth/grants.ts";

const ACTIONS = ["read", "write", "delete"] as const;

/** What of read, write and delete is allowed, as letters. */
function allowed(grants: Grants, path: string): string {
  return ACTIONS.filter((action) => isGranted(grants, action, path)).map((action) => action[0])
    .join(
      "",
    );
}

Deno.test("isGranted() lets a prefix with a slash cover what lies below it, and one without nothing else", () => {
  const grants: Grants = { "/home/a/": "r", "/var/x": "rw" };
  equal(allowed(grants, "/home/a"), "r");
  equal(allowed(grants, "/home/a/b/c"), "r");
  equal(allowed(grants, "/home/ab"), "");
  equal(allowed(grants, "/home"), "");
  equal(allowed(grants, "/var/x"), "rwd");
  equal(allowed(grants, "/var/x/y"), "");
  equal(allowed(grants, "/var/xy"), "");
  equal(allowed({}, "/home/a"), "");
});

Deno.test("isGranted() goes by the longest that covers a path, and by one for exactly the path before all", () => {
  const grants: Grants = {
    "/home/": "rw",
    "/home/a/": "r",
    "/home/a/b": "rw",
    "/home/c/": "r",
    "/home/c": "rw",
  };
  equal(allowed(grants, "/home/x"), "rwd");
  equal(allowed(grants, "/home/a/x"), "r");
  equal(allowed(grants, "/home/a/b"), "rwd");
  equal(allowed(grants, "/home/a/b/c"), "r");
  ok(isGranted(grants, "write", "/home/c"));
  equal(allowed(grants, "/home/c/d"), "r");
});

Deno.test("isGranted() deletes no collection that holds what is granted for reading alone", () => {
  const grants: Grants = { "/var/c/": "rw", "/var/c/kept/deep": "r" };
  equal(allowed(grants, "/var/c"), "rw");
  equal(allowed(grants, "/var/c/kept"), "rw");
  equal(allowed(grants, "/var/c/other"), "rwd");
  equal(allowed(grants, "/var/c/kept/deep"), "r");
});

Deno.test("isGranted() writes nothing that decides who may do what, however it is spelt", () => {
  const all: Grants = {
    "/lib/": "rw",
    "/boot/": "rw",
    "/auth/": "rw",
    "/etc/": "rw",
    "/usr/": "rw",
    "/LIB/": "rw",
  };
  for (
    const path of [
      "/lib/x",
      "/lib",
      "/LIB/x",
      "/boot/env",
      "/auth/mint",
      "/etc/passwd",
      "/etc/Shadow",
      "/etc/shadow/x",
      "/usr/lib/shell/app.js",
      "/usr/lib/Shell",
    ]
  ) {
    ok(!isGranted(all, "write", path), path);
    ok(!isGranted(all, "delete", path), path);
  }
  equal(allowed(all, "/etc/other"), "rwd");
});

Deno.test("isGranted() reads what is private only where it was asked for by name", () => {
  const over: Grants = { "/etc/": "r" };
  equal(allowed(over, "/etc/fstab"), "r");
  for (const path of ["/etc/shadow", "/etc/SHADOW", "/etc/shadow/x", "/boot", "/boot/env"]) {
    equal(allowed(over, path), "", path);
  }
  equal(allowed({ "/etc/shadow": "r" }, "/etc/shadow"), "r");
  equal(allowed({ "/boot/": "r" }, "/boot/env"), "r");
  equal(allowed({ "/proc/": "r" }, "/proc/source/main.ts"), "");
  equal(allowed({ "/proc/source/": "r" }, "/proc/source/main.ts"), "r");
  equal(allowed({ "/boot/env": "r", "/": "r" }, "/boot/plugins"), "");
});

Deno.test("isGranted() finds nothing in a prototype", () => {
  for (const path of ["/__proto__", "/constructor", "constructor", "__proto__"]) {
    equal(allowed({}, path), "");
  }
});

Deno.test("grantFault() says what cannot be asked for, above it and below it, in any spelling", () => {
  for (
    const prefix of [
      "/lib/",
      "/lib/x",
      "/etc/",
      "/ETC/",
      "/etc/passwd",
      "/etc/Passwd",
      "/usr/",
      "/usr/lib/",
      "/usr/lib/shell/x",
      "/boot/",
      "/",
    ]
  ) {
    match(grantFault(prefix, "rw") ?? "", /^writing \/\S+ would let the plugin/, prefix);
    equal(grantFault(prefix, "r"), undefined);
  }
  for (
    const prefix of ["/home/", "/etc/x", "/etc/passwd2", "/usr/lib/skills/", "/var/", "/library/"]
  ) {
    equal(grantFault(prefix, "rw"), undefined, prefix);
  }
});
