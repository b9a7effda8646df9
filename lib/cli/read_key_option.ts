/**
 * Reads signing keys from the command line: the text of a key, or `@file` for the keys in a file, one a
 * line, which are not in lists of processes. A key is never printed.
 */

import { decodeText } from "../base/decode_text.ts";
import { readRegularFile } from "../base/regular_file.ts";
import { sanitizeText } from "../base/sanitize_text.ts";
import { UsageError } from "./parse_args.ts";

/** Size of the largest file with keys, in bytes. */
const MAX_KEY_BYTES = 64 * 1024;

/** Keys from the command line. */
export interface GivenKeys {
  /** The newest one. */
  readonly key: string;
  /** Those before it, oldest first. */
  readonly retired: readonly string[];
}

/**
 * Reads the value of an option.
 *
 * @param text the value; undefined if the option is absent
 * @throws {UsageError} if the file cannot be read, or contains no text
 */
export function readKeyOption(text: string | undefined): GivenKeys | undefined {
  if (text === undefined) return undefined;
  if (!text.startsWith("@")) return { key: text, retired: [] };
  const path = text.slice(1);
  const found = readRegularFile(path, MAX_KEY_BYTES);
  const lines = found instanceof Uint8Array ? decodeText(found)?.split("\n") ?? [] : [];
  const retired = lines.map((line) => line.trim()).filter((line) => line !== "");
  const key = retired.pop();
  if (key !== undefined) return { key, retired };
  const reason = found === undefined
    ? "there is no such file"
    : found instanceof Uint8Array
    ? "it contains no text"
    : found.reason;
  throw new UsageError(`Cannot read the key from ${sanitizeText(path)}: ${reason}`);
}
