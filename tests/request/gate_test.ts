import { assertEquals, assertStrictEquals, assertThrows } from "../support/assert.ts";
import { createAuthenticator } from "../../lib/auth/authenticate.ts";
import { createClientFinder } from "../../lib/http/client_address.ts";
import { createGate } from "../../lib/request/gate.ts";
import { Problem, type ProblemType } from "../../lib/http/problem.ts";
import { APPROVE, basic, bearer, KEY, TOKEN } from "../support/test_server.ts";

/** A request, and the address of its client. */
interface GateRequest {
  readonly method?: string;
  readonly url?: string;
  /** Authority of the URL, without a Host header, as over HTTP/2. */
  readonly authority?: string;
  readonly peer?: string;
  readonly headers?: Record<string, string>;
}

function gateOf(guarded: boolean, proxied = false) {
  const authenticator = createAuthenticator({
    ...(guarded ? { token: TOKEN } : {}),
    approveToken: APPROVE,
    key: KEY,
    now: () => 1_700_000_000_000,
  });
  authenticator.setAccounts("guest:T1", `guest:${"0".repeat(63)}1`);
  const gate = createGate({
    authenticator,
    findClient: createClientFinder(
      proxied ? { trustHeader: "X-Forwarded-For", trustFrom: ["127.0.0.1"] } : {},
    ),
    requiresCredential: guarded,
    allowedHosts: new Set(["box.lan", "other.lan:8080"]),
  });
  return (sent: GateRequest) => {
    const { method = "GET", url = "/home/x", peer = "127.0.0.1", headers = {}, authority } = sent;
    const host: Record<string, string> = authority === undefined ? { host: "localhost:3005" } : {};
    const request = new Request("http://localhost/", { headers: { ...host, ...headers } });
    const whole = `http://${authority ?? "localhost"}${url}`;
    // Deno passes URL and method as sent; the constructor of Request would reject some of them.
    return gate(
      new Proxy(request, { get: (target, key) => asSent(target, key, whole, method) }),
      peer,
    );
  };
}

function asSent(request: Request, key: string | symbol, url: string, method: string): unknown {
  if (key === "url") return url;
  if (key === "method") return method;
  return Reflect.get(request, key, request);
}

const open = gateOf(false);
const guarded = gateOf(true);

function assertRefused(
  gate: (request: GateRequest) => unknown,
  request: GateRequest,
  type: ProblemType,
): void {
  assertThrows(
    () => gate(request),
    (error: unknown) => error instanceof Problem && error.type === type,
    `${JSON.stringify(request)} should be ${type}`,
  );
}

Deno.test("createGate() returns the canonical target and the caller", () => {
  const { target, caller } = open({ url: "/home/caf%C3%A9/?raw&v=1" });
  assertEquals(target, {
    path: "/home/café",
    name: "home/café",
    isCollection: true,
    query: "raw&v=1",
  });
  assertEquals(caller, { tier: "T2", by: "T2:local" });
});

Deno.test("createGate() admits the methods of HTTP and WebDAV and answers 501 to others", () => {
  for (
    const method of ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "LOCK"]
  ) {
    assertStrictEquals(open({ method }).request.method, method);
  }
  for (const method of ["get", "BREW", "TRACE", "CONNECT", "M-SEARCH", "X".repeat(500)]) {
    assertRefused(open, { method }, "not-implemented");
  }
});

Deno.test("createGate() does not treat a loopback client under an unknown Host as local", () => {
  for (
    const host of [
      "localhost",
      "LOCALHOST:1",
      "127.0.0.1",
      "127.9.9.9:80",
      "[::1]:3005",
      "box.lan:9",
    ]
  ) {
    assertEquals(open({ headers: { host } }).caller.tier, "T2", host);
  }
  for (
    const host of [
      "evil.example",
      "localhost.evil.example",
      "evil.example:3005",
      "127.0.0.1.nip.io",
      "0.0.0.0",
      "[::]",
      "other.lan",
      "localhost.",
    ]
  ) {
    assertRefused(open, { headers: { host } }, "unknown-host");
    assertRefused(guarded, { headers: { host } }, "unauthorized");
    assertEquals(guarded({ headers: { host, ...bearer(TOKEN) } }).caller.tier, "T2", host);
    assertEquals(
      guarded({ url: "/usr/lib/shell/app.js", headers: { host } }).caller.tier,
      "T1",
      host,
    );
  }
  assertEquals(open({ headers: { host: "other.lan:8080" } }).caller.tier, "T2");
});

Deno.test("createGate() rejects a malformed Host with and without tokens", () => {
  for (
    const host of ["a/b", "a b", "user@localhost", "localhost:x", "localhost, evil", "a?b", "a#b"]
  ) {
    assertRefused(open, { headers: { host } }, "bad-header");
    assertRefused(guarded, { headers: { host } }, "bad-header");
  }
});

Deno.test("createGate() uses the authority of HTTP/2 as Host", () => {
  assertEquals(open({ authority: "localhost:3005", method: "PUT" }).caller.tier, "T2");
  assertRefused(open, { authority: "evil.example" }, "unknown-host");
  assertRefused(open, { authority: "user@localhost" }, "bad-header");
  assertRefused(open, { authority: "localhost", url: "?x" }, "bad-path");
  const page = { "sec-fetch-site": "same-origin", origin: "https://box.lan" };
  assertEquals(guarded({ authority: "box.lan", method: "PUT", headers: page }).caller.tier, "T1");
  assertRefused(guarded, { authority: "evil.example" }, "unauthorized");
  assertRefused(
    guarded,
    { authority: "other.lan", method: "PUT", headers: page },
    "foreign-origin",
  );
});

Deno.test("createGate() rejects changes from pages of other sites", () => {
  const foreign: Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:3006" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "same-origin", origin: "https://evil.example" },
    { origin: "http://localhost:3005", "sec-fetch-site": "cross-site" },
  ];
  const own: Record<string, string>[] = [
    {},
    { origin: "http://localhost:3005" },
    { "sec-fetch-site": "same-origin" },
    { "sec-fetch-site": "none" },
    { origin: "http://localhost:3005", "sec-fetch-site": "same-origin" },
  ];
  for (const method of ["PUT", "POST", "DELETE", "PATCH", "PROPFIND", "MOVE", "LOCK"]) {
    for (const headers of foreign) {
      assertRefused(open, { method, headers }, "foreign-origin");
      assertRefused(
        guarded,
        { method, headers: { ...headers, ...bearer(APPROVE) } },
        "foreign-origin",
      );
    }
    for (const headers of own) assertEquals(open({ method, headers }).caller.tier, "T2");
  }
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    for (const headers of foreign) assertEquals(open({ method, headers }).caller.tier, "T1");
  }
});

Deno.test("createGate() does not treat a client behind an unknown proxy as local", () => {
  for (const name of ["x-forwarded-for", "forwarded", "x-real-ip", "via"]) {
    assertEquals(open({ headers: { [name]: "127.0.0.1" } }).caller.tier, "T1", name);
    assertEquals(open({ headers: { [name]: "" } }).caller.tier, "T1", name);
    assertRefused(guarded, { headers: { [name]: "127.0.0.1" } }, "unauthorized");
  }
  assertEquals(open({ peer: "192.0.2.1" }).caller.tier, "T1");
});

Deno.test("createGate() uses the header of a trusted proxy only", () => {
  const proxied = gateOf(true, true);
  assertEquals(proxied({ headers: { "x-forwarded-for": "127.0.0.1" } }).caller.tier, "T1");
  assertRefused(proxied, { headers: { "x-forwarded-for": "203.0.113.9" } }, "unauthorized");
  assertRefused(
    proxied,
    { headers: { "x-forwarded-for": "127.0.0.1, 203.0.113.9" } },
    "unauthorized",
  );
  assertRefused(
    proxied,
    { peer: "203.0.113.9", headers: { "x-forwarded-for": "127.0.0.1" } },
    "unauthorized",
  );
});

Deno.test("createGate() with tokens requires a credential from clients on other computers", () => {
  const peer = "203.0.113.9";
  for (
    const url of ["/", "/home/x", "/usr/share/doc/x", "/bin", "/proc/status", "/usr/lib/shell"]
  ) {
    assertRefused(guarded, { peer, url }, "unauthorized");
    assertRefused(guarded, { peer, url, headers: bearer("wrong") }, "unauthorized");
    assertRefused(guarded, { peer, url, headers: basic("guest", "wrong") }, "unauthorized");
    assertEquals(guarded({ peer, url, headers: bearer(TOKEN) }).caller.tier, "T2");
    assertEquals(guarded({ peer, url, headers: basic("anyone", APPROVE) }).caller.tier, "T3");
    assertEquals(guarded({ url }).caller.tier, "T1");
  }
  assertEquals(guarded({ peer, url: "/usr/lib/shell/app.js" }).caller.tier, "T1");
  assertRefused(guarded, { peer, url: "/usr/lib/shell/../../../home/x" }, "bad-path");
  assertRefused(guarded, { peer, url: "/usr/lib/shell%2f..%2f..%2fhome/x" }, "bad-path");
  assertRefused(guarded, { peer, url: "/bin/usr/lib/shell/x" }, "unauthorized");
});
