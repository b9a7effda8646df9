import { assert, assertEquals } from "../support/assert.ts";
import { parseForwarded, parseForwardedFor } from "../../lib/http/forwarded.ts";

Deno.test("parseForwardedFor() yields addresses from the right, without ports and brackets", () => {
  const rows: [string, string[]][] = [
    ["192.0.2.1", ["192.0.2.1"]],
    ["192.0.2.1, 198.51.100.2", ["198.51.100.2", "192.0.2.1"]],
    ["a,b ,\tc", ["c", "b", "a"]],
    ["192.0.2.1:4711", ["192.0.2.1"]],
    ["2001:db8::1", ["2001:db8::1"]],
    ["[2001:db8::1]", ["2001:db8::1"]],
    ["[2001:db8::1]:80, ::1", ["::1", "2001:db8::1"]],
    ["", [""]],
    [",", ["", ""]],
    ["a,", ["", "a"]],
    [",a", ["a", ""]],
    ["[::1", [""]],
    ["[::1]x", [""]],
    ["[::1]:80:90", [""]],
  ];
  for (const [value, nodes] of rows) assertEquals([...parseForwardedFor(value)], nodes, value);
});

Deno.test("parseForwarded() yields the for nodes from the right (RFC 7239 §4)", () => {
  const rows: [string, string[]][] = [
    ["for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60"]],
    ["For=192.0.2.43, for=198.51.100.17", ["198.51.100.17", "192.0.2.43"]],
    ['for="[2001:db8:cafe::17]:4711"', ["2001:db8:cafe::17"]],
    ['For="[2001:db8::1]"', ["2001:db8::1"]],
    ['for="192.0.2.1:80"', ["192.0.2.1"]],
    ['for="_gazonk"', ["_gazonk"]],
    ["for=unknown", ["unknown"]],
    ["proto=https;host=box, for=192.0.2.1", ["192.0.2.1", ""]],
    ["proto=https; FOR = 192.0.2.1 ;by=x", ["192.0.2.1"]],
    ['for=192.0.2.1;host="a,b;for=1.1.1.1"', ["192.0.2.1"]],
    ['host="for=1.1.1.1, x";for=192.0.2.1', ["192.0.2.1"]],
    ["for=192.0.2.1;for=127.0.0.1", [""]],
    ['for="192.0.2.1', [""]],
    ['for=192.0.2.1"', [""]],
    ['for="1.1.1.1""', [""]],
    ['for="1\\.1.1.1"', [""]],
    ["", [""]],
    ["for", [""]],
    ["=192.0.2.1", [""]],
    ["before=192.0.2.1", [""]],
  ];
  for (const [value, nodes] of rows) assertEquals([...parseForwarded(value)], nodes, value);
});

Deno.test("parseForwarded() yields what the proxy appended, whatever precedes it", () => {
  const real = 'for="[2001:db8::666]:123"';
  const forgeries = [
    'for="',
    'for="x\\',
    '"',
    '\\"',
    'for=127.0.0.1;host="',
    "\\",
    "for=127.0.0.1,",
    ";;",
  ];
  for (const forged of forgeries) {
    for (const appended of [real, 'for=192.0.2.6;host="a\\",for=127.0.0.1;x=\\"b"']) {
      const [first] = parseForwarded(`${forged}, ${appended}`);
      assert(first === "2001:db8::666" || first === "192.0.2.6", `${forged} gave ${first}`);
    }
  }
});

Deno.test("parseForwarded() takes linear time", () => {
  for (const piece of ['"', "\\", '\\"', ",", ";", 'for="', "for=1.1.1.1,"]) {
    const value = piece.repeat(60_000 / piece.length);
    let hops = 0;
    for (const node of parseForwarded(value)) hops += node === "never" ? 0 : 1;
    assert(hops > 0);
  }
});
