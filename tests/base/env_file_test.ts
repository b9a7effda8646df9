import { assertEquals } from "../support/assert.ts";
import { parseEnvFile } from "../../lib/base/env_file.ts";

function values(text: string): Record<string, string> | string {
  const found = parseEnvFile(text);
  if ("reason" in found) return `line ${found.line}: ${found.reason}`;
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
}

Deno.test("parseEnvFile() reads assignments, export, quotes and comments", () => {
  assertEquals(
    values(
      '# a comment\n\nA=1\r\n  export  B = two words \nC="x # y" # note\nD=\'\\n\'\nE=`q"`\nF=a # b\nG="1\\n2"',
    ),
    { A: "1", B: "two words", C: "x # y", D: "\\n", E: 'q"', F: "a", G: "1\n2" },
  );
  assertEquals(values("A=\nB= # none\nC=''\n"), { A: "", B: "", C: "" });
  assertEquals(values('KEY="-----BEGIN\nEND-----"\nB=1'), { KEY: "-----BEGIN\nEND-----", B: "1" });
  assertEquals(values("A=1\rB=2"), { A: "1", B: "2" });
  assertEquals(values(""), {});
});

Deno.test("parseEnvFile() reports the first line that is not an assignment", () => {
  const rows: [string, string][] = [
    ["A=1\nB: 2", "line 2: it is not NAME=value"],
    ["A", "line 1: it is not NAME=value"],
    ["=1", "line 1: it is not NAME=value"],
    ["A B=1", "line 1: it is not NAME=value"],
    ["\u200bA=1", "line 1: it is not NAME=value"],
    ["\u0410=1", "line 1: it is not NAME=value"],
    ["A=1\n\n'B'=1", "line 3: it is not NAME=value"],
    ['A="1\nB=2', 'line 1: the quote " is not closed'],
    ['A="1\n2"\nB', "line 3: it is not NAME=value"],
  ];
  for (const [text, fault] of rows) assertEquals(values(text), fault, JSON.stringify(text));
});

Deno.test("parseEnvFile() marks values that can be read in two ways", () => {
  const doubts = (text: string) => {
    const found = parseEnvFile(text);
    return "reason" in found ? [] : found.map(({ doubt }) => doubt !== undefined);
  };
  assertEquals(doubts('A=#x\nB=a#b\nC="a"b\nD="a#b"\nE=a #b\nF= #b\nG=a\t#b'), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
