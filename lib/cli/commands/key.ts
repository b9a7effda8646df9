/**
 * The command `key`: lists, replaces and adds the signing keys of a data folder. Keys are changed only
 * while no server holds the folder; a node holds none. It prints ids of keys, never a key.
 */

import { explainFsError } from "../../base/fs_error.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import {
  acquireDataFolder,
  DataFolderBusy,
  InvalidSecret,
  UnusableEntry,
} from "../../world/file/data_folder.ts";
import { pathExists } from "../../world/file/durable_fs.ts";
import {
  addRetiredKeys,
  isDataFolder,
  KEY_FILE,
  KeyChangeError,
  listKeyIds,
  rotateKey,
} from "../../world/file/signing_keys.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import { type GivenKeys, readKeyOption } from "../read_key_option.ts";

/** The keys of which folder are changed. */
interface KeyFolder {
  readonly data: string;
  /** `ELASTIK_KEY`. */
  readonly ownKey: string | undefined;
  /** Whether it is the folder of a node, which has no worlds and may not exist yet. */
  readonly isNode: boolean;
}

/**
 * Lists or changes the signing keys.
 *
 * @param words `list`, `rotate`, or `add` and a key
 * @returns 0 if done, 2 if nothing was changed
 * @throws {UsageError} if an argument is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [action = "", added]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const given = checkArguments(action, added);
  const config = readConfig(await readEnvironment());
  const named = getTextOption(options, "data");
  // A node reads retired keys from the folder of its settings, which has nothing else.
  const isNode = config.store !== undefined && named === undefined;
  const folder = { data: named ?? config.data, ownKey: config.key, isNode };
  try {
    for (const line of act(action, folder, given)) console.log(line);
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(sanitizeText(describe(error, action, folder.data)));
    return 2;
  }
}

function checkArguments(action: string, added: string | undefined): GivenKeys | undefined {
  if (!["list", "rotate", "add"].includes(action)) {
    throw new UsageError(`Cannot run key ${sanitizeText(action)}: list, rotate or add is needed`);
  }
  if ((added === undefined) === (action === "add")) {
    throw new UsageError(
      action === "add"
        ? "Cannot run key add: a key is needed, or @ and a file with keys"
        : `Cannot run key ${action}: it takes no key`,
    );
  }
  return readKeyOption(added);
}

/** Returns the lines that are printed. */
function act(action: string, folder: KeyFolder, given: GivenKeys | undefined): string[] {
  if (action === "list") return listKeys(folder);
  return withFolder(
    folder,
    () => given === undefined ? rotate(folder) : addKeys(folder, given),
  );
}

function listKeys({ data, ownKey, isNode }: KeyFolder): string[] {
  if (!isNode) assertDataFolder(data);
  const { current, isRetired, retired } = listKeyIds(data, ownKey);
  const source = ownKey === undefined ? sanitizeText(`${data}/${KEY_FILE}`) : "ELASTIK_KEY";
  return [
    ...(current === undefined
      ? []
      : [`${current}\tcurrent\t${source}${isRetired ? ", to be replaced" : ""}`]),
    ...retired.map((id) => `${id}\tretired`),
  ];
}

function rotate({ data, ownKey, isNode }: KeyFolder): string[] {
  const { retiredId, newId } = rotateKey(data, ownKey);
  return newId === undefined
    ? [
      `Retired the key ${retiredId}, which is ELASTIK_KEY`,
      "Set ELASTIK_KEY to a new key, such as the output of openssl rand -hex 32, and " +
      (isNode
        ? "run elastik store rekey once before the nodes start; every node needs this .key-retired"
        : "start the server"),
    ]
    : [
      `Retired the key ${retiredId}; the new key is ${newId}`,
      "Capabilities of the retired key are no longer valid; its events still verify",
    ];
}

function addKeys({ data, ownKey }: KeyFolder, { key, retired }: GivenKeys): string[] {
  return addRetiredKeys(data, ownKey, [...retired, key]).map(({ id, isNew }) =>
    isNew ? `Added the key ${id} as retired` : `The key ${id} is known already`
  );
}

function withFolder<T>({ data, isNode }: KeyFolder, use: () => T): T {
  if (isNode && !pathExists(data)) Deno.mkdirSync(data, { recursive: true, mode: 0o700 });
  if (!isNode) assertDataFolder(data);
  const folder = acquireDataFolder(data);
  try {
    return use();
  } finally {
    folder.release();
  }
}

function assertDataFolder(data: string): void {
  if (isDataFolder(data)) return;
  throw new KeyChangeError(
    `Cannot use the keys of ${data}: ${
      pathExists(data) ? "it is not a data folder" : "there is no such folder"
    }; name one with --data or ELASTIK_DATA`,
  );
}

function describe(error: Error, action: string, data: string): string {
  if (error instanceof DataFolderBusy) {
    return `Cannot run key ${action}: a server or another command uses ${data}; stop it first`;
  }
  const isExpected = error instanceof KeyChangeError || error instanceof InvalidSecret ||
    error instanceof UnusableEntry;
  return isExpected ? error.message : `Cannot run key ${action}: ${explainFsError(error)}`;
}
