import { assertEquals, assertMatch } from "../../support/assert.ts";
import { parseNetHost } from "../../../lib/plugin/manifest/net_host.ts";

Deno.test("parseNetHost() puts each host in one spelling", () => {
  for (
    const [value, host] of [
      ["api.example.com", "api.example.com"],
      ["API.Example.COM:443", "api.example.com:443"],
      ["localhost:8080", "localhost:8080"],
      ["localhost:080", "localhost:80"],
      ["xn--mnchen-3ya.de", "xn--mnchen-3ya.de"],
      ["10.0.0.1", "10.0.0.1"],
      ["[::1]:9", "[::1]:9"],
      ["[0:0:0:0:0:0:0:1]", "[::1]"],
      ["[FE80::A]:65535", "[fe80::a]:65535"],
      // The runtime compares an IPv4-mapped address as the IPv4 address.
      ["[::ffff:127.0.0.1]:3005", "127.0.0.1:3005"],
      ["[::FFFF:7f00:1]", "127.0.0.1"],
    ] as const
  ) {
    assertEquals(parseNetHost(value), { host }, value);
  }
});

Deno.test("parseNetHost() refuses what is not one host, and names the reason in ASCII", () => {
  const label = "a".repeat(64);
  const rows: readonly (readonly [reason: RegExp, values: readonly string[]])[] = [
    [/wildcard/, ["*", "*.example.com", "*:80", "example.*"]],
    [/scheme, a path or a range/, ["https://e.com", "e.com/x", "10.0.0.0/8", "//e.com"]],
    [/not of the form/, ["", ":80", "e.com:", "::1", "[::1", "[::1]x", "e.com:1:2", "e.com:80-90"]],
    [/not of the form/, ["e.com:+80", "e.com:0x50", "e.com: 80", "vsock:1:2", "a]:80"]],
    [/port that is not 1 to 65535/, ["e.com:0", "e.com:65536", "[::1]:99999"]],
    [/not a valid IPv6 address/, ["[]", "[1:2]", "[....]", "[fe80::1%25eth0]:80", "[v1.x]", "[e]"]],
    [/ends in a dot/, ["example.com.", "127.0.0.1.", "localhost.:80"]],
    [/another spelling of 127\.0\.0\.1/, ["127.1", "0x7f.1", "0177.0.0.1", "2130706433"]],
    [/another spelling of xn--mnchen-3ya\.de/, ["m\u00fcnchen.de", "mu\u0308nchen.de"]],
    [/another spelling of e\.com/, ["e\u3002com", "\uff45.com"]],
    [/no host has/, ["e.com\u200b", " e.com", "e.com\n", "u@e.com", "e.com?x", "e.com#x", "a,b"]],
    [/no host has/, ["e.com\\x", "%6c", "e\u202e.com", "e.com\u0000"]],
    [/not a valid host/, ["256.1.1.1", "1.2.3.4.5", "a.1", "xn--a", "a_b", "a-.b", "-a", "a..b"]],
    [/not a valid host/, [`${label}.com`, `${"a.".repeat(127)}com`, "--allow-all"]],
  ];
  for (const [reason, values] of rows) {
    for (const value of values) {
      const found = parseNetHost(value);
      const fault = "fault" in found ? found.fault : JSON.stringify(found);
      assertMatch(fault, reason, JSON.stringify(value));
      assertMatch(fault, /^[\x20-\x7e]+$/, "an invisible character would hide");
    }
  }
});
