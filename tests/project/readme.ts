/**
 * The README and the manuals as what a reader pastes: their shell blocks, and the answers that stand
 * beneath the commands as `# → …`.
 */

import { ROOT } from "./program.ts";

/** Commands, and the answers the page promises for them. */
export interface Chunk {
  readonly commands: string;
  /** In order; `…` stands for anything within a line. */
  readonly answers: readonly string[];
}

/**
 * The blocks of a page that are pasted, each as the chunks that its answers divide it into: `sh`, and
 * `console`, the recording of a terminal, in which commands stand behind a `$`.
 */
export function blocksOf(page: string): Chunk[][] {
  return [...page.matchAll(/^```(sh|console)\n(.*?)^```$/gms)].map(([, kind, text = ""]) => {
    const chunks: { commands: string[]; answers: string[] }[] = [];
    for (const written of text.trimEnd().split("\n")) {
      const line = kind === "sh" ? written : asPasted(written);
      const answer = /^# → ?(.*)$/.exec(line)?.[1];
      const last = chunks.at(-1);
      if (answer !== undefined) last?.answers.push(answer);
      else if (last === undefined || last.answers.length > 0) {
        chunks.push({ commands: [line], answers: [] });
      } else last.commands.push(line);
    }
    return chunks.map(({ commands, answers }) => ({ commands: commands.join("\n"), answers }));
  });
}

/** A line of a recording as it would stand in a block to paste. */
function asPasted(line: string): string {
  return line.startsWith("$ ") ? line.slice(2) : `# → ${line}`;
}

/** Every command line of the README, with its continuation lines joined. */
export function readmeCommands(): string[] {
  return blocksOf(Deno.readTextFileSync(`${ROOT}/README.md`)).flat().flatMap(({ commands }) =>
    commands.replace(/\\\n\s*/g, "").split("\n")
  );
}

/** A promised answer as a pattern. */
export function patternOf(answer: string): RegExp {
  const parts = answer.split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}\\r?$`);
}

/**
 * The first promised answer that an output does not give in its place.
 *
 * @returns undefined when all are given, in order
 */
export function missingAnswer(answers: readonly string[], output: string): string | undefined {
  const lines = output.split("\n");
  let at = 0;
  for (const answer of answers) {
    const pattern = patternOf(answer);
    const found = lines.findIndex((line, i) => i >= at && pattern.test(line));
    if (found < 0) return answer;
    at = found + 1;
  }
  return undefined;
}
