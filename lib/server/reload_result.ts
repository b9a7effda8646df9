/**
 * The file in the data folder with which a server reports the result of its last reload to the command
 * `reload`. A signal has no answer. The file contains no secret.
 */

import { readRegularFile } from "../base/regular_file.ts";
import { decodeText } from "../base/decode_text.ts";
import { replaceFile } from "../world/file/durable_fs.ts";
import type { ReloadReport } from "./reloader.ts";

const RESULT_FILE = ".reload";
const RESULT_FILE_BYTES = 64 * 1024;

/** The report of a reload, the process that made it, and when the reload began. */
export interface ReloadResult extends ReloadReport {
  readonly pid: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Settings that a reload would apply, but that the environment of the process sets. */
  readonly fixed: readonly string[];
}

/** Writes the result of a reload. */
export function writeReloadResult(data: string, result: ReloadResult): void {
  replaceFile(`${data}/${RESULT_FILE}`, new TextEncoder().encode(`${JSON.stringify(result)}\n`));
}

/** Reads the result of the last reload; undefined if there is none or it is malformed. */
export function readReloadResult(data: string): ReloadResult | undefined {
  const bytes = readRegularFile(`${data}/${RESULT_FILE}`, RESULT_FILE_BYTES);
  const text = bytes instanceof Uint8Array ? decodeText(bytes) : undefined;
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // another program wrote it
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { pid, startedAt, changed, faults, restart, fixed }: Record<string, unknown> = { ...value };
  const isValid = typeof pid === "number" && typeof startedAt === "number" &&
    isTexts(changed) && isTexts(faults) && isTexts(restart) &&
    isTexts(fixed);
  return isValid ? { pid, startedAt, changed, faults, restart, fixed } : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
