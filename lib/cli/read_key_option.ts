/**
 * Reads a signing key from the command line: its text, or `@file` for the text of a file, which is not
 * in lists of processes. The key is never printed.
 */

import { decodeText } from "../base/decode_text.ts";
import { readRegularFile } from "../base/regular_file.ts";
import { sanitizeText } from "../base/sanitize_text.ts";
import { UsageError } from "./parse_args.ts";

/** Size of the largest file with a key, in bytes. */
const MAX_KEY_BYTES = 64 * 1024;

/**
 * Reads the value of an option.
 *
 * @param text the value; undefined if the option is absent
 * @throws {UsageError} if the file cannot be read, or contains no text
 */
export function readKeyOption(text: string | undefined): string | undefined {
  if (text === undefined || !text.startsWith("@")) return text;
  const path = text.slice(1);
  const found = readRegularFile(path, MAX_KEY_BYTES);
  const key = found instanceof Uint8Array ? decodeText(found)?.trim() : undefined;
  if (key !== undefined && key !== "") return key;
  const reason = found === undefined
    ? "there is no such file"
    : found instanceof Uint8Array
    ? "it contains no text"
    : found.reason;
  throw new UsageError(`Cannot read the key from ${sanitizeText(path)}: ${reason}`);
}
