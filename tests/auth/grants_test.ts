import { equal, match, ok } from "node:assert/strict";
import type { Grants } from "../../lib/auth/caller.ts";
import { grantFault, isGranted } from "../../lib/auth/grants.ts";

const ACTIONS = ["read", "write", "delete"] as const;

/** Formats which of read, write and delete is allowed, as letters. */
function allowed(grants: Grants, path: string): string {
  return ACTIONS.filter((action) => isGranted(grants, action, path)).map((action) => action[0])
    .join(
      "",
    );
}

Deno.test("isGranted() matches everything below a prefix with a trailing slash, otherwise the path only", () => {
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

Deno.test("isGranted() uses the grant for exactly the path, otherwise the longest", () => {
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

Deno.test("isGranted() does not delete a collection that contains a read-only grant", () => {
  const grants: Grants = { "/var/c/": "rw", "/var/c/kept/deep": "r" };
  equal(allowed(grants, "/var/c"), "rw");
  equal(allowed(grants, "/var/c/kept"), "rw");
  equal(allowed(grants, "/var/c/other"), "rwd");
  equal(allowed(grants, "/var/c/kept/deep"), "r");
});

Deno.test("isGranted() writes no path that decides about rights, in any spelling", () => {
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

Deno.test("isGranted() reads private paths only with an explicit grant", () => {
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

Deno.test("isGranted() finds no grant in the prototype", () => {
  for (const path of ["/__proto__", "/constructor", "constructor", "__proto__"]) {
    equal(allowed({}, path), "");
  }
});

Deno.test("grantFault() rejects never-writable paths, their parents and children, in any spelling", () => {
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
