/**
 * Reads the text of an `.env` file. The file may be absent. Every other failure is reported, because
 * the file can contain the token without which the server is open.
 */

import { decodeText } from "./decode_text.ts";

/**
 * Reads a file of settings.
 *
 * @param path path of the file
 * @returns its text; undefined if the file does not exist; otherwise why it cannot be read, as the end
 * of a sentence
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { readEnvText } from "./read_env_text.ts";
 *
 * strictEqual(readEnvText("/no/such/folder/.env"), undefined);
 * ```
 */
export function readEnvText(path: string): string | { readonly reason: string } | undefined {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !isDanglingLink(path)) return undefined;
    return { reason: explain(path, error) };
  }
  return decodeText(bytes) ??
    { reason: "it is not text in UTF-8, or in UTF-16 with a byte order mark" };
}

function explain(path: string, error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return "the program has no permission to read it; add .env to --allow-read";
  }
  if (error instanceof Deno.errors.PermissionDenied && !isFolder(path)) {
    return "this user cannot read it; change its permissions or remove it";
  }
  if (error instanceof Deno.errors.NotFound) return "it is a link to a file that does not exist";
  return "it is not a file; settings are read from a file";
}

function isDanglingLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false; // It does not exist, or its folder cannot be read.
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // It cannot be read either.
  }
}
