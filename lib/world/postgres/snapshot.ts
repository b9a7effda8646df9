/**
 * Snapshots of worlds in the database: each is the SQLite file that the other engine would give. The
 * limits, the shared jobs and the streams of long copies are those of `SnapshotFiles`.
 */

import { LONG_JOB_IDLE_MS } from "../../cluster_limits.ts";
import { MAX_IN_MEMORY_SNAPSHOT_BYTES } from "../../limits.ts";
import { type ChainSigner, createChainSigner } from "../event_chain.ts";
import { copyToFile, copyToMemory, type WriteCopy } from "../file/copy_target.ts";
import { INCOMING_FOLDER } from "../file/durable_fs.ts";
import { WorldCopy } from "../file/world_copy.ts";
import { namedWorlds } from "../named_worlds.ts";
import type { JobCaller, Snapshot } from "../store.ts";
import type { SnapshotCounts } from "../store_counts.ts";
import type { LongJobs } from "../store/long_jobs.ts";
import { SnapshotFiles, type SnapshotLimits } from "../store/snapshot_files.ts";
import type { SnapshotResult } from "../store/worker_messages.ts";
import { type QuerySession, type QuerySessions, readConsistently } from "./query_sessions.ts";
import { WORLD_BYTES } from "./reads.ts";
import { writeStoredWorld } from "./stored_copy.ts";
import { readWorldState } from "./world_facts.ts";

const FIND = `SELECT id, ${WORLD_BYTES} AS bytes FROM elastik.worlds WHERE name = $1`;

/** What {@link WorldCopies} needs. */
export interface WorldCopiesOptions {
  readonly sessions: QuerySessions;
  /** Signer of the chains. */
  readonly sign: ChainSigner;
  /** A folder of this process only, for the files of long copies. */
  readonly folder: string;
  readonly jobs: Pick<LongJobs, "run">;
  /** Number of earlier versions in a copy. */
  readonly keepVersions: number;
  readonly limits?: SnapshotLimits;
}

/** See the module. */
export class WorldCopies {
  readonly #options: WorldCopiesOptions;
  readonly #files: SnapshotFiles;

  constructor(options: WorldCopiesOptions) {
    this.#options = options;
    const { sessions, folder, jobs, limits } = options;
    this.#files = new SnapshotFiles(
      folder,
      { copy: (job, signal) => this.#copy(job, signal) },
      jobs,
      limits,
      (name) => sessions.use((session) => readWorldState(session, name)),
    );
  }

  /** Figures about long copies. */
  get counts(): SnapshotCounts {
    return this.#files.counts;
  }

  /**
   * Creates a copy of a world.
   *
   * @param key signing key of the copy; if absent, the HMACs are kept
   * @returns undefined if no world has the name
   * @throws {StoreError} `busy` if too many copies wait or are being read
   */
  create(name: string, key?: string, caller: JobCaller = {}): Promise<Snapshot | undefined> {
    return this.#files.create(name, key, caller);
  }

  async #copy(
    { name, path, key }: { readonly name: string; readonly path: string; readonly key?: string },
    signal: AbortSignal,
  ): Promise<SnapshotResult | undefined> {
    return await this.#options.sessions.use((session) =>
      readConsistently(session, LONG_JOB_IDLE_MS, async () => {
        const [found] = await session.query(FIND, [name]);
        if (found === undefined) return undefined;
        const write = this.#writer(session, Number(found.id), key, signal);
        if (Number(found.bytes) <= MAX_IN_MEMORY_SNAPSHOT_BYTES) return await copyToMemory(write);
        const { folder } = this.#options;
        await Deno.mkdir(`${folder}/${INCOMING_FOLDER}`, { recursive: true, mode: 0o700 });
        return await copyToFile(path, write);
      })
    );
  }

  #writer(
    session: QuerySession,
    world: number,
    key: string | undefined,
    signal: AbortSignal,
  ): WriteCopy<Pick<SnapshotResult, "version" | "named">> {
    const { sign, keepVersions: versions } = this.#options;
    const signers = key === undefined
      ? {}
      : { signers: { from: sign, to: createChainSigner(key) } };
    return async (to) => {
      const named = new Set<string>();
      const onPayload = (payload: string) =>
        namedWorlds(payload).forEach((path) => named.add(path));
      const begin = () => new WorldCopy(to, { ...signers, onPayload });
      const version = await writeStoredWorld(session, world, begin, { versions, signal });
      return { version: version ?? 0, named: [...named] };
    };
  }
}
