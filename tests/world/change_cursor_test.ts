import { assertEquals, assertMatch } from "../support/assert.ts";
import { CursorCodec } from "../../lib/world/change_cursor.ts";

const POSITIONS = [
  { seq: 0, run: "00000000" },
  { seq: 1, run: "0af3b9c1" },
  { seq: Number.MAX_SAFE_INTEGER, run: "ffffffff" },
];

Deno.test("CursorCodec.parse() reads what format() writes, also for another codec of the same key", () => {
  const [codec, other] = [new CursorCodec("k"), new CursorCodec("k")];
  for (const position of [...POSITIONS, ...POSITIONS]) {
    const cursor = codec.format(position);
    assertMatch(cursor, /^[A-Za-z0-9_-]{22}$/);
    assertEquals([codec.parse(cursor), other.parse(cursor)], [position, position]);
  }
});

Deno.test("CursorCodec.format() hides how far two positions are apart", () => {
  const codec = new CursorCodec("k");
  const [a, b] = [
    codec.format({ seq: 1, run: "0af3b9c1" }),
    codec.format({ seq: 2, run: "0af3b9c1" }),
  ];
  let same = 0;
  for (let at = 0; at < a.length; at++) same += a[at] === b[at] ? 1 : 0;
  assertEquals(same < 8, true, `${a} ${b}`);
});

Deno.test("CursorCodec.parse() returns undefined for texts of other servers and altered texts", () => {
  const codec = new CursorCodec("k");
  const cursor = codec.format({ seq: 7, run: "0af3b9c1" });
  assertEquals(new CursorCodec("l").parse(cursor), undefined);
  for (let at = 0; at < cursor.length; at++) {
    for (const char of ["A", "B", "_"]) {
      const altered = cursor.slice(0, at) + char + cursor.slice(at + 1);
      if (altered !== cursor) assertEquals(codec.parse(altered), undefined, altered);
    }
  }
  for (
    const text of [
      "",
      "7-0af3b9c1",
      "now",
      cursor + "A",
      cursor.slice(1),
      ` ${cursor}`,
      `${cursor}=`,
    ]
  ) {
    assertEquals(codec.parse(text), undefined, text);
  }
});

Deno.test("CursorCodec parses cursors of retired keys, and formats with the current one", () => {
  const position = { seq: 42, run: "0badcafe" };
  const old = new CursorCodec("a").format(position);
  const codec = new CursorCodec("c", ["a", "b"]);
  assertEquals(codec.parse(old), position);
  assertEquals(codec.parse(new CursorCodec("b").format(position)), position);
  assertEquals(codec.format(position), new CursorCodec("c").format(position));
  assertEquals(codec.parse(codec.format(position)), position);
  assertEquals(new CursorCodec("c", ["b"]).parse(old), undefined);
  assertEquals(new CursorCodec("a").parse(codec.format(position)), undefined);
});
