/**
 * The signing keys of a data folder: the current one in `.key`, unless `ELASTIK_KEY` is set, and the
 * retired ones in `.key-retired`, oldest first, one a line. Retired keys verify the events that they
 * signed; they sign nothing. At every moment of a rotation each key that has signed an event is in one
 * of the two files, so that a crash loses none.
 */

import { decodeText } from "../../base/decode_text.ts";
import { readRegularFile } from "../../base/regular_file.ts";
import { toKeyId } from "../key_id.ts";
import { InvalidSecret, loadOrCreateSecret, readSecret } from "./data_folder.ts";
import { pathExists, replaceFile, syncFolder, tryRemove, writeSynced } from "./durable_fs.ts";
import { LOCK_FILE } from "./folder_identity.ts";

/** File of the current key. */
export const KEY_FILE = ".key";
/** File of the retired keys. */
export const RETIRED_KEYS_FILE = ".key-retired";
/** The new key, until it replaces the current one by rename. */
const NEW_KEY_FILE = `${KEY_FILE}.new`;
const KEY_BYTES = 32;
/** Retired keys of a data folder. A chain can cost one signature more for each. */
export const MAX_RETIRED_KEYS = 64;
/** Size of the file with the retired keys, in bytes. */
export const MAX_RETIRED_KEY_BYTES = 64 * 1024;

const NEW_KEY = "set ELASTIK_KEY to a new key";

/** Error: the keys cannot be changed as they are. The message is for the operator. */
export class KeyChangeError extends Error {
  override readonly name = "KeyChangeError";
}

/** The keys of a data folder. */
export interface SigningKeys {
  /** Signs new events; undefined if there is none. */
  readonly key: string | undefined;
  /** Oldest first. The current key can be the last, while a rotation is not complete. */
  readonly retired: readonly string[];
}

/**
 * Reads the keys of a data folder; changes nothing.
 *
 * @param data path of the data folder
 * @param ownKey `ELASTIK_KEY`; if undefined, the key of the folder is the current one
 * @throws {InvalidSecret} if a file exists and does not contain keys
 */
export function readSigningKeys(data: string, ownKey: string | undefined): SigningKeys {
  return { key: ownKey ?? readSecret(data, KEY_FILE), retired: readRetiredKeys(data) };
}

/**
 * Reads the retired keys of a data folder.
 *
 * @param data path of the data folder
 * @returns oldest first; empty without a file
 * @throws {InvalidSecret} if the file does not contain keys, or too many
 */
export function readRetiredKeys(data: string): readonly string[] {
  const found = readRegularFile(`${data}/${RETIRED_KEYS_FILE}`, MAX_RETIRED_KEY_BYTES);
  if (found === undefined) return [];
  if (!(found instanceof Uint8Array)) {
    if (found.cause instanceof Deno.errors.NotADirectory) throw found.cause; // the folder is a file
    throw unusable(found.reason);
  }
  const lines = decodeText(found)?.split("\n");
  if (lines === undefined) throw unusable("it is not text in UTF-8");
  if (lines.at(-1) !== "") throw unusable("its last line is not complete");
  lines.pop();
  if (lines.length > MAX_RETIRED_KEYS) {
    throw unusable(`it has ${lines.length} keys; at most ${MAX_RETIRED_KEYS} are possible`);
  }
  if (lines.some((line) => !isKeyLine(line))) throw unusable("a line is not a key");
  return lines;
}

/** Whether a key can be a line of the file. */
function isKeyLine(key: string): boolean {
  return key.trim() !== "" && !/[\0\r\n]/.test(key);
}

function unusable(found: string): InvalidSecret {
  return new InvalidSecret(
    `Cannot use the keys ${RETIRED_KEYS_FILE} in the data folder: ${found}; restore the file from a ` +
      "backup, or move it away (the events of retired keys then no longer verify)",
  );
}

/**
 * Reads the keys with which a server starts; creates the current one on first use.
 *
 * @param data path of the data folder, which this process has locked
 * @param ownKey `ELASTIK_KEY`
 * @param log writes a line for the operator
 * @throws {InvalidSecret} if a file does not contain keys, or the current key was retired before another
 */
export function loadSigningKeys(
  data: string,
  ownKey: string | undefined,
  log: (line: string) => void,
): { readonly key: string; readonly retired: readonly string[] } {
  const retired = readRetiredKeys(data);
  const key = ownKey ?? loadOrCreateSecret(data, KEY_FILE).secret;
  const path = `${data}/${RETIRED_KEYS_FILE}`;
  if (Deno.build.os !== "windows" && retired.length > 0) Deno.chmodSync(path, 0o600);
  const ofFolder = {
    source: KEY_FILE,
    ahead: "run elastik key rotate",
    last: "run elastik key rotate again",
  };
  const ofSetting = { source: "ELASTIK_KEY", ahead: NEW_KEY, last: NEW_KEY };
  reportRetiredKey(key, retired, ownKey === undefined ? ofFolder : ofSetting, log);
  return { key, retired };
}

/**
 * Reads the retired keys with which a node starts. Its folder is not changed: it may be read-only.
 *
 * @param data path of the data folder, which may be missing
 * @param key `ELASTIK_KEY`
 * @param log writes a line for the operator
 * @throws {InvalidSecret} as {@link loadSigningKeys}
 */
export function loadNodeKeys(
  data: string,
  key: string,
  log: (line: string) => void,
): readonly string[] {
  const retired = readRetiredKeys(data);
  const advice = "set ELASTIK_KEY of every node to a new key, and run elastik store rekey";
  reportRetiredKey(key, retired, { source: "ELASTIK_KEY", ahead: advice, last: advice }, log);
  return retired;
}

/** Where the current key comes from, and what to do if another key was retired after it, or none. */
interface KeySource {
  readonly source: string;
  readonly ahead: string;
  readonly last: string;
}

/**
 * Reports that the current key is retired.
 *
 * @throws {InvalidSecret} if another key was retired after it
 */
function reportRetiredKey(
  key: string,
  retired: readonly string[],
  { source, ahead, last }: KeySource,
  log: (line: string) => void,
): void {
  const at = retired.indexOf(key);
  if (at < 0) return;
  const named = `the key ${toKeyId(key)} of ${source}`;
  if (at < retired.length - 1) {
    // Its new events would follow events of a newer key, and break their chains.
    throw new InvalidSecret(
      `Cannot use ${named}: it was retired, and another key after it; ${ahead}`,
    );
  }
  log(`${named} is retired, and still signs, because its rotation is not complete; ${last}`);
}

/** The ids of the keys of a data folder. */
export interface KeyIds {
  /** Of the key that signs; undefined if there is none. */
  readonly current: string | undefined;
  /** Whether the current key is retired, because a rotation is not complete. */
  readonly isRetired: boolean;
  /** Of the other retired keys, newest first. */
  readonly retired: readonly string[];
}

/**
 * Reads the ids of the keys of a data folder; changes nothing.
 *
 * @param data path of the data folder
 * @param ownKey `ELASTIK_KEY`
 * @throws {InvalidSecret} if a file does not contain keys
 */
export function listKeyIds(data: string, ownKey: string | undefined): KeyIds {
  const { key, retired } = readSigningKeys(data, ownKey);
  return {
    current: key === undefined ? undefined : toKeyId(key),
    isRetired: key !== undefined && retired.includes(key),
    retired: retired.filter((other) => other !== key).map(toKeyId).reverse(),
  };
}

/** The result of a rotation. */
export interface KeyRotation {
  readonly retiredId: string;
  /** Id of the new key; undefined if the operator must set one, because `ELASTIK_KEY` is set. */
  readonly newId: string | undefined;
}

/**
 * Retires the current key of a data folder and creates a new one. With `ELASTIK_KEY`, that key is
 * retired, and the operator sets another one. The worlds are not changed.
 *
 * A caller can stop after each step, as a crash would: the folder is then usable, and the next rotation
 * completes this one.
 *
 * @param data path of the data folder, which this process has locked
 * @param ownKey `ELASTIK_KEY`
 * @throws {KeyChangeError} if there is no key, there are too many, or another user owns the folder
 * @throws {InvalidSecret} if a file does not contain keys
 */
export function* rotateKeyInSteps(
  data: string,
  ownKey: string | undefined,
): Generator<"staged" | "retired", KeyRotation> {
  const { key, retired } = readSigningKeys(data, ownKey);
  if (key === undefined) {
    throw new KeyChangeError(
      `Cannot rotate the key of ${data}: it has no ${KEY_FILE}; the server creates one at its first start`,
    );
  }
  const fresh = crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toHex();
  stageKey(data, fresh);
  try {
    yield "staged";
    if (!retired.includes(key)) writeRetiredKeys(data, [...retired, key]);
    yield "retired";
    if (ownKey !== undefined) return { retiredId: toKeyId(key), newId: undefined };
    Deno.renameSync(`${data}/${NEW_KEY_FILE}`, `${data}/${KEY_FILE}`);
    syncFolder(data);
    return { retiredId: toKeyId(key), newId: toKeyId(fresh) };
  } finally {
    tryRemove(`${data}/${NEW_KEY_FILE}`);
  }
}

/** Rotates without interruption; see {@link rotateKeyInSteps}. */
export function rotateKey(data: string, ownKey: string | undefined): KeyRotation {
  const steps = rotateKeyInSteps(data, ownKey);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** A key that was to be added. */
export interface AddedKey {
  readonly id: string;
  /** Whether it was added; false for the current key, and for one that is in the file already. */
  readonly isNew: boolean;
}

/**
 * Adds keys that signed earlier events: before all others, or after the key of the file that is before
 * them in the list.
 *
 * @param data path of the data folder, which this process has locked
 * @param ownKey `ELASTIK_KEY`
 * @param added the keys, oldest first
 * @returns one entry for each key
 * @throws {KeyChangeError} if one cannot be a key, there are too many, or another user owns the folder;
 * no key is added then
 * @throws {InvalidSecret} if a file does not contain keys
 */
export function addRetiredKeys(
  data: string,
  ownKey: string | undefined,
  added: readonly string[],
): readonly AddedKey[] {
  const { key, retired } = readSigningKeys(data, ownKey);
  const isNew = (other: string) => other !== key && !retired.includes(other);
  const fresh = [...new Set(added.filter(isNew))];
  if (!fresh.every(isKeyLine)) {
    throw new KeyChangeError("Cannot add the key: a key has no line breaks, and is not empty");
  }
  if (fresh[0] !== undefined) {
    stageKey(data, fresh[0]);
    tryRemove(`${data}/${NEW_KEY_FILE}`);
    writeRetiredKeys(data, insertInOrder(retired, added.filter((other) => other !== key)));
  }
  return added.map((other) => ({ id: toKeyId(other), isNew: isNew(other) }));
}

/** Inserts the missing ones of `added`, each after the one before it, the first ones at the start. */
function insertInOrder(keys: readonly string[], added: readonly string[]): string[] {
  const all = [...keys];
  let next = 0;
  for (const key of added) {
    const found = all.indexOf(key);
    if (found < 0) all.splice(next++, 0, key);
    else next = found + 1;
  }
  return all;
}

/**
 * Whether a folder has been used by a server, so that keys are not written into another folder.
 *
 * @param path path of the folder
 */
export function isDataFolder(path: string): boolean {
  return [KEY_FILE, LOCK_FILE].some((file) => pathExists(`${path}/${file}`));
}

function writeRetiredKeys(data: string, keys: readonly string[]): void {
  const bytes = new TextEncoder().encode(keys.map((key) => `${key}\n`).join(""));
  if (keys.length > MAX_RETIRED_KEYS || bytes.length > MAX_RETIRED_KEY_BYTES) {
    throw new KeyChangeError(
      `Cannot retire another key of ${data}: ${RETIRED_KEYS_FILE} would have ${keys.length} keys in ` +
        `${bytes.length} bytes; at most ${MAX_RETIRED_KEYS} in ${MAX_RETIRED_KEY_BYTES} are possible`,
    );
  }
  replaceFile(`${data}/${RETIRED_KEYS_FILE}`, bytes);
  syncFolder(data);
}

/**
 * Writes a key to a temporary file, and checks its owner: a server that runs as another user could not
 * read the files that this process writes.
 */
function stageKey(data: string, key: string): void {
  const path = `${data}/${NEW_KEY_FILE}`;
  if (pathExists(path)) Deno.removeSync(path);
  writeSynced(path, new TextEncoder().encode(`${key}\n`));
  const [own, folder] = [path, data].map((entry) => Deno.statSync(entry).uid);
  if (own === folder) return;
  tryRemove(path);
  throw new KeyChangeError(
    `Cannot change the keys of ${data}: the folder belongs to user ${folder}, and this is user ${own}; ` +
      `run the command as that user, for example with sudo -u "#${folder}"`,
  );
}
