import { assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import { readTarget } from "../../../plugins/db/target.ts";

function read(target: string) {
  return readTarget(new URL(`http://server/dev/db${target}`));
}

Deno.test("readTarget() accepts the short or full name of a world, by query or by path", () => {
  for (const target of ["?world=home/a", "?world=a", "?world=/home/a", "/home/a"]) {
    const { world, file, content } = read(target);
    assertEquals([world, file, content], ["home/a", undefined, false], target);
  }
  assertEquals(read("?world=usr/share/x").world, "usr/share/x");
  assertEquals(read("/home/a%20b/%C3%BC%25").world, "home/a b/ü%");
  assertEquals(read("?world=u%CC%88").world, "home/ü");
  assertEquals(read("?world=x&content").content, true);
});

Deno.test("readTarget() accepts a file by query or by path", () => {
  assertEquals(read("?file=data/a.db").file, "data/a.db");
  assertEquals(read("/mnt/data/a%20b.db").file, "data/a b.db");
});

Deno.test("readTarget() binds texts and numbers by name or by position", () => {
  assertEquals(read("?world=x&p.a=7&n.b=7&n.c=1.5e-3&n.d=-9223372036854775808").params, {
    a: "7",
    b: 7n,
    c: 0.0015,
    d: -9223372036854775808n,
  });
  assertEquals(read("?world=x&n.2=2&p.1=a").params, ["a", 2n]);
  assertEquals(read("?world=x&p.a%0Ab=1").params, { "a\nb": "1" });
});

const FAULTS: readonly (readonly [target: string, words: RegExp])[] = [
  ["", /name one target/],
  ["?world=x&world=y", /name one target/],
  ["/home/x?file=data/a.db", /name one target/],
  ["?world=", /is not the name of a world: it contains an empty segment/],
  ["?world=../etc/shadow", /is not the name of a world/],
  ["?world=home//x", /is not the name of a world/],
  ["?world=a%00b", /is not the name of a world: it contains a control character/],
  ["?world=x&limit=3", /\?limit is unknown/],
  ["?file=data/a.db&content", /\?content is for worlds/],
  ["?world=x&n.a=abc", /\?n\.a= is "abc", which is not a number of SQLite/],
  ["?world=x&n.a=9223372036854775808", /which is not a number/],
  ["?world=x&p.a=1&n.a=1", /the parameter a is given twice/],
  ["?world=x&p.a=x%00y", /the parameter a contains a NUL character/],
  ["?world=x&p.2=1", /without gaps and names/],
  ["?world=x&p.1=1&p.a=1", /without gaps and names/],
];

for (const [target, words] of FAULTS) {
  Deno.test(`readTarget() refuses ${JSON.stringify(target)}`, () => {
    assertThrows(() => read(target), (error: Error) => {
      assertMatch(error.message, words);
      return Reflect.get(error, "status") === 400;
    });
  });
}
