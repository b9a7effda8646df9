import { deepStrictEqual as equal, match, ok, throws } from "node:assert/strict";
import { UsageError } from "../../lib/cli/parse_args.ts";
import { COMMANDS, formatCommandHelp, formatHelp, parseCommandLine } from "../../lib/cli/main.ts";
import { VERSION } from "../../lib/version.ts";

Deno.test("parseCommandLine() serves when no command is given", () => {
  equal(parseCommandLine([]), { command: "serve", words: [], options: {} });
});

Deno.test("parseCommandLine() hands a command its arguments", () => {
  equal(parseCommandLine(["boot", "http://x:1"]), {
    command: "boot",
    words: ["http://x:1"],
    options: {},
  });
  equal(parseCommandLine(["mint", "/home/x", "--ttl", "5m"]), {
    command: "mint",
    words: ["/home/x"],
    options: { ttl: "5m" },
  });
});

Deno.test("parseCommandLine() shows help and version instead of doing anything", () => {
  equal(parseCommandLine(["--version"]), { show: `elastik ${VERSION}` });
  for (const args of [["--help"], ["-h"], ["nope", "-h"], ["cell", "--help"]]) {
    equal(parseCommandLine(args), { show: formatHelp() });
  }
  equal(parseCommandLine(["mint", "--help"]), { show: formatCommandHelp("mint") });
  equal(parseCommandLine(["verify", "--", "--help"]), {
    command: "verify",
    words: ["--help"],
    options: {},
  });
});

Deno.test("parseCommandLine() refuses what is no command, and names those there are", () => {
  for (const word of ["nope", "", "--port", "toString", "__proto__"]) {
    throws(
      () => parseCommandLine([word]),
      (error) => error instanceof UsageError && /the commands are serve, /.test(error.message),
    );
  }
});

Deno.test("parseCommandLine() refuses arguments that a command does not take", () => {
  throws(
    () => parseCommandLine(["serve", "8080"]),
    /Cannot run serve with 1 argument: it takes none/,
  );
  throws(() => parseCommandLine(["serve", "--port"]), /Cannot run serve with --port/);
  throws(() => parseCommandLine(["boot", "a", "b"]), /it takes \[url\]/);
});

Deno.test("formatHelp() is one screen that names every command that is not hidden", () => {
  const text = formatHelp();
  const lines = text.split("\n");
  ok(lines.length <= 24, `${lines.length} lines`);
  for (const line of lines) ok(line.length <= 80, line);
  for (const [name, { hidden }] of Object.entries(COMMANDS)) {
    equal(new RegExp(`^  ${name}\\b`, "m").test(text), hidden !== true, name);
  }
  match(text, new RegExp(`^elastik ${VERSION.replaceAll(".", "\\.")}:`));
});

Deno.test("formatCommandHelp() names every option of a command, in one screen", () => {
  for (const [name, { options = {}, usage: takes }] of Object.entries(COMMANDS)) {
    const lines = formatCommandHelp(name).split("\n");
    ok(lines.length <= 24, name);
    for (const line of lines) ok(line.length <= 90, line);
    ok(lines[0]?.startsWith(`usage: elastik ${name} ${takes}`.trimEnd()), lines[0]);
    for (const option of Object.keys(options)) {
      ok(lines.some((line) => line.startsWith(`  --${option}`)), option);
    }
  }
});

Deno.test("COMMANDS load modules that run", async () => {
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    equal(typeof (await load()).run, "function", name);
  }
});
