import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { listCommandNames } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/main.ts";
import { completionScript, SHELLS } from "../../lib/cli/completion_scripts.ts";

Deno.test("completionScript() contains every command and option that is not hidden", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, COMMANDS, ["gpu"]);
    ok(script.includes("gpu"), shell);
    ok(!/\bcell\b/.test(script), shell);
    for (const name of listCommandNames(COMMANDS)) {
      ok(script.includes(name), `${shell}: ${name}`);
      for (const option of Object.keys(COMMANDS[name]?.options ?? {})) {
        ok(
          script.includes(shell === "fish" ? `-l ${option}` : `--${option}`),
          `${shell}: ${option}`,
        );
      }
    }
  }
});

Deno.test("completionScript() has balanced quotes", () => {
  for (const shell of SHELLS) {
    for (const line of completionScript(shell, COMMANDS, ["gpu"]).split("\n")) {
      equal((line.match(/'/g) ?? []).length % 2, 0, `${shell}: ${line}`);
    }
  }
});
