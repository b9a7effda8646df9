import { deepStrictEqual as equal, match, ok, throws } from "node:assert/strict";
import { COMMANDS, helpText, readCommandLine, UsageError } from "../lib/cli.ts";
import { VERSION } from "../lib/version.ts";

Deno.test("readCommandLine() serves when no command is given", () => {
  equal(readCommandLine([]), { command: "serve", args: [] });
});

Deno.test("readCommandLine() hands a command its arguments", () => {
  equal(readCommandLine(["boot", "http://x:1"]), { command: "boot", args: ["http://x:1"] });
  equal(readCommandLine(["verify"]), { command: "verify", args: [] });
});

Deno.test("readCommandLine() shows help and version instead of doing anything", () => {
  equal(readCommandLine(["--version"]), { show: `elastik ${VERSION}` });
  for (const args of [["--help"], ["-h"], ["serve", "--help"], ["nope", "-h"]]) {
    equal(readCommandLine(args), { show: helpText() });
  }
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
  throws(() => readCommandLine(["serve", "8080"]), /Cannot run serve with 1 arguments/);
  throws(() => readCommandLine(["boot", "a", "b"]), /it takes \[url\]/);
});

Deno.test("helpText() is one screen that names every command that is not hidden", () => {
  const text = helpText();
  const lines = text.split("\n");
  ok(lines.length <= 24, `${lines.length} lines`);
  for (const line of lines) ok(line.length <= 90, line);
  for (const [name, { hidden }] of Object.entries(COMMANDS)) {
    equal(new RegExp(`^  ${name}\\b`, "m").test(text), hidden !== true, name);
  }
  match(text, new RegExp(`^elastik ${VERSION.replaceAll(".", "\\.")}:`));
});

Deno.test("COMMANDS load modules that run", async () => {
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    equal(typeof (await load()).run, "function", name);
  }
});
