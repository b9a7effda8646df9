/**
 * Opens the store of a server, and what belongs to the engine: the keys, and the tokens that a server with a
 * data folder keeps there. A node of a cluster has no data folder and makes up no secret; its proof key
 * comes from the key that all nodes share.
 */

import type { EarlyWorker } from "../base/early_worker.ts";
import { hmacSha256 } from "../base/hash.ts";
import { explainNodeSettings } from "../cluster_config.ts";
import { type Config, ConfigError } from "../config.ts";
import { PROPERTY_RECORDS } from "../dav/resource/property_record.ts";
import { isPrivatePath } from "../auth/policy.ts";
import { STORE_REDACTION } from "../auth/redact.ts";
import { STORE_FAILURE_DELAY_MS } from "../limits.ts";
import { VERSION } from "../version.ts";
import {
  acquireDataFolder,
  loadOrCreateSecret,
  PROOF_KEY_FILE,
} from "../world/file/data_folder.ts";
import { loadNodeKeys, loadSigningKeys } from "../world/file/signing_keys.ts";
import type { Store, World } from "../world/store.ts";
import { openSqliteStore } from "../world/store/sqlite_store.ts";
import { SessionError } from "../world/postgres/session.ts";
import { parseStoreUrl, StoreUrlError } from "../world/postgres/store_url.ts";
import type { DescriptorBudget } from "./descriptor_budget.ts";

/** What the store of a server needs in addition to the settings. */
export interface OpenStoreOptions {
  readonly config: Config;
  readonly lower: ReadonlyMap<string, World>;
  /** URL of the module of the store's Workers. */
  readonly workerUrl: string;
  /** Worker of that module that has been started. */
  readonly reader?: EarlyWorker;
  readonly descriptors: DescriptorBudget;
  /** Resolves when the server listens. */
  readonly listening: Promise<void>;
  /** Called if the store cannot continue. */
  readonly onFailure: (reason: string) => void;
  readonly log: (line: string) => void;
}

/** The store with the secrets of its server. */
export interface ServerStore {
  readonly store: Store;
  /** Signing key of events and capabilities. */
  readonly key: string;
  readonly approveToken: string;
  /** Whether this start has generated the approve token. */
  readonly isNewToken: boolean;
  /** Key with which the server proves its identity to the command line on the same computer. */
  readonly proofKey: string;
  /** Releases what was opened if the start fails later. */
  release(): void;
}

/**
 * Opens the store.
 *
 * @throws {ConfigError} if a setting is missing or invalid, or the database cannot be used
 * @throws {DataFolderBusy} if another server holds the data folder
 */
export async function openServerStore(options: OpenStoreOptions): Promise<ServerStore> {
  return await (options.config.store === undefined ? openFolder(options) : openNode(options));
}

/** Options that both engines have. */
function commonOptions({ config, lower, workerUrl, reader, log }: OpenStoreOptions) {
  return {
    lower,
    workerUrl,
    ...(reader === undefined ? {} : { reader }),
    sync: config.sync,
    history: config.history,
    ...(config.trashMs === undefined ? {} : { trashMs: config.trashMs }),
    maxWorldBytes: config.maxWorldBytes,
    cacheBytes: config.cacheBytes,
    longJobs: config.longJobs,
    longReads: config.longReads,
    searches: config.searches,
    snapshots: { ...config.snapshots, stallMs: config.edgeLimits.unreadTimeoutMs },
    isRestricted: (name: string) => isPrivatePath(`/${name}`),
    redaction: STORE_REDACTION,
    attached: PROPERTY_RECORDS,
    log,
  };
}

async function openFolder(options: OpenStoreOptions): Promise<ServerStore> {
  const { config, descriptors, listening, onFailure, log } = options;
  const folder = acquireDataFolder(config.data);
  try {
    const { key, retired } = loadSigningKeys(config.data, config.key, log);
    const approve = config.approveToken === undefined
      ? loadOrCreateSecret(config.data, ".approve-token")
      : { secret: config.approveToken, fresh: false };
    const store = await openSqliteStore({
      ...commonOptions(options),
      folder,
      key,
      retiredKeys: retired,
      indexAfter: listening,
      writers: config.writers,
      lockWaitMs: config.lockWaitMs,
      handles: descriptors.worldsPerWorker,
      startAtOnce: descriptors.isScarce,
      onWorkerExit: onFailure,
      onDetached: (fault) => reportLater(onFailure, fault),
    });
    return {
      store,
      key,
      approveToken: approve.secret,
      isNewToken: approve.fresh,
      proofKey: loadOrCreateSecret(config.data, PROOF_KEY_FILE).secret,
      release: () => folder.release(),
    };
  } catch (error) {
    folder.release();
    throw error;
  }
}

async function openNode(options: OpenStoreOptions): Promise<ServerStore> {
  const { config, onFailure, log } = options;
  const { store: address = "", node = "", key = "", approveToken = "" } = config;
  const fault = explainNodeSettings(config);
  if (fault !== undefined) throw new ConfigError(fault);
  // Loaded here, because a server with a data folder never needs it.
  const { openPostgresStore, UnusableStore } = await import(
    "../world/postgres/open_postgres_store.ts"
  );
  const reports: string[] = [];
  try {
    const store = await openPostgresStore({
      ...commonOptions(options),
      url: parseStoreUrl(address),
      node,
      version: VERSION,
      key,
      // `elastik key rotate` keeps them in the folder, which a node uses for nothing else.
      retiredKeys: loadNodeKeys(config.data, key, (line) => reports.push(line)),
      feed: config.feed,
      staleMs: config.staleMs,
      patienceMs: config.patienceMs,
      onWorkerExit: onFailure,
      onUnusable: (reason) => reportLater(onFailure, reason),
    });
    // Only now it is known that the key is the one of the store.
    reports.forEach(log);
    return {
      store,
      key,
      approveToken,
      isNewToken: false,
      proofKey: hmacSha256(key, "server proof").toHex(),
      // The sessions end with the process.
      release: () => {},
    };
  } catch (error) {
    const isSentence = error instanceof UnusableStore || error instanceof StoreUrlError;
    if (isSentence) throw new ConfigError(error.message);
    if (!(error instanceof SessionError)) throw error;
    throw new ConfigError(`Cannot use ${parseStoreUrl(address)}: ${error.message}`);
  }
}

/** Reports after a pause, which lets the 503 responses of waiting requests reach their clients. */
function reportLater(report: (reason: string) => void, reason: string): void {
  Deno.unrefTimer(setTimeout(() => report(reason), STORE_FAILURE_DELAY_MS));
}
