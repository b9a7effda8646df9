import { assertEquals } from "../support/assert.ts";
import { ANONYMOUS, LOCAL } from "../../lib/auth/authenticate.ts";
import type { Caller, CapabilityMode } from "../../lib/auth/caller.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { formatAllow, requestedAccess } from "../../lib/request/requested_access.ts";

const T3: Caller = { tier: "T3", by: "T3", authenticated: true };
const METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "MOVE", "OPTIONS"];

function cap(prefix: string, mode: CapabilityMode): Caller {
  const scope = { prefixes: [prefix], mode, exp: 2_000_000_000, root: "" };
  return { tier: "T2", by: `cap:${prefix}`, scope, authenticated: true };
}

function allow(caller: Caller, path: string, methods: readonly string[] = METHODS): string {
  return formatAllow({ caller, target: parseTarget(`http://localhost${path}`) }, methods);
}

Deno.test("formatAllow() names the methods that the caller may use on a world", () => {
  const read = "GET, HEAD, OPTIONS";
  const write = "GET, HEAD, PUT, POST, PATCH, OPTIONS";
  const all = METHODS.join(", ");
  const rows: [Caller, string, string][] = [
    [ANONYMOUS, "/home/s/x", read],
    [LOCAL, "/home/s/x", write],
    [T3, "/home/s/x", all],
    [cap("/home/s", "r"), "/home/s/x", read],
    [cap("/home/s", "rw"), "/home/s/x", write],
    [cap("/home/s", "rwd"), "/home/s/x", all],
    [cap("/home/s", "rwd"), "/home/s/", all],
    [cap("/home/s", "rwd"), "/home/x", "OPTIONS"],
    [cap("/home/s", "rwd"), "/usr/share/doc/auth.md", read],
    [cap("/", "rwd"), "/lib/x", write],
    [cap("/", "rwd"), "/etc/x", read],
    [ANONYMOUS, "/etc/shadow", "OPTIONS"],
    [LOCAL, "/etc/revoked", "OPTIONS"],
    [T3, "/etc/revoked", all],
  ];
  for (const [caller, path, expected] of rows) {
    assertEquals(allow(caller, path), expected, `${caller.by} ${path}`);
  }
});

Deno.test("formatAllow() asks for the world that a route is about", () => {
  const methods = ["GET", "POST", "PUT", "OPTIONS"];
  const rows: [Caller, string, string][] = [
    [cap("/home/s", "rw"), "/proc/log/home/s/x", "GET, POST, PUT, OPTIONS"],
    [cap("/home/s", "rw"), "/proc/log/home/x", "OPTIONS"],
    [cap("/home/s", "r"), "/proc/log/home/s/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/proc/log/home", "OPTIONS"],
    [cap("/home/s", "r"), "/proc/log/home/x/", "OPTIONS"],
    [cap("/home/s", "r"), "/proc/log/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/proc/log/home/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/proc/changes/home/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/proc/search/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/proc/trash/home/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/proc/audit/home/", "OPTIONS"],
    [LOCAL, "/proc/log/var/cache/", "OPTIONS"],
    [LOCAL, "/proc/log/var/", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/stream/s/x", "GET, OPTIONS"],
    [cap("/home/s", "r"), "/stream/x", "OPTIONS"],
    [LOCAL, "/auth/mint", "OPTIONS"],
    [T3, "/auth/mint", "GET, POST, PUT, OPTIONS"],
    [LOCAL, "/lib/x/state", "GET, OPTIONS"],
    [T3, "/lib/x/state", "GET, POST, PUT, OPTIONS"],
    [LOCAL, "/proc/snapshot/home/x", "GET, PUT, OPTIONS"],
    [LOCAL, "/proc/snapshot/etc/fstab", "OPTIONS"],
    [T3, "/proc/snapshot/etc/fstab", "GET, POST, PUT, OPTIONS"],
  ];
  for (const [caller, path, expected] of rows) {
    assertEquals(allow(caller, path, methods), expected, `${caller.by} ${path}`);
  }
});

Deno.test("requestedAccess() returns action and path for each kind of method", () => {
  assertEquals(requestedAccess("PROPFIND", "/dav/home/x"), ["read", "/home/x"]);
  assertEquals(requestedAccess("COPY", "/dav/home/x"), ["read", "/home/x"]);
  assertEquals(requestedAccess("MOVE", "/home/x"), ["delete", "/home/x"]);
  assertEquals(requestedAccess("PATCH", "/home/x"), ["write", "/home/x"]);
  assertEquals(requestedAccess("LOCK", "/dav/home/x"), ["write", "/home/x"]);
  assertEquals(requestedAccess("POST", "/auth/mint"), ["mint", "/"]);
  assertEquals(requestedAccess("PUT", "/lib/x/state"), ["activate", "/lib/x"]);
  assertEquals(requestedAccess("GET", "/stream/x"), ["read", "/home/x"]);
});
