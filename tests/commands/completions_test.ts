import { deepStrictEqual as equal, match } from "node:assert/strict";
import { fromCheckout, inFolder, onPath, runProgram } from "../project/program.ts";

const without = (shell: string) => onPath(shell) ? "" : ` (skipped: no ${shell} here)`;

/** What bash offers for a line, its cursor at the end. */
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
  equal(code, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

Deno.test({
  name: `completions bash completes commands, options, plugins and files${without("bash")}`,
  ignore: !onPath("bash"),
  fn: () =>
    inFolder(async (folder) => {
      equal(await offered(folder, ["ver"]), ["verify"]);
      equal(await offered(folder, ["mint", "--t"]), ["--ttl"]);
      equal(await offered(folder, ["install", "exa"]), ["example"]);
      equal(await offered(folder, ["verify", "scr"]), ["script"]);
      equal(await offered(folder, ["nope", ""]), []);
    }),
});

for (const shell of ["zsh", "fish"]) {
  Deno.test({
    name: `completions ${shell} is a script that ${shell} can read${without(shell)}`,
    ignore: !onPath(shell),
    fn: () =>
      inFolder(async (folder) => {
        const { stdout } = await runProgram(fromCheckout(folder, ["completions", shell]));
        await Deno.writeTextFile(`${folder}/script`, stdout);
        const { code, stderr } = await runProgram({
          command: shell,
          args: ["-n", `${folder}/script`],
          cwd: folder,
        });
        equal(code, 0, stderr);
      }),
  });
}

Deno.test("completions refuses a shell it does not know", () =>
  inFolder(async (folder) => {
    const { code, stderr } = await runProgram(fromCheckout(folder, ["completions", "cmd"]));
    equal(code, 2);
    match(stderr, /^Cannot complete for cmd: there are bash, zsh, fish$/m);
  }));
