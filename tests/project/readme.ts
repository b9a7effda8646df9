/**
 * Parses the commands of documents: their shell blocks, and the documented answers below the commands,
 * which are written as `# → …`.
 */

import { ROOT } from "./program.ts";

/** Commands and their documented answers. */
export interface Chunk {
  readonly commands: string;
  /** In order; `…` matches any text within a line. */
  readonly answers: readonly string[];
}

/**
 * Returns the blocks of a page that a reader pastes, each divided into chunks by its answers: `sh`
 * blocks, and `console` blocks, which record a terminal and mark commands with `$`.
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

/** Converts a line of a recording to the form of an `sh` block. */
function asPasted(line: string): string {
  return line.startsWith("$ ") ? line.slice(2) : `# → ${line}`;
}

/** Returns every command line of a page, with its continuation lines joined. */
export function commandsOf(page: string): string[] {
  return blocksOf(Deno.readTextFileSync(`${ROOT}/${page}`)).flat().flatMap(({ commands }) =>
    commands.replace(/\\\n\s*/g, "").split("\n")
  );
}

/** Converts a documented answer to a pattern. */
export function patternOf(answer: string): RegExp {
  const parts = answer.split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}\\r?$`);
}

/**
 * Returns the first documented answer that the output does not have, in order.
 *
 * @returns undefined if the output has all of them, in order
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
