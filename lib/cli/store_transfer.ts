/**
 * The commands `import` and `export` with `ELASTIK_STORE`: a data folder becomes a part of the store, and
 * the store becomes a data folder. Rows are taken as they are; `lib/world/postgres` has the steps.
 */

import { explainFsError } from "../base/fs_error.ts";
import { sanitizeText } from "../base/sanitize_text.ts";
import { isPrivatePath } from "../auth/policy.ts";
import { DataFolderBusy, InvalidSecret, UnusableEntry } from "../world/file/data_folder.ts";
import { readSigningKeys } from "../world/file/signing_keys.ts";
import {
  exportStore,
  StoreExportError,
  type StoreExportResult,
} from "../world/postgres/export_store.ts";
import {
  importIntoStore,
  StoreImportError,
  type StoreImportResult,
} from "../world/postgres/import_store.ts";
import { SessionError } from "../world/postgres/session.ts";
import { runInterruptible } from "./commands/on_interrupt.ts";
import { type OptionValues, UsageError } from "./parse_args.ts";
import { createTerminalProgress } from "./progress_bar.ts";
import { type StoreConfig, useStore } from "./store_target.ts";

/**
 * Imports a data folder into the store.
 *
 * @returns 0 if all worlds are in the store, 1 if some are not or do not verify, 2 if nothing was done, 3 if
 * the store cannot be reached
 * @throws {UsageError} if an option belongs to imports into a folder, or a setting is missing
 */
export async function importToStore(
  from: string,
  config: StoreConfig,
  options: OptionValues,
): Promise<number> {
  assertFolderOnly("import", from, options, "first import into a folder with --into");
  return await useStore(
    config,
    "import",
    ({ sessions, shown, key }) =>
      runInterruptible(async (signal) => {
        const progress = createTerminalProgress("import", "worlds");
        try {
          const { key: own, retired } = readSigningKeys(from, undefined);
          // Without a key in it, the server signed with ELASTIK_KEY.
          if (own !== undefined && own !== key) {
            throw new StoreImportError(
              `Cannot import ${from}: its key is not ELASTIK_KEY; a store takes the chains as they are, so ` +
                "create it with the key in the file .key of the folder",
            );
          }
          const imported = await importIntoStore({
            data: from,
            sessions,
            key,
            retiredKeys: retired,
            isRestricted: (name) => isPrivatePath(`/${name}`),
            signal,
            onProgress: (done, total) => progress?.update(done, total),
          });
          progress?.end();
          for (const line of formatStoreImport(imported, shown)) console.log(sanitizeText(line));
          return isComplete(imported) ? 0 : 1;
        } catch (error) {
          progress?.end();
          return failed(error, signal, `Cannot import ${from}`, [
            StoreImportError,
            DataFolderBusy,
            InvalidSecret,
            UnusableEntry,
          ]);
        }
      }),
  );
}

/**
 * Exports the store into a new data folder.
 *
 * @param into path of the folder; by default named after the current time
 * @returns 0 if everything was exported, 1 if damaged worlds are not in the folder or lack bytes of earlier
 * versions, 2 if there is no folder, 3 if the store cannot be reached
 * @throws {UsageError} if an option belongs to exports of a folder, or a setting is missing
 */
export async function exportFromStore(
  into: string | undefined,
  config: StoreConfig,
  options: OptionValues,
): Promise<number> {
  const target = into ??
    `elastik-${new Date().toISOString().slice(0, 19).replace(/\D/g, "")}`;
  const instead = "export into a folder, then elastik export <file> --from <folder>";
  assertFolderOnly("export", target, options, instead);
  return await useStore(
    config,
    "export",
    ({ sessions, shown, retiredKeys }) =>
      runInterruptible(async (signal) => {
        const progress = createTerminalProgress("export", "worlds");
        try {
          const exported = await exportStore({
            sessions,
            into: target,
            signal,
            onProgress: (done, total) => progress?.update(done, total),
          });
          progress?.end();
          const { worlds, trashed } = exported;
          console.log(sanitizeText(`Exported ${worlds} worlds from ${shown} into ${target}`));
          if (trashed > 0) console.log(`${trashed} worlds are in its trash`);
          console.log("The folder has no signing key: serve it with the same ELASTIK_KEY");
          if (retiredKeys.length > 0) {
            console.log("Copy .key-retired of a node into it: earlier events need retired keys");
          }
          const missing = formatIncomplete(exported);
          for (const line of missing) console.error(sanitizeText(line));
          return missing.length === 0 ? 0 : 1;
        } catch (error) {
          progress?.end();
          return failed(error, signal, `Cannot export into ${target}`, [StoreExportError]);
        }
      }),
  );
}

/** Formats what an export lacks: one line for each damaged world, and one that counts them; none if nothing. */
export function formatIncomplete(
  { damaged, partial }: Pick<StoreExportResult, "damaged" | "partial">,
): string[] {
  if (damaged.length + partial.length === 0) return [];
  return [
    ...damaged.map(({ name, reason }) => `${name}: not exported: ${reason}`),
    ...partial.map(({ name, versions }) =>
      `${name}: exported, but the store has no bytes of ${formatVersions(versions)}`
    ),
    `The export is incomplete: not exported: ${damaged.length}; exported in part: ${partial.length}`,
  ];
}

/** Versions that a line names. */
const NAMED_VERSIONS = 5;

function formatVersions(versions: readonly number[]): string {
  const named = versions.slice(0, NAMED_VERSIONS).join(", ");
  const more = versions.length - NAMED_VERSIONS;
  if (more > 0) return `versions ${named} and ${more} more`;
  return `${versions.length === 1 ? "version" : "versions"} ${named}`;
}

/** Formats the report of an import, one line per item. */
export function formatStoreImport(imported: StoreImportResult, shown: string): string[] {
  const { worlds, trashed, same, conflicts, broken, rejected, otherKey } = imported;
  return [
    ...broken.map(({ name, faults }) =>
      `${name}: does not verify: ${
        faults.map(({ check, reason }) => `${check}: ${reason}`).join("; ")
      }`
    ),
    ...conflicts.map((name) => `${name}: the store has, or had, another world of this name`),
    ...rejected.map(({ name, reason }) => `${name}: not imported: ${reason}`),
    ...otherKey.map((name) => `${name}: not imported: another key signed its chain`),
    `Imported ${worlds.length} worlds into ${shown}` +
    (trashed.length > 0 ? `, and ${trashed.length} into its trash` : "") +
    (same > 0 ? `; ${same} existed already` : ""),
  ];
}

/** Whether every world of the folder is in the store and verifies. */
function isComplete({ conflicts, broken, rejected, otherKey }: StoreImportResult): boolean {
  return [conflicts, broken, rejected, otherKey].every(({ length }) => length === 0);
}

/** @throws {UsageError} if the name is that of an archive, or an option has no meaning for a store */
function assertFolderOnly(
  command: string,
  name: string,
  options: OptionValues,
  instead: string,
): void {
  if (name === "-" || /\.(?:tar\.gz|tgz)$/.test(name)) {
    throw new UsageError(
      `Cannot run ${command}: with ELASTIK_STORE it takes a folder; ${instead}`,
    );
  }
  const [option] = Object.keys(options);
  if (option === undefined) return;
  throw new UsageError(`Cannot run ${command}: --${option} has no effect with ELASTIK_STORE`);
}

/** Reports an error that the operator can understand. */
function failed(
  error: unknown,
  signal: AbortSignal,
  what: string,
  expected: readonly (abstract new (...args: never[]) => Error)[],
): number {
  if (signal.aborted || !(error instanceof Error) || error instanceof SessionError) throw error;
  const isExpected = expected.some((type) => error instanceof type);
  console.error(sanitizeText(isExpected ? error.message : `${what}: ${explainFsError(error)}`));
  return 2;
}
