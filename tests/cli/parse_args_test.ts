import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { readArguments, type Shape, textOption, UsageError } from "../../lib/cli/parse_args.ts";

const SHAPE: Shape = {
  takes: "<a> [b]",
  least: 1,
  most: 2,
  options: { flag: { about: "" }, name: { value: "<text>", about: "" } },
};
const read = (...args: string[]) => readArguments("try", args, SHAPE);

Deno.test("readArguments() tells words from options, wherever they stand", () => {
  equal(read("a"), { words: ["a"], options: {} });
  equal(read("--flag", "a", "--name", "x", "b"), {
    words: ["a", "b"],
    options: { flag: true, name: "x" },
  });
  equal(read("a", "--name=x=y"), { words: ["a"], options: { name: "x=y" } });
  equal(read("--name", "--flag", "a"), { words: ["a"], options: { name: "--flag" } });
});

Deno.test("readArguments() takes a lone dash for a word, and everything after two", () => {
  equal(read("-"), { words: ["-"], options: {} });
  equal(read("--", "--flag", "-x"), { words: ["--flag", "-x"], options: {} });
});

Deno.test("readArguments() refuses what it cannot understand, and says what there is", () => {
  const rows: readonly [string[], RegExp][] = [
    [[], /^Cannot run try with 0 arguments: it takes <a> \[b\]$/],
    [["a", "b", "c"], /with 3 arguments/],
    [["a", "--nope"], /with --nope: it takes --flag, --name$/],
    [["a", "-f"], /with -f: it takes --flag/],
    [["a", "--toString"], /with --toString/],
    [["a", "--flag=1"], /--flag takes no value/],
    [["a", "--flag", "--flag"], /--flag stands twice/],
    [["a", "--name"], /--name takes <text>, which is missing/],
    [["a", "--name="], /--name takes <text>, which is missing/],
  ];
  for (const [args, says] of rows) {
    throws(() => read(...args), (error) => error instanceof UsageError && says.test(error.message));
  }
  throws(
    () => readArguments("bare", ["--x"], { takes: "", most: 0 }),
    /it takes no options/,
  );
});

Deno.test("textOption() gives a value, and nothing for an option that stands alone", () => {
  const { options } = read("a", "--flag", "--name", "x");
  equal(["name", "flag", "other"].map((name) => textOption(options, name)), [
    "x",
    undefined,
    undefined,
  ]);
});
