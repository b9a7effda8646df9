import { assertEquals, assertStrictEquals, fail } from "../support/assert.ts";
import { isLoopback, parseIp, parseIpRange } from "../../lib/http/ip_address.ts";

Deno.test("parseIp() returns one text and one set of groups for every spelling", () => {
  const groups: [string, string[]][] = [
    ["127.0.0.1", ["127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7f00:1", "0:0:0:0:0:ffff:7f00:0001"]],
    ["192.0.2.1", ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"]],
    ["0.0.0.0", ["0.0.0.0", "::ffff:0.0.0.0"]],
  ];
  for (const [text, spelled] of groups) {
    for (const spelling of spelled) {
      assertStrictEquals(parseIp(spelling)?.text, text, spelling);
      assertEquals(parseIp(spelling)?.v4, true, spelling);
      assertEquals(parseIp(spelling)?.groups, parseIp(text)?.groups, spelling);
    }
  }
});

Deno.test("parseIp() parses IPv6 into eight groups", () => {
  const rows: [string, string][] = [
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["2001:db8::1", "20010db8000000000000000000000001"],
    ["2001:DB8:0:0::1", "20010db8000000000000000000000001"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1::", "00010000000000000000000000000000"],
    ["64:ff9b::127.0.0.1", "0064ff9b00000000000000007f000001"],
    ["::127.0.0.1", "0000000000000000000000007f000001"],
    ["fe80::1:2:3", "fe800000000000000000000100020003"],
  ];
  for (const [text, hex] of rows) {
    const ip = parseIp(text);
    const groups = ip?.groups.map((group) => group.toString(16).padStart(4, "0"));
    assertStrictEquals(groups?.join(""), hex, text);
    assertEquals(ip?.v4, false, text);
  }
});

Deno.test("parseIp() rejects lenient and malformed spellings", () => {
  const texts = [
    "",
    "localhost",
    "127.1",
    "127.0.0.01",
    "0x7f.0.0.1",
    "1.2.3.256",
    "1.2.3",
    "1.2.3.4.5",
  ];
  const more = [
    "[::1]",
    "::1%lo",
    "fe80::1%eth0",
    "1::2::3",
    ":::",
    "1:2:3",
    "::g",
    "::1 ",
    " 1.2.3.4",
  ];
  for (const text of [...texts, ...more, "1.2.3.4:80", "::ffff:1.2.3", "12345::"]) {
    assertEquals(parseIp(text), undefined, text);
  }
});

Deno.test("isLoopback() accepts only 127.0.0.0/8 and ::1", () => {
  const own = [
    "127.0.0.1",
    "127.255.0.9",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
  ];
  const others = ["126.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2", "1::1", "::127.0.0.1"];
  for (const text of own) assertEquals(isLoopback(parseIp(text) ?? fail(text)), true, text);
  for (const text of [...others, "64:ff9b::127.0.0.1", "::1:0:0:1", "10.0.0.1"]) {
    assertEquals(isLoopback(parseIp(text) ?? fail(text)), false, text);
  }
});

Deno.test("parseIpRange() matches the addresses of its block and no others", () => {
  const rows: [range: string, inside: string[], outside: string[]][] = [
    ["10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1"], ["10.0.0.2", "::1"]],
    ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255", "::a00:1"]],
    ["10.9.9.9/8", ["10.0.0.1"], ["11.0.0.1"]],
    ["192.168.4.0/22", ["192.168.4.0", "192.168.7.255"], ["192.168.8.0", "192.168.3.255"]],
    ["1.2.3.4/32", ["1.2.3.4"], ["1.2.3.5"]],
    ["0.0.0.0/0", ["1.2.3.4", "255.255.255.255"], ["::1", "2001:db8::1"]],
    ["::1", ["::1"], ["::2", "127.0.0.1"]],
    ["2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::", "10.0.0.1"]],
    ["2001:db8::/33", ["2001:db8:7fff::"], ["2001:db8:8000::"]],
    ["::/0", ["::1", "2001:db8::1"], ["1.2.3.4", "::ffff:1.2.3.4"]],
    ["::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.0.0.0", "2001:db8::1"]],
  ];
  for (const [text, inside, outside] of rows) {
    const range = parseIpRange(text) ?? fail(text);
    for (const ip of inside) {
      assertEquals(range(parseIp(ip) ?? fail(ip)), true, `${text} ${ip}`);
    }
    for (const ip of outside) {
      assertEquals(range(parseIp(ip) ?? fail(ip)), false, `${text} ${ip}`);
    }
  }
});

Deno.test("parseIpRange() returns undefined for anything but an address or a block", () => {
  const texts = [
    "",
    "/",
    "/8",
    "localhost",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
  ];
  const more = [
    "10.0.0.0/8.5",
    "10.0.0.0/1e1",
    "10/8",
    "::/129",
    "::/ 1",
    "::ffff:1.2.3.4/95",
    "1.2.3.4/8/8",
  ];
  for (const text of [...texts, ...more, "*", "10.0.0.*", "::/"]) {
    assertEquals(parseIpRange(text), undefined, text);
  }
});
