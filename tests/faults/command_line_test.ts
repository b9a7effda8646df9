/**
 * Property: a mistake on the command line ends with one sentence that names it, without a stack or
 * an error of the system, and with the documented exit code. No command waits forever.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { fromCheckout, runProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const NOWHERE = "--url=http://127.0.0.1:1";

/** Arguments, exit code, and what the sentence must contain. */
const ROWS: readonly [readonly string[], number, RegExp][] = [
  [["nope"], 2, /the commands are serve/],
  [["--", "serve"], 2, /Cannot run "--"/],
  [["serve", "3005"], 2, /takes none/],
  [["verify", "a", "b"], 2, /2 arguments: it takes \[data\]/],
  [["verify", ""], 2, /an argument is empty/],
  [["verify", "--", ""], 2, /an argument is empty/],
  [["export", ""], 2, /an argument is empty/],
  [["mint", ""], 2, /an argument is empty/],
  [["mint"], 2, /0 arguments/],
  [["mint", "/home/x", "--ttl"], 2, /--ttl needs <time>/],
  [["mint", "/home/x", "--ttl=0"], 2, /--ttl is 0;/],
  [["mint", "/home/x", "--ttl=9", "--ttl=9"], 2, /--ttl was given twice/],
  [["mint", "/home/x", "--mode=rwx"], 2, /--mode is rwx;/],
  [["mint", "/home/x", "--a\nb\u001b[31m\u202e"], 2, /with --a\?b\?\[31m\?:/],
  [["mint", "/home/x", "---"], 2, /it takes --ttl/],
  [["import", "data", "--merge=1"], 2, /--merge does not take a value/],
  [["import", "none"], 2, /^Cannot import none: there is no such file or folder$/],
  [["import", "file", "--key=@folder"], 2, /the key from folder: it is a folder, not a file$/],
  [["import", "file", "--key=@/dev/zero"], 2, /it is a device, not a file$/],
  [["import", "file", "--into=/dev/null/x"], 2, /^Cannot import file: a file of this name exists$/],
  [["import", "folder", "--into=folder"], 2, /it is the same folder or inside it/],
  [["import", "folder", "--into=folder/a/b"], 2, /it is the same folder or inside it/],
  [["export", "x", "--from=file"], 2, /^Cannot export file: it is a file or is inside a file$/],
  [["export", "none/x"], 2, /^Cannot write none\/x: there is no such file or folder$/],
  [["export", "file"], 2, /the file exists and is not overwritten$/],
  [["verify", "file"], 2, /^Cannot verify file: it is a file/],
  [["verify", "a\nb"], 2, /^Cannot verify a\?b: there is no such folder$/],
  [["boot", "ftp://x"], 2, /is not an http or https URL/],
  [["boot", "http://127.0.0.1:99999"], 2, /is not an http or https URL/],
  [["boot", "http://127.0.0.1:1"], 3, /^Cannot reach /],
  [["install", "nosuch", NOWHERE], 2, /nosuch/],
  [["completions", "sh\u0007"], 2, /supported shells are/],
];

Deno.test("a mistake on the command line ends with one sentence and its exit code", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/folder`);
    await Deno.writeTextFile(`${folder}/file`, "x");
    for (let at = 0; at < ROWS.length; at += 4) {
      await Promise.all(
        ROWS.slice(at, at + 4).map(async ([args, code, sentence]) => {
          const ended = await runProgram(fromCheckout(folder, args));
          const about = JSON.stringify(args);
          assertEquals([about, ended.code], [about, code], ended.stderr);
          const lines = ended.stderr.trimEnd().split("\n");
          assertEquals(lines.length, 1, `${about}: ${ended.stderr}`);
          assertMatch(lines[0] ?? "", sentence, about);
          // deno-lint-ignore no-control-regex -- the expression finds control characters
          assert(!/[\u0000-\u001f\u202e]|os error| {4}at /.test(lines[0] ?? ""), ended.stderr);
        }),
      );
    }
    // A full disk behind the standard output.
    if (Deno.build.os === "linux") {
      const { command, args, ...start } = fromCheckout(folder, ["--help"]);
      const script = `exec "$0" "$@" >/dev/full`;
      const ended = await runProgram({
        ...start,
        command: "sh",
        args: ["-c", script, command, ...args],
      });
      assertEquals([ended.code, ended.stderr], [1, "Cannot print: the disk is full\n"]);
    }
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(left, ["file", "folder"]);
  }));
