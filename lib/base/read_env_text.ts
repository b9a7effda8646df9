/**
 * Reads the text of an `.env` file. The file may be absent. Every other failure is reported, because
 * the file can contain the token without which the server is open. A file of another name is found
 * for the same reason: editors add `.txt`, and other programs read `.env.local`.
 */

import { decodeText, splitLines } from "./decode_text.ts";
import { readRegularFile } from "./regular_file.ts";

/** Size of the largest file of settings, in bytes. */
const MAX_ENV_BYTES = 1024 * 1024;
/** Names under which people store the file by mistake. Examples such as `.env.example` are not. */
const NAMES = [
  ".env.txt",
  "env.txt",
  ".env.text",
  ".env.rtf",
  ".env.env",
  ".ENV",
  ".Env",
  "env",
  "_env",
  ".env.local",
  ".env.production",
  ".env.prod",
] as const;
/** An assignment, also in a shell script, in YAML or in RTF. The user in an address is not one. */
const ASSIGNMENT = /(?<![A-Za-z0-9_])(ELASTIK_[A-Z_]+)[ \t]*(?:=|(?<!:\/\/[^@/\s]*):)/gi;

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
  const found = readRegularFile(path, MAX_ENV_BYTES);
  if (found === undefined) return undefined;
  if (!(found instanceof Uint8Array)) return found;
  return decodeText(found) ??
    { reason: "it is not text in UTF-8, or in UTF-16 with a byte order mark" };
}

/**
 * Finds a file that assigns a setting which is not in effect.
 *
 * @param folder path of the working folder
 * @param isSet whether a setting is set in another way, such as `docker run --env-file .env.local`
 * @returns name of the file; undefined if there is none
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { findMisnamedEnv } from "./read_env_text.ts";
 *
 * strictEqual(findMisnamedEnv("/no/such/folder", () => false), undefined);
 * ```
 */
export function findMisnamedEnv(
  folder: string,
  isSet: (name: string) => boolean,
): string | undefined {
  return NAMES.find((name) =>
    listAssignments(`${folder}/${name}`).some((setting) => !isSet(setting))
  );
}

function listAssignments(path: string): string[] {
  // Asked first, because Deno would prompt for the permission on a terminal.
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return [];
  const found = readRegularFile(path, MAX_ENV_BYTES);
  const text = found instanceof Uint8Array ? decodeText(found) : undefined;
  return splitLines(text ?? "").filter((line) => !/^\s*(?:#|\/\/|;)/.test(line))
    .flatMap((line) => [...line.matchAll(ASSIGNMENT)].map(([, name = ""]) => name.toUpperCase()));
}
