/**
 * The unified diff of two texts. Myers' algorithm takes quadratic time for texts with little in common;
 * after a time limit the changed part is therefore replaced as a whole, which is a valid diff too.
 */

import { formatPatch, type StructuredPatch, structuredPatch } from "../../deps/diff.ts";
import { toEndedLines } from "./unified_diff.ts";

/** Lines of context, as `diff -u` has them. */
const CONTEXT = 3;

/** Names and texts that are compared. */
export interface DiffInput {
  /** Name of the old text in the header. */
  readonly oldName: string;
  readonly newName: string;
  /** What follows each name in the header. */
  readonly oldNote?: string;
  readonly newNote?: string;
  readonly oldText: string;
  readonly newText: string;
  /** Time for the shortest diff, in milliseconds; 0 does not search it. */
  readonly timeoutMs: number;
}

/** Returns the unified diff; empty if the texts are equal. */
export function createUnifiedDiff(input: DiffInput): string {
  const { oldName, newName, oldNote, newNote, oldText, newText, timeoutMs } = input;
  if (oldText === newText) return "";
  const options = { context: CONTEXT, timeout: timeoutMs };
  const shortest = timeoutMs > 0
    ? structuredPatch(oldName, newName, oldText, newText, oldNote, newNote, options)
    : undefined;
  return formatPatch(shortest ?? coarsePatch(input), {
    includeIndex: false,
    includeUnderline: false,
    includeFileHeaders: true,
  });
}

/** Replaces everything between the common first and last lines. */
function coarsePatch(
  { oldName, newName, oldNote, newNote, oldText, newText }: DiffInput,
): StructuredPatch {
  const [before, after] = [toEndedLines(oldText), toEndedLines(newText)];
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let same = 0;
  while (same < shorter - start && before.at(-1 - same) === after.at(-1 - same)) same++;
  const first = Math.max(0, start - CONTEXT);
  const context = Math.min(same, CONTEXT);
  const lines = [
    ...before.slice(first, start).map((line) => ` ${line}`),
    ...before.slice(start, before.length - same).map((line) => `-${line}`),
    ...after.slice(start, after.length - same).map((line) => `+${line}`),
    ...before.slice(before.length - same, before.length - same + context).map((line) => ` ${line}`),
  ].flatMap((line) =>
    line.endsWith("\n") ? [line.slice(0, -1)] : [line, "\\ No newline at end of file"]
  );
  return {
    oldFileName: oldName,
    newFileName: newName,
    oldHeader: oldNote,
    newHeader: newNote,
    hunks: [{
      oldStart: first + 1,
      oldLines: before.length - same + context - first,
      newStart: first + 1,
      newLines: after.length - same + context - first,
      lines,
    }],
  };
}
