/**
 * The number of the format of a data folder, in a file of its own. A program must not use a folder
 * whose format it does not know: it would show old contents, or lose what it does not see. Folders of
 * releases that had no such file have format 1.
 */

import { decodeText } from "../../base/decode_text.ts";
import { readRegularFile } from "../../base/regular_file.ts";
import { replaceFile, syncFolder } from "./durable_fs.ts";

/** File in the data folder with the number of its format. */
export const FORMAT_FILE = ".format";
/** The newest format that this program knows. Since 2, the file of a world can have `pieces`. */
export const FOLDER_FORMAT = 2;
/** Size of the largest file that can contain a number, in bytes. */
const MAX_FORMAT_FILE_BYTES = 64;

/**
 * Explains why this program must not use a data folder.
 *
 * @param path path of the folder
 * @returns a clause for an error message; undefined if it knows the format
 * @throws the error of the system if the folder cannot be read
 */
export function findFormatFault(path: string): string | undefined {
  const found = readRegularFile(`${path}/${FORMAT_FILE}`, MAX_FORMAT_FILE_BYTES);
  if (found === undefined) return undefined;
  if (!(found instanceof Uint8Array)) {
    if (found.cause instanceof Deno.errors.NotADirectory) throw found.cause; // the folder is a file
    if (found.cause instanceof Deno.errors.PermissionDenied) throw found.cause;
    if (found.cause instanceof Deno.errors.NotCapable) throw found.cause;
    return `its file ${FORMAT_FILE} cannot be used: ${found.reason}; restore it from a backup`;
  }
  const text = decodeText(found)?.trim() ?? "";
  if (!/^[1-9][0-9]{0,8}$/.test(text)) {
    return `its file ${FORMAT_FILE} does not contain a number; write ${FOLDER_FORMAT} into it if no ` +
      "newer release has used the folder";
  }
  return Number(text) <= FOLDER_FORMAT
    ? undefined
    : `it has format ${text} and this program knows the formats up to ${FOLDER_FORMAT}; use the ` +
      "release that wrote it, or a newer one";
}

/**
 * Writes the number of the format into a folder that has none or an older one; on disk before this
 * returns. On a full disk it is not written: every program that reads the file also knows this
 * format, so the next start can write it.
 *
 * @param path path of a folder that this process has locked, whose format has no fault
 */
export function recordFormat(path: string): void {
  const file = `${path}/${FORMAT_FILE}`;
  const found = readRegularFile(file, MAX_FORMAT_FILE_BYTES);
  const text = found instanceof Uint8Array ? decodeText(found)?.trim() : undefined;
  if (text === `${FOLDER_FORMAT}`) return;
  try {
    replaceFile(file, new TextEncoder().encode(`${FOLDER_FORMAT}\n`));
    syncFolder(path);
  } catch {
    // See above. A start that needs the disk fails with its own sentence.
  }
}
