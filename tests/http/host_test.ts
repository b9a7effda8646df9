import { assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { hostFault, isKnownHost, parseAuthority, readHost } from "../../lib/http/host.ts";

const NONE: ReadonlySet<string> = new Set();
const BOX: ReadonlySet<string> = new Set(["box.local", "other:8080", "[fd00::1]"]);

Deno.test("readHost() returns the Host header, or over HTTP/2 the authority of the URL", () => {
  assertEquals(readHost(new Request("http://a/x", { headers: { host: "b:1" } })), "b:1");
  for (
    const [url, host] of [["https://a:1/x?y", "a:1"], ["https://a?x", "a"], [
      "http://[::1]",
      "[::1]",
    ]]
  ) {
    assertStrictEquals(readHost({ url: url ?? "", headers: new Headers() }), host);
  }
});

Deno.test("isKnownHost() accepts loopback names and addresses with any port", () => {
  const hosts = [
    "localhost",
    "localhost:3005",
    "LOCALHOST:3005",
    "LocalHost",
    "localhost:1",
    "localhost:65535",
    "127.0.0.1",
    "127.0.0.1:3005",
    "127.0.0.2",
    "127.1.2.3:80",
    "127.255.255.254",
    "[::1]",
    "[::1]:3005",
  ];
  for (const host of hosts) assertEquals(isKnownHost(host, NONE), true, host);
});

Deno.test("isKnownHost() rejects names that resemble loopback", () => {
  const hosts = [
    "evil.example",
    "evil.example:3005",
    "localhost.evil.example",
    "evil.localhost",
    "localhost.",
    "localhost.localdomain",
    "xlocalhost",
    "localhost-",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:3005",
    "127-0-0-1.example",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127",
    "127.0.0.01",
    "127.0.0.1e0",
    "127.0.0.0x1",
    "127.0.0.256",
    "127.0.0.1.1",
    "127.0.0.-1",
    "127...1",
    "127.0.0.",
    "0127.0.0.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "0.0.0.0",
    "0.0.0.0:3005",
    "128.0.0.1",
    "1127.0.0.1",
    "10.0.0.1",
    "[::]",
    "[::2]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::1%25lo]",
    "::1",
    "::1:3005",
    "[::1",
    "::1]",
    "[]",
  ];
  for (const host of hosts) assertEquals(isKnownHost(host, NONE), false, host);
});

Deno.test("isKnownHost() rejects a missing, repeated or malformed header", () => {
  assertEquals(isKnownHost(null, NONE), false);
  const hosts = [
    "",
    " ",
    "localhost, localhost",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost localhost",
    "localhost:",
    "localhost::3005",
    "localhost:3005:3005",
    "localhost:0x1",
    "localhost:-1",
    "localhost:+1",
    "localhost: 80",
    "localhost:65536",
    "localhost:99999",
    "localhost:123456",
    "localhost:80a",
    "localhost/",
    "localhost/home/x?",
    "localhost#",
    "localhost?x",
    "localhost\\x",
    "user@localhost",
    "http://localhost",
    "%6cocalhost",
    "localhost%00",
    "localhost\0",
    "localhost\t",
    "ｌocalhost",
    "\u017ftub",
    "[::1]x",
    "[::1]:",
    "[::1]3005",
    "[localhost]",
    ":3005",
  ];
  for (const host of hosts) assertEquals(isKnownHost(host, NONE), false, JSON.stringify(host));
});

Deno.test("isKnownHost() accepts configured names, with their port if one is configured", () => {
  for (const host of ["box.local", "BOX.local", "box.local:1", "other:8080", "[fd00::1]:80"]) {
    assertEquals(isKnownHost(host, BOX), true, host);
  }
  for (const host of ["other", "other:80", "xbox.local", "box.local.evil", "[fd00::2]"]) {
    assertEquals(isKnownHost(host, BOX), false, host);
  }
});

Deno.test("hostFault() accepts names and addresses", () => {
  const hosts = [
    null,
    "a",
    "box.example",
    "box.example:443",
    "my_service:80",
    "xn--bcher-kva.example",
  ];
  for (const host of [...hosts, "1.2.3.4", "[2001:db8::1]:8080", "[::ffff:1.2.3.4]", "a-b.c"]) {
    assertEquals(hostFault(host), undefined, String(host));
  }
});

Deno.test("hostFault() rejects headers that would move the path of the URL", () => {
  const hosts = [
    "",
    "a/b",
    "localhost/home/x?",
    "localhost/etc/shadow#",
    "a?b",
    "a#b",
    "a\\b",
    "a b",
    "a, b",
    "user@a",
    "%2f",
    "a:99999",
    "a:",
    "[a/b]",
    "å",
    "a".repeat(256),
  ];
  for (const host of hosts) assertMatch(hostFault(host) ?? "", /Host header is not/, host);
});

Deno.test("parseAuthority() lower-cases the host and keeps the port as sent", () => {
  assertEquals(parseAuthority("Box.Example:080"), { host: "box.example", port: "080" });
  assertEquals(parseAuthority("box"), { host: "box", port: "" });
  assertEquals(parseAuthority("[FD00::1]:1"), { host: "[fd00::1]", port: "1" });
  assertEquals(parseAuthority("[fd00::1]"), { host: "[fd00::1]", port: "" });
  for (const odd of ["", ":1", "a:", "a/b", "[::1", "a:b", "a@b"]) {
    assertEquals(parseAuthority(odd), undefined, odd);
  }
});
