import { deepStrictEqual as equal, match, ok, throws } from "node:assert/strict";
import { UsageError } from "../../lib/cli/parse_args.ts";
import { commandHelp, COMMANDS, helpText, readCommandLine } from "../../lib/cli/main.ts";
import { VERSION } from "../../lib/version.ts";

Deno.test("readCommandLine() serves when no command is given", () => {
  equal(readCommandLine([]), { command: "serve", words: [], options: {} });
});

Deno.test("readCommandLine() hands a command its arguments", () => {
  equal(readCommandLine(["boot", "http://x:1"]), {
    command: "boot",
    words: ["http://x:1"],
    options: {},
  });
  equal(readCommandLine(["mint", "/home/x", "--ttl", "5m"]), {
    command: "mint",
    words: ["/home/x"],
    options: { ttl: "5m" },
  });
});

Deno.test("readCommandLine() shows help and version instead of doing anything", () => {
  equal(readCommandLine(["--version"]), { show: `elastik ${VERSION}` });
  for (const args of [["--help"], ["-h"], ["nope", "-h"], ["cell", "--help"]]) {
    equal(readCommandLine(args), { show: helpText() });
  }
  equal(readCommandLine(["mint", "--help"]), { show: commandHelp("mint") });
  equal(readCommandLine(["verify", "--", "--help"]), {
    command: "verify",
    words: ["--help"],
    options: {},
  });
});

Deno.test("readCommandLine() refuses what is no command, and names those there are", () => {
  for (const word of ["nope", "", "--port", "toString", "__proto__"]) {
    throws(
      () => readCommandLine([word]),
      (error) => error instanceof UsageError && /there are serve, /.test(error.message),
    );
  }
});

Deno.test("readCommandLine() refuses arguments that a command does not take", () => {
  throws(
    () => readCommandLine(["serve", "8080"]),
    /Cannot run serve with 1 argument: it takes none/,
  );
  throws(() => readCommandLine(["serve", "--port"]), /Cannot run serve with --port/);
  throws(() => readCommandLine(["boot", "a", "b"]), /it takes \[url\]/);
});

Deno.test("helpText() is one screen that names every command that is not hidden", () => {
  const text = helpText();
  const lines = text.split("\n");
  ok(lines.length <= 24, `${lines.length} lines`);
  for (const line of lines) ok(line.length <= 80, line);
  for (const [name, { hidden }] of Object.entries(COMMANDS)) {
    equal(new RegExp(`^  ${name}\\b`, "m").test(text), hidden !== true, name);
  }
  match(text, new RegExp(`^elastik ${VERSION.replaceAll(".", "\\.")}:`));
});

Deno.test("commandHelp() names every option of a command, in one screen", () => {
  for (const [name, { options = {}, takes }] of Object.entries(COMMANDS)) {
    const lines = commandHelp(name).split("\n");
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
