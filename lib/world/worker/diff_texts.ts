/** Compares two texts within a limit of time, in the Worker for long jobs, whose other jobs wait. */

import { DIFF_TIMEOUT_MS, MAX_SHORTEST_DIFF_BYTES } from "../../limits.ts";
import { createUnifiedDiff } from "../edit/create_diff.ts";
import type { DiffedText } from "../store/worker_messages.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Returns the unified diff of two texts in UTF-8; empty if they are equal. */
export function diffTexts(before: DiffedText, after: DiffedText): string {
  const isShort = before.body.length + after.body.length <= MAX_SHORTEST_DIFF_BYTES;
  return createUnifiedDiff({
    oldName: `a/${before.name}`,
    newName: `b/${after.name}`,
    oldNote: before.note,
    newNote: after.note,
    oldText: decoder.decode(before.body),
    newText: decoder.decode(after.body),
    timeoutMs: isShort ? DIFF_TIMEOUT_MS : 0,
  });
}
