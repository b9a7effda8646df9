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

Deno.test("parseArgs() names the actions, and the argument that was given as an option", () => {
  const spec = {
    usage: "<action> [url|file…]",
    minArguments: 1,
    maxArguments: 2,
    actions: ["a", "b"],
  };
  for (
    const [args, message] of [
      [[], "with 0 arguments: it takes <action> [url|file…]; the actions are a, b"],
      [["a", "--url", "x"], "with --url: it is an argument, elastik try <action> [url|file…]"],
      [["a", "--file=x"], "with --file: it is an argument, elastik try <action> [url|file…]"],
      [["a", "--ur"], "with --ur: it takes no options"],
      [["a", "-u"], "with -u: it takes no options"],
    ] as const
  ) {
    assertThrows(
      () => parseArgs("try", args, spec),
      (error) => error instanceof UsageError && error.message === `Cannot run try ${message}`,
    );
  }
});

Deno.test("getTextOption() returns a value, and undefined for a flag", () => {
  const { options } = read("a", "--flag", "--name", "x");
  assertEquals(["name", "flag", "other"].map((name) => getTextOption(options, name)), [
    "x",
    undefined,
    undefined,
  ]);
});
