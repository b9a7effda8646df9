import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";
import { MAX_REVOKED_LINES } from "../../lib/limits.ts";
import {
  isCapabilityId,
  isCapabilityName,
  mintTimeOf,
  parseRevokedList,
  type RevokedList,
  revokedListFault,
} from "../../lib/world/revoked_list.ts";

const ID = "1764293412345-9f3ac04be1d27a55";
const encode = (text: string) => new TextEncoder().encode(text);

function parse(text: string): RevokedList {
  const parsed = parseRevokedList(encode(text));
  assert(!("fault" in parsed), JSON.stringify(parsed));
  return parsed;
}

Deno.test("parseRevokedList() reads ids, names and prefixes", () => {
  const list = parse(
    `# who left\n\n${ID}\nname:kestrel\n  prefix:/home/team before:2026-11-28T10:00:00Z  \n`,
  );
  assertEquals([...list.ids], [ID]);
  assertEquals([...list.names], ["kestrel"]);
  assertEquals([...list.prefixes], [["/home/team", Date.parse("2026-11-28T10:00:00Z")]]);
});

Deno.test("parseRevokedList() refuses a prefix that is longer than any URL", () => {
  assertLinear((length) => {
    const line = `prefix:/home/a${"\u0301\u0323".repeat(length)} before:2026-11-28T10:00:00Z`;
    assert("fault" in parseRevokedList(encode(line)));
  }, 200_000);
});

Deno.test("parseRevokedList() keeps the latest time of a prefix", () => {
  const times = ["2026-11-28T10:00:00Z", "2026-11-28T12:00:00+01:00", "2026-11-27T10:00:00Z"];
  const list = parse(times.map((time) => `prefix:/home before:${time}`).join("\n"));
  assertEquals([...list.prefixes], [["/home", Date.parse("2026-11-28T11:00:00Z")]]);
});

Deno.test("parseRevokedList() compares prefixes in their canonical spelling", () => {
  const paths = ["/", "/home/", "/home/a b", "/home/cafe\u0301", "/mnt/docs", "/home/100%"];
  const list = parse(paths.map((path) => `prefix:${path} before:2026-11-28T10:00:00Z`).join("\n"));
  assertEquals([...list.prefixes.keys()], [
    "/",
    "/home",
    "/home/a b",
    "/home/café",
    "/mnt/docs",
    "/home/100%",
  ]);
});

Deno.test("parseRevokedList() reads what editors write: a byte order mark, UTF-16, CRLF, CR", () => {
  const bytes = (text: string, bigEndian: boolean) =>
    Uint8Array.from([...`\ufeff${text}`].flatMap((char) => {
      const code = char.charCodeAt(0);
      return bigEndian ? [code >> 8, code & 0xff] : [code & 0xff, code >> 8];
    }));
  const text = `name:a\r\n# comment\rname:b\n`;
  for (const body of [encode(`\ufeff${text}`), bytes(text, true), bytes(text, false)]) {
    const parsed = parseRevokedList(body);
    assertEquals("names" in parsed && [...parsed.names], ["a", "b"]);
  }
});

Deno.test("parseRevokedList() refuses the whole list for one malformed line, without quoting it", () => {
  const time = "2026-11-28T10:00:00Z";
  const lines = [
    "kestrel",
    "name:",
    "name: kestrel",
    "name:a/b",
    "name:.",
    "names:kestrel",
    "NAME:kestrel",
    "name:kestrel # left",
    "id:1764293412345-9f3ac04be1d27a55",
    ID.slice(0, -1),
    `${ID}0`,
    ID.toUpperCase(),
    "prefix:/home",
    `prefix:/home${time}`,
    `prefix:home before:${time}`,
    `prefix: /home before:${time}`,
    `prefix:/home before: ${time}`,
    `prefix:/home//x before:${time}`,
    `prefix:/home/.. before:${time}`,
    `prefix:/home/./x before:${time}`,
    `prefix:// before:${time}`,
    `prefix:/home\\x before:${time}`,
    `prefix:/home|x before:${time}`,
    `prefix:/home before:${time} x`,
    `prefix:/home before:${time} before:${time}`,
    `prefix:/home/t%65am before:${time}`,
    `prefix:/home/caf%C3%A9 before:${time}`,
    "prefix:/home before:yesterday",
    "prefix:/home before:2026-02-30T10:00:00Z",
    "prefix:/home before:2026-11-28T10:00:00",
    "prefix:/home before:2026-11-28",
    `prefix:/home after:${time}`,
    "L2hvbWV8MTc5NTgzMzUwNHxydw.1qehM2XBqyqG6OYH0SiCL1_QEOB6owu0xkHfA0__g5c",
  ];
  for (const line of lines) {
    const fault = revokedListFault(encode(`name:a\n${line}\nname:b\n`));
    assertEquals(
      fault,
      "line 2 is neither the id of a capability, nor name:<name>, nor prefix:<path> before:<time of RFC 3339>, with the path not percent-encoded",
      line,
    );
  }
  for (const body of [Uint8Array.of(0xff), encode("name:a\0")]) {
    assertMatch(revokedListFault(body) ?? "", /not text in UTF-8/);
  }
  assertEquals(revokedListFault(encode("")), undefined);
});

Deno.test("parseRevokedList() reads at most 10,000 lines", () => {
  assertEquals(MAX_REVOKED_LINES, 10_000);
  const lines = Array.from({ length: MAX_REVOKED_LINES }, (_, at) => `name:n${at}`);
  assertEquals(parse(lines.join("\n")).names.size, MAX_REVOKED_LINES);
  assertMatch(
    revokedListFault(encode([...lines, "name:x"].join("\n"))) ?? "",
    /it has 10001 lines; at most 10000 are allowed/,
  );
});

Deno.test("isCapabilityId() accepts the form of an id, and mintTimeOf() reads its time", () => {
  assertEquals(isCapabilityId(ID), true);
  assertEquals(mintTimeOf(ID), 1764293412345);
  for (const text of ["", "1-9f3ac04be1d27a5", `0${ID}`, `-${ID}`, ` ${ID}`, `${ID}\n`]) {
    assertEquals(isCapabilityId(text), false, text);
  }
});

Deno.test("isCapabilityName() accepts 1 to 64 letters, digits, dots, underscores and hyphens", () => {
  const valid = ["a", "Z9", "a.b_c-d", "...", "x".repeat(64)];
  assertEquals(valid.filter((name) => !isCapabilityName(name)), []);
  const invalid = ["", ".", "..", "a b", "a/b", "a#b", "~a", "ä", "a\n", "x".repeat(65)];
  assertEquals(invalid.filter(isCapabilityName), []);
});
