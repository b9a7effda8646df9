import { assert, assertEquals, assertMatch } from "../support/assert.ts";
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
  assertEquals(allowed(grants, "/home/a"), "r");
  assertEquals(allowed(grants, "/home/a/b/c"), "r");
  assertEquals(allowed(grants, "/home/ab"), "");
  assertEquals(allowed(grants, "/home"), "");
  assertEquals(allowed(grants, "/var/x"), "rwd");
  assertEquals(allowed(grants, "/var/x/y"), "");
  assertEquals(allowed(grants, "/var/xy"), "");
  assertEquals(allowed({}, "/home/a"), "");
});

Deno.test("isGranted() uses the grant for exactly the path, otherwise the longest", () => {
  const grants: Grants = {
    "/home/": "rw",
    "/home/a/": "r",
    "/home/a/b": "rw",
    "/home/c/": "r",
    "/home/c": "rw",
  };
  assertEquals(allowed(grants, "/home/x"), "rwd");
  assertEquals(allowed(grants, "/home/a/x"), "r");
  assertEquals(allowed(grants, "/home/a/b"), "rwd");
  assertEquals(allowed(grants, "/home/a/b/c"), "r");
  assert(isGranted(grants, "write", "/home/c"));
  assertEquals(allowed(grants, "/home/c/d"), "r");
});

Deno.test("isGranted() does not delete a collection that contains a read-only grant", () => {
  const grants: Grants = { "/var/c/": "rw", "/var/c/kept/deep": "r" };
  assertEquals(allowed(grants, "/var/c"), "rw");
  assertEquals(allowed(grants, "/var/c/kept"), "rw");
  assertEquals(allowed(grants, "/var/c/other"), "rwd");
  assertEquals(allowed(grants, "/var/c/kept/deep"), "r");
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
      "/usr/bin/boot",
      "/etc/revoked",
      "/etc/quota",
    ]
  ) {
    assert(!isGranted(all, "write", path), path);
    assert(!isGranted(all, "delete", path), path);
  }
  assertEquals(allowed(all, "/etc/other"), "rwd");
});

Deno.test("isGranted() reads private paths only with an explicit grant", () => {
  const over: Grants = { "/etc/": "r" };
  assertEquals(allowed(over, "/etc/fstab"), "r");
  for (const path of ["/etc/shadow", "/etc/SHADOW", "/etc/shadow/x", "/boot", "/boot/env"]) {
    assertEquals(allowed(over, path), "", path);
  }
  assertEquals(allowed({ "/etc/shadow": "r" }, "/etc/shadow"), "r");
  assertEquals(allowed({ "/boot/": "r" }, "/boot/env"), "r");
  assertEquals(allowed({ "/proc/": "r" }, "/proc/source/main.ts"), "");
  assertEquals(allowed({ "/proc/source/": "r" }, "/proc/source/main.ts"), "r");
  assertEquals(allowed({ "/boot/env": "r", "/": "r" }, "/boot/plugins"), "");
});

Deno.test("isGranted() finds no grant in the prototype", () => {
  for (const path of ["/__proto__", "/constructor", "constructor", "__proto__"]) {
    assertEquals(allowed({}, path), "");
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
    assertMatch(grantFault(prefix, "rw") ?? "", /^writing \/\S+ would let the plugin/, prefix);
    assertEquals(grantFault(prefix, "r"), undefined);
  }
  for (
    const prefix of ["/home/", "/etc/x", "/etc/passwd2", "/usr/lib/skills/", "/var/", "/library/"]
  ) {
    assertEquals(grantFault(prefix, "rw"), undefined, prefix);
  }
});
