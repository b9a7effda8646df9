/**
 * `diff` 9.0.0, BSD-3-Clause licence, no dependencies: unified diffs of texts. It computes a diff by
 * Myers' algorithm with a time limit, and parses the dialects of GNU diff, git and Subversion.
 */

export { formatPatch, parsePatch, structuredPatch } from "npm:diff@9.0.0";
export type { StructuredPatch, StructuredPatchHunk } from "npm:diff@9.0.0";
