import { assertEquals, assertStrictEquals, assertThrows } from "../support/assert.ts";
import { createClientFinder, type ProxyTrust } from "../../lib/http/client_address.ts";

function find(trust: ProxyTrust, peer: string, headers: Record<string, string> = {}): string {
  const { address, loopback } = createClientFinder(trust)(peer, new Headers(headers));
  return loopback ? `${address} loopback` : address;
}

const NO_TRUST: ProxyTrust = {};

Deno.test("createClientFinder() uses the peer if no proxy is trusted", () => {
  const rows: [string, string][] = [
    ["127.0.0.1", "127.0.0.1 loopback"],
    ["127.8.8.8", "127.8.8.8 loopback"],
    ["::1", "::1 loopback"],
    ["::ffff:127.0.0.1", "127.0.0.1 loopback"],
    ["0:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:1 loopback"],
    ["0000:0:0:0:0:ffff:7f00:1", "127.0.0.1 loopback"],
    ["127.0.0.1.evil", "127.0.0.1.evil"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["192.0.2.1", "192.0.2.1"],
    ["10.0.0.1", "10.0.0.1"],
    ["2001:db8::1", "2001:db8::1"],
    ["::127.0.0.1", "::127.0.0.1"],
    ["fe80::1%2", "fe80::1%2"],
    ["", ""],
  ];
  for (const [peer, client] of rows) assertStrictEquals(find(NO_TRUST, peer), client, peer);
});

Deno.test("createClientFinder() does not treat a loopback proxy as a local client", () => {
  const traces: Record<string, string>[] = [
    { "x-forwarded-for": "192.0.2.1" },
    { "X-Forwarded-For": "" },
    { "forwarded": "for=127.0.0.1" },
    { "x-real-ip": "127.0.0.1" },
    { "via": "1.1 proxy" },
  ];
  const trusts: ProxyTrust[] = [
    NO_TRUST,
    { trustHeader: "X-Forwarded-For", trustFrom: ["10.0.0.5"] },
    { trustHeader: "Cf-Connecting-Ip", trustFrom: ["127.0.0.1", "::1"] },
  ];
  for (const headers of traces) {
    for (const peer of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.2"]) {
      for (const trust of trusts) {
        const client = find(trust, peer, headers);
        assertStrictEquals(
          client,
          peer.replace("::ffff:", ""),
          `${peer} ${JSON.stringify(headers)}`,
        );
      }
    }
  }
});

Deno.test("createClientFinder() ignores the header of an untrusted peer", () => {
  const trust = { trustHeader: "X-Forwarded-For", trustFrom: ["10.0.0.0/24"] };
  for (const peer of ["10.0.1.1", "192.0.2.1", "2001:db8::1", "::ffff:10.0.1.1"]) {
    const client = find(trust, peer, { "x-forwarded-for": "127.0.0.1" });
    assertStrictEquals(client, peer.replace("::ffff:", ""));
  }
});

Deno.test("createClientFinder() returns the rightmost address that is not a trusted proxy", () => {
  const trust = {
    trustHeader: "X-Forwarded-For",
    trustFrom: ["10.0.0.0/24", "127.0.0.1", "fd00::/8"],
  };
  const rows: [peer: string, value: string, client: string][] = [
    ["10.0.0.1", "192.0.2.1", "192.0.2.1"],
    ["::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"],
    ["fd00::1", "2001:db8::7", "2001:db8::7"],
    ["10.0.0.1", "127.0.0.1, 192.0.2.1", "192.0.2.1"],
    ["10.0.0.1", "127.0.0.1,::1,192.0.2.1,10.0.0.2", "192.0.2.1"],
    ["10.0.0.1", "192.0.2.1, ::ffff:10.0.0.9", "192.0.2.1"],
    ["10.0.0.1", "192.0.2.1:4711", "192.0.2.1"],
    ["10.0.0.1", "[2001:db8::7]:4711, 10.0.0.3:1", "2001:db8::7"],
    ["10.0.0.1", "10.0.0.7, 10.0.0.8", "10.0.0.7"],
    ["127.0.0.1", "192.0.2.1", "192.0.2.1"],
    ["127.0.0.1", "127.0.0.1, 192.0.2.1", "192.0.2.1"],
    // An unreadable hop: the client is the last readable one.
    ["10.0.0.1", "127.0.0.1, unknown", "10.0.0.1"],
    ["10.0.0.1", "192.0.2.1, garbage, 10.0.0.2", "10.0.0.2"],
    ["127.0.0.1", "", "127.0.0.1"],
    ["127.0.0.1", "127.0.0.1,", "127.0.0.1"],
    ["127.0.0.1", "localhost", "127.0.0.1"],
    ["127.0.0.1", "127.1", "127.0.0.1"],
  ];
  for (const [peer, value, client] of rows) {
    assertStrictEquals(find(trust, peer, { "x-forwarded-for": value }), client, `${peer} ${value}`);
  }
});

Deno.test("createClientFinder() returns a local client only if every hop is loopback", () => {
  const trust = { trustHeader: "X-Forwarded-For", trustFrom: ["10.0.0.0/8", "127.0.0.0/8", "::1"] };
  const rows: [peer: string, value: string, client: string][] = [
    ["127.0.0.1", "127.0.0.1", "127.0.0.1 loopback"],
    ["::1", "127.0.0.1, ::1", "127.0.0.1 loopback"],
    ["10.0.0.1", "127.0.0.1", "127.0.0.1"],
    // A host in a trusted block forges a loopback client before its own address.
    ["127.0.0.1", "127.0.0.1, 10.0.0.66", "127.0.0.1"],
  ];
  for (const [peer, value, client] of rows) {
    assertStrictEquals(find(trust, peer, { "x-forwarded-for": value }), client, `${peer} ${value}`);
  }
});

Deno.test("createClientFinder() returns a trusted peer that sends no header", () => {
  const trust = { trustHeader: "X-Real-IP", trustFrom: ["127.0.0.1", "10.0.0.1"] };
  assertEquals(find(trust, "127.0.0.1"), "127.0.0.1 loopback");
  assertEquals(find(trust, "10.0.0.1"), "10.0.0.1");
  assertEquals(find(trust, "127.0.0.1", { "x-forwarded-for": "192.0.2.1" }), "127.0.0.1");
});

Deno.test("createClientFinder() parses X-Real-IP and Forwarded", () => {
  const real = { trustHeader: "x-real-ip", trustFrom: ["10.0.0.1"] };
  assertEquals(find(real, "10.0.0.1", { "X-Real-IP": "2001:db8::1" }), "2001:db8::1");
  // Two header lines are joined; the later one is the proxy's.
  assertEquals(find(real, "10.0.0.1", { "X-Real-IP": "127.0.0.1, 192.0.2.1" }), "192.0.2.1");
  const rfc = { trustHeader: "Forwarded", trustFrom: ["10.0.0.1"] };
  const rows: [string, string][] = [
    ["for=192.0.2.60;proto=https", "192.0.2.60"],
    ['for="[2001:db8:cafe::17]:4711", for=10.0.0.1', "2001:db8:cafe::17"],
    ['for=127.0.0.1, for="', "10.0.0.1"],
    ['for=", for="[2001:db8::666]:1"', "2001:db8::666"],
    ["for=_hidden, for=10.0.0.1", "10.0.0.1"],
    ["proto=https", "10.0.0.1"],
  ];
  for (const [value, client] of rows) {
    assertStrictEquals(find(rfc, "10.0.0.1", { forwarded: value }), client, value);
  }
});

Deno.test("createClientFinder() throws for incomplete or malformed settings", () => {
  const bad: [ProxyTrust, RegExp][] = [
    [{ trustHeader: "X-Forwarded-For" }, /TRUST_PROXY_FROM is not set/],
    [{ trustHeader: "X-Forwarded-For", trustFrom: [] }, /TRUST_PROXY_FROM is not set/],
    [{ trustFrom: ["10.0.0.1"] }, /PROXY_HEADER is not set/],
    [{ trustHeader: "", trustFrom: ["10.0.0.1"] }, /PROXY_HEADER is not set/],
    [{ trustHeader: "X-Real-IP", trustFrom: ["localhost"] }, /"localhost": it is not an address/],
    [{ trustHeader: "X-Real-IP", trustFrom: ["10.0.0.1", "10.0.0.0/33"] }, /10\.0\.0\.0\/33/],
  ];
  for (const [trust, message] of bad) {
    assertThrows(() => createClientFinder(trust), { name: "TypeError", message });
  }
});
