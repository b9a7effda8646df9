/**
 * Describes why a start failed in one sentence for the operator: what was found, and which setting
 * to change. A stack trace would name files of the program instead of the setting.
 */

import { type Config, ConfigError } from "../config.ts";
import { sanitizeText } from "../base/sanitize_text.ts";
import { DataFolderBusy, InvalidSecret, UnusableEntry } from "../world/file/data_folder.ts";
import { LEDGER_FILE } from "../world/file/durable_fs.ts";
import { parseStoreUrl } from "../world/postgres/store_url.ts";
import { isLockError } from "../world/sqlite_errors.ts";
import { StoreError } from "../world/store.ts";

/** Error of listening; the reason is its `cause`. */
export class ListenError extends Error {
  override readonly name = "ListenError";

  /** @param cause the error of the runtime */
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** Ports below this number need a permission of the system on most systems. */
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * Formats the sentence.
 *
 * @param error what the start threw
 * @param config the settings; undefined if they could not be read
 * @returns one line without control characters
 */
export function describeStartFailure(error: unknown, config: Config | undefined): string {
  return sanitizeText(sentenceFor(error, config));
}

function sentenceFor(error: unknown, config: Config | undefined): string {
  const isComplete = error instanceof ConfigError || error instanceof DataFolderBusy ||
    error instanceof InvalidSecret || error instanceof UnusableEntry;
  if (isComplete) return error.message;
  if (config === undefined) return `Cannot read the settings: ${messageOf(error)}`;
  if (error instanceof ListenError) return listenSentence(error.cause, config);
  // A TypeError without a cause is thrown by a check of the settings, with a complete sentence.
  if (error instanceof TypeError && error.message.startsWith("Cannot ")) return error.message;
  if (error instanceof StoreError && config.store !== undefined) {
    return otherSentence(error, config);
  }
  return dataSentence(error, config);
}

/** A node has no data folder. The text of the address has no password. */
function otherSentence(error: unknown, { store, data }: Config): string {
  const place = store === undefined ? `data folder ${data}` : `store ${parseStoreUrl(store)}`;
  return `Cannot start with the ${place}: ${messageOf(error)}`;
}

function listenSentence(cause: unknown, { host, port }: Config): string {
  const start = `Cannot listen on ${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (cause instanceof Deno.errors.AddrInUse) {
    return `${start}: another program uses this port; set ELASTIK_PORT to a free one`;
  }
  if (cause instanceof Deno.errors.NotCapable) {
    return `${start}: the program has no permission; add ELASTIK_HOST and ELASTIK_PORT to --allow-net`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return port > 0 && port < FIRST_UNPRIVILEGED_PORT
      ? `${start}: this user cannot use ports below ${FIRST_UNPRIVILEGED_PORT}; set ELASTIK_PORT to a higher one`
      : `${start}: the system does not permit it; set ELASTIK_HOST or ELASTIK_PORT to another value`;
  }
  const message = messageOf(cause);
  if (/lookup|resolve|name or service|invalid host/i.test(message)) {
    return `${start}: the name cannot be resolved; set ELASTIK_HOST to an address of this computer`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable || codeOf(cause) === "EINVAL") {
    return `${start}: it is not an address of this computer; set ELASTIK_HOST to one that is`;
  }
  return `${start}: ${message}; set ELASTIK_HOST and ELASTIK_PORT to other values`;
}

function dataSentence(error: unknown, config: Config): string {
  const { data } = config;
  const start = `Cannot use the data folder ${data}`;
  const instead = "set ELASTIK_DATA to another folder";
  const code = codeOf(error);
  const message = messageOf(error);
  if (error instanceof Deno.errors.NotCapable) {
    return `Cannot start: ${message}; add it to the permissions of deno run`;
  }
  if (code === "ENOSPC" || code === "EDQUOT" || /disk is full|no space left/i.test(message)) {
    return `${start}: the disk is full; free space, or ${instead}`;
  }
  if (code === "EROFS" || /read-?only/i.test(message)) {
    return `${start}: the disk is read-only; make it writable, or ${instead}`;
  }
  if (isLockError(error)) {
    return `${start}: another process has locked ${LEDGER_FILE} or a world in it; stop that process`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${start}: this user cannot read and write it; change its permissions, or ${instead}`;
  }
  if (code === "ENOTDIR" || code === "EEXIST" || error instanceof Deno.errors.AlreadyExists) {
    return `${start}: it is a file or is inside a file; ${instead}`;
  }
  if (code === "ELOOP" || code === "ENAMETOOLONG" || code === "EINVAL" || code === "ENOENT") {
    return `${start}: its path cannot be used (${message}); ${instead}`;
  }
  return otherSentence(error, config);
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The first line of a message. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0] ?? "";
}
