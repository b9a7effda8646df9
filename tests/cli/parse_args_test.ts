import { assertEquals, assertThrows } from "../support/assert.ts";
import {
  type ArgumentSpec,
  getTextOption,
  parseArgs,
  UsageError,
} from "../../lib/cli/parse_args.ts";

const SHAPE: ArgumentSpec = {
  usage: "<a> [b]",
  minArguments: 1,
  maxArguments: 2,
  options: { flag: { summary: "" }, name: { value: "<text>", summary: "" } },
};
const read = (...args: string[]) => parseArgs("try", args, SHAPE);

Deno.test("parseArgs() separates operands and options in any order", () => {
  assertEquals(read("a"), { words: ["a"], options: {} });
  assertEquals(read("--flag", "a", "--name", "x", "b"), {
    words: ["a", "b"],
    options: { flag: true, name: "x" },
  });
  assertEquals(read("a", "--name=x=y"), { words: ["a"], options: { name: "x=y" } });
  assertEquals(read("--name", "--flag", "a"), { words: ["a"], options: { name: "--flag" } });
});

Deno.test("parseArgs() treats - as an operand, and everything after --", () => {
  assertEquals(read("-"), { words: ["-"], options: {} });
  assertEquals(read("--", "--flag", "-x"), { words: ["--flag", "-x"], options: {} });
});

Deno.test("parseArgs() throws for invalid arguments and states what is valid", () => {
  const rows: readonly [string[], RegExp][] = [
    [[], /^Cannot run try with 0 arguments: it takes <a> \[b\]$/],
    [["a", "b", "c"], /with 3 arguments/],
    [["a", "--nope"], /with --nope: it takes --flag, --name$/],
    [["a", "-f"], /with -f: it takes --flag/],
    [["a", "--toString"], /with --toString/],
    [["a", "--flag=1"], /--flag does not take a value/],
    [["a", "--flag", "--flag"], /--flag was given twice/],
    [["a", "--name"], /--name needs <text>/],
    [["a", "--name="], /--name needs <text>/],
  ];
  for (const [args, says] of rows) {
    assertThrows(
      () => read(...args),
      (error) => error instanceof UsageError && says.test(error.message),
    );
  }
  assertThrows(
    () => parseArgs("bare", ["--x"], { usage: "", maxArguments: 0 }),
    /it takes no options/,
  );
});

Deno.test("getTextOption() returns a value, and undefined for a flag", () => {
  const { options } = read("a", "--flag", "--name", "x");
  assertEquals(["name", "flag", "other"].map((name) => getTextOption(options, name)), [
    "x",
    undefined,
    undefined,
  ]);
});
