import { assertEquals, assertMatch } from "../../support/assert.ts";
import { fromCheckout, onPath, runProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const without = (shell: string) => onPath(shell) ? "" : ` (skipped: no ${shell} here)`;

/** The completions of bash for a line with the cursor at its end. */
async function offered(folder: string, words: readonly string[]): Promise<string[]> {
  const { stdout: script } = await runProgram(fromCheckout(folder, ["completions", "bash"]));
  await Deno.writeTextFile(`${folder}/script`, script);
  const ask = [
    "source ./script",
    `COMP_WORDS=(elastik ${words.map((word) => `'${word}'`).join(" ")})`,
    `COMP_CWORD=${words.length}`,
    "_elastik",
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join("\n");
  const { code, stdout, stderr } = await runProgram({
    command: "bash",
    args: ["-uc", ask],
    cwd: folder,
  });
  assertEquals(code, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

Deno.test({
  name: `completions bash completes commands, options, plugins and files${without("bash")}`,
  ignore: !onPath("bash"),
  fn: () =>
    withTempFolder(async (folder) => {
      assertEquals(await offered(folder, ["ver"]), ["verify"]);
      assertEquals(await offered(folder, ["mint", "--t"]), ["--ttl"]);
      assertEquals(await offered(folder, ["install", "exa"]), ["example"]);
      assertEquals(await offered(folder, ["verify", "scr"]), ["script"]);
      assertEquals(await offered(folder, ["key", "ro"]), ["rotate"]);
      assertEquals(await offered(folder, ["key", "--d"]), ["--data"]);
      assertEquals(await offered(folder, ["store", "re"]), ["rekey"]);
      assertEquals(await offered(folder, ["nope", ""]), []);
    }),
});

Deno.test({
  name: `completions zsh prints a script that zsh accepts${without("zsh")}`,
  ignore: !onPath("zsh"),
  fn: () =>
    withTempFolder(async (folder) => {
      const { stdout: script } = await runProgram(fromCheckout(folder, ["completions", "zsh"]));
      await Deno.writeTextFile(`${folder}/script`, script);
      const { code, stdout, stderr } = await runProgram({
        command: "zsh",
        args: ["-fc", "autoload -U compinit; compinit -D; . ./script; print $_comps[elastik]"],
        cwd: folder,
      });
      assertEquals([code, stdout], [0, "_elastik\n"], stderr);
    }),
});

Deno.test({
  name: `completions fish completes commands, options, plugins and files${without("fish")}`,
  ignore: !onPath("fish"),
  fn: () =>
    withTempFolder(async (folder) => {
      const { stdout: script } = await runProgram(fromCheckout(folder, ["completions", "fish"]));
      await Deno.writeTextFile(`${folder}/script`, script);
      const rows: readonly [string, string][] = [
        ["elastik ver", "verify"],
        ["elastik mint --t", "--ttl"],
        ["elastik install exa", "example"],
        ["elastik verify scr", "script"],
      ];
      for (const [line, offered] of rows) {
        const { code, stdout, stderr } = await runProgram({
          command: "fish",
          args: ["--no-config", "-c", `source ./script; complete -C '${line}'`],
          cwd: folder,
          env: { HOME: folder },
        });
        assertEquals(code, 0, stderr);
        assertEquals(stdout.split("\n").map((found) => found.split("\t")[0])[0], offered, stdout);
      }
    }),
});

Deno.test("completions exits with 2 for an unsupported shell", () =>
  withTempFolder(async (folder) => {
    const { code, stderr } = await runProgram(fromCheckout(folder, ["completions", "cmd"]));
    assertEquals(code, 2);
    assertMatch(stderr, /^Cannot complete for cmd: supported shells are bash, zsh, fish$/m);
  }));
