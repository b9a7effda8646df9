import { assertEquals, assertMatch } from "../../support/assert.ts";
import { readTargets } from "../../../plugins/fanout/targets.ts";

Deno.test("readTargets() accepts short and full names, and returns each world once", () => {
  const text = "\ufeff# targets\r\n\r\nhome/a\n/home/b\n  c  \nhome/c\n/home/deep/d e\n#home/not\n";
  assertEquals(readTargets(text), [
    { line: 3, path: "/home/a" },
    { line: 4, path: "/home/b" },
    { line: 5, path: "/home/c" },
    { line: 7, path: "/home/deep/d e" },
  ]);
});

Deno.test("readTargets() converts names to NFC", () => {
  assertEquals(readTargets("u\u0308\n\u00fc"), [{ line: 1, path: "/home/\u00fc" }]);
});

const FAULTS: readonly (readonly [entry: string, fault: RegExp])[] = [
  ["/dev/fanout", /^only worlds can be targets, below \/home, /],
  ["dev/fanout", /^only worlds can be targets/],
  ["/", /^only worlds can be targets/],
  ["/nowhere/x", /^only worlds can be targets/],
  ["etc/fanout.conf", /^a target cannot be the list of targets$/],
  ["/lib/fanout/state", /^what is below a plugin is not a world$/],
  ["/home", /^it is not the name of a world: a namespace is not a world$/],
  ["home/", /^it is not the name of a world: it contains an empty segment/],
  ["home/../etc/passwd", /^it is not the name of a world: it contains an empty segment/],
  ["a:b", /^it is not the name of a world: it contains a control character or one of/],
];

for (const [entry, fault] of FAULTS) {
  Deno.test(`readTargets() reports ${entry}`, () => {
    const [target, ...rest] = readTargets(entry);
    assertMatch(target?.fault ?? "", fault);
    assertEquals(rest, []);
  });
}

Deno.test("readTargets() accepts 256 targets and reports only the next line", () => {
  const names = Array.from({ length: 300 }, (_, i) => `many/${i}`);
  const targets = readTargets(names.join("\n"));
  assertEquals(targets.length, 257);
  assertEquals(targets[255]?.fault, undefined);
  assertEquals(targets[256]?.fault, "there are more than 256 targets");
});
