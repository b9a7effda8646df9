import { assert, assertEquals } from "../support/assert.ts";
import { listCommandNames } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/main.ts";
import { completionScript, SHELLS } from "../../lib/cli/completion_scripts.ts";

Deno.test("completionScript() contains every command and option that is not hidden", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, COMMANDS, ["gpu"]);
    assert(script.includes("gpu"), shell);
    assert(!/\bcell\b/.test(script), shell);
    for (const name of listCommandNames(COMMANDS)) {
      assert(script.includes(name), `${shell}: ${name}`);
      for (const option of Object.keys(COMMANDS[name]?.options ?? {})) {
        assert(
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
      assertEquals((line.match(/'/g) ?? []).length % 2, 0, `${shell}: ${line}`);
    }
  }
});
