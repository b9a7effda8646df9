import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { UsageError } from "../../lib/cli/parse_args.ts";
import { COMMANDS, formatCommandHelp, formatHelp, parseCommandLine } from "../../lib/cli/main.ts";
import { VERSION } from "../../lib/version.ts";

Deno.test("parseCommandLine() returns serve without arguments", () => {
  assertEquals(parseCommandLine([]), { command: "serve", words: [], options: {} });
});

Deno.test("parseCommandLine() returns the operands and options of a command", () => {
  assertEquals(parseCommandLine(["boot", "http://x:1"]), {
    command: "boot",
    words: ["http://x:1"],
    options: {},
  });
  assertEquals(parseCommandLine(["mint", "/home/x", "--ttl", "5m"]), {
    command: "mint",
    words: ["/home/x"],
    options: { ttl: "5m" },
  });
});

Deno.test("parseCommandLine() returns the text of --help and --version instead of a command", () => {
  assertEquals(parseCommandLine(["--version"]), { show: `elastik ${VERSION}` });
  for (const args of [["--help"], ["-h"], ["nope", "-h"], ["cell", "--help"]]) {
    assertEquals(parseCommandLine(args), { show: formatHelp() });
  }
  assertEquals(parseCommandLine(["mint", "--help"]), { show: formatCommandHelp("mint") });
  assertEquals(parseCommandLine(["verify", "--", "--help"]), {
    command: "verify",
    words: ["--help"],
    options: {},
  });
});

Deno.test("parseCommandLine() throws for an unknown command and names the commands", () => {
  for (const word of ["nope", "", "--port", "toString", "__proto__"]) {
    assertThrows(
      () => parseCommandLine([word]),
      (error) => error instanceof UsageError && /the commands are serve, /.test(error.message),
    );
  }
});

Deno.test("parseCommandLine() throws for arguments that a command does not accept", () => {
  assertThrows(
    () => parseCommandLine(["serve", "8080"]),
    /Cannot run serve with 1 argument: it takes none/,
  );
  assertThrows(() => parseCommandLine(["serve", "--port"]), /Cannot run serve with --port/);
  assertThrows(() => parseCommandLine(["boot", "a", "b"]), /it takes \[url\]/);
});

Deno.test("formatHelp() fits one screen and contains every command that is not hidden", () => {
  const text = formatHelp();
  const lines = text.split("\n");
  assert(lines.length <= 24, `${lines.length} lines`);
  for (const line of lines) assert(line.length <= 80, line);
  assertEquals(
    new Set(lines.map((line) => /^ {2}\S.*? {2,}(?=\S)/.exec(line)?.[0].length)).size,
    2,
  );
  for (const [name, { hidden }] of Object.entries(COMMANDS)) {
    assertEquals(new RegExp(`^  ${name}\\b`, "m").test(text), hidden !== true, name);
  }
  assertMatch(text, new RegExp(`^elastik ${VERSION.replaceAll(".", "\\.")}:`));
});

Deno.test("formatCommandHelp() fits one screen and contains every option of the command", () => {
  for (const [name, { options = {}, usage: takes }] of Object.entries(COMMANDS)) {
    const lines = formatCommandHelp(name).split("\n");
    assert(lines.length <= 24, name);
    for (const line of lines) assert(line.length <= 90, line);
    assert(lines[0]?.startsWith(`usage: elastik ${name} ${takes}`.trimEnd()), lines[0]);
    for (const option of Object.keys(options)) {
      assert(lines.some((line) => line.startsWith(`  --${option}`)), option);
    }
  }
});

Deno.test("COMMANDS load modules with a run function", async () => {
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    assertEquals(typeof (await load()).run, "function", name);
  }
});
