/**
 * The PostgreSQL store as the target of commands on this computer: opens sessions with its primary, and
 * keeps commands that work on a data folder from an empty folder when `ELASTIK_STORE` is set.
 */

import { sanitizeText } from "../base/sanitize_text.ts";
import type { Config } from "../config.ts";
import { explainMachine, readMachine } from "../world/postgres/machine.ts";
import { findPrimaryPatiently, openPatiently } from "../world/postgres/primary.ts";
import { POSTGRES_SCHEMA_VERSION } from "../world/postgres/schema.ts";
import { SessionError } from "../world/postgres/session.ts";
import { createSessionPool, type SessionPool } from "../world/postgres/session_pool.ts";
import { COMMIT_WAITS, watchStandby } from "../world/postgres/standby_wait.ts";
import { parseStoreUrl, type StoreUrl, StoreUrlError } from "../world/postgres/store_url.ts";
import { UsageError } from "./parse_args.ts";

/** Exit codes: a commit waits for a standby, the store refused, no primary can be reached. */
const UNCONFIRMED = 1;
const FAILED = 2;
const UNREACHABLE = 3;

/** Sessions of a command, at most. */
const SESSIONS = 4;

/** What to do before a command that works on a data folder. */
export const EXPORT_FIRST = "first export them, elastik export <folder>, then name the folder";

/** The settings that a store needs. */
export type StoreConfig = Pick<Config, "store" | "key">;

/** What a command gets. */
export interface OpenStore {
  readonly sessions: SessionPool;
  /** The URL without its password. */
  readonly shown: string;
  /** `ELASTIK_KEY`, which is the key of the store. */
  readonly key: string;
  /** Ids of the retired keys that earlier events need. */
  readonly retiredKeys: readonly string[];
}

/**
 * Calls a function with sessions of the store.
 *
 * @param command name of the command, for messages
 * @returns the exit code: that of the function, 1 if a commit waits for a standby that is not connected, 2 if the
 * store cannot be used, 3 if it cannot be reached
 * @throws {UsageError} if a setting is missing or malformed
 */
export async function useStore(
  { store: text, key }: StoreConfig,
  command: string,
  use: (store: OpenStore) => Promise<number>,
): Promise<number> {
  const store = parseStore(text ?? "");
  if (key === undefined) {
    throw new UsageError(
      `Cannot run ${command}: ELASTIK_KEY is not set; it must be the key of the store`,
    );
  }
  const shown = store.toString();
  const fail = (reason: string) =>
    console.error(sanitizeText(`Cannot run ${command} on ${shown}: ${reason}`));
  let sessions: SessionPool | undefined;
  try {
    const { host } = await findPrimaryPatiently(store);
    const open = () => openPatiently({ store, host }, command);
    sessions = createSessionPool(async () => watchStandby(await open(), open), SESSIONS);
    const machine = await sessions.use((session) => readMachine(session));
    const fault = explainMachine(machine, key, POSTGRES_SCHEMA_VERSION);
    if (fault !== undefined) {
      fail(fault);
      return FAILED;
    }
    return await use({ sessions, shown, key, retiredKeys: machine?.retiredKeys ?? [] });
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    if (error.code === COMMIT_WAITS) {
      fail(error.message);
      return UNCONFIRMED;
    }
    fail(error.isUnknown ? `${error.message}; run it again, what is done stays` : error.message);
    return error.code === "refused" && error.sqlState === undefined ? UNREACHABLE : FAILED;
  } finally {
    sessions?.close();
  }
}

function parseStore(text: string): StoreUrl {
  try {
    return parseStoreUrl(text);
  } catch (error) {
    throw error instanceof StoreUrlError ? new UsageError(error.message) : error;
  }
}

/**
 * Refuses a command that works on a data folder while the worlds are in a store.
 *
 * @param named the folder that the command line names; undefined for that of the settings
 * @param instead what to do
 * @throws {UsageError}
 */
export function assertNoStore(
  { store }: { readonly store?: string | undefined },
  command: string,
  named: string | undefined,
  instead: string,
): void {
  if (store === undefined || named !== undefined) return;
  throw new UsageError(
    `Cannot run ${command}: the worlds are in the store that ELASTIK_STORE names; ${instead}`,
  );
}
