/**
 * Copies of worlds for snapshots. Making a copy is a long job that callers of the same copy share.
 * A short copy is in memory. A long copy is a temporary file that is unlinked after its callers
 * have opened it, so that it disappears when their streams end or the process stops.
 *
 * The number of streams of long copies is limited, in total and per client. A stream that its
 * receiver does not read for some time is ended, so that it does not keep its place.
 */

import { EDGE_LIMITS, MAX_SNAPSHOT_FILES, MAX_SNAPSHOT_FILES_PER_CLIENT } from "../../limits.ts";
import { INCOMING_FOLDER, tryRemove, WORLD_FILE } from "../file/durable_fs.ts";
import { type FileState, readFileState } from "../file/file_state.ts";
import { toFolderName } from "../name.ts";
import { type JobCaller, type Snapshot, StoreError } from "../store.ts";
import type { SnapshotCounts } from "../store_counts.ts";
import type { LongJobs } from "./long_jobs.ts";
import type { SnapshotResult } from "./worker_messages.ts";
import type { WorldFiles } from "./world_files.ts";

/** Bytes that are read from a copy at a time. */
const CHUNK_BYTES = 64 * 1024;

/** Limits of {@link SnapshotFiles}. */
export interface SnapshotLimits {
  /** Streams of long copies. */
  readonly files: number;
  readonly filesPerClient: number;
  /** A stream ends if its receiver does not read for this long, in milliseconds. */
  readonly stallMs: number;
}

const DEFAULT_LIMITS: SnapshotLimits = {
  files: MAX_SNAPSHOT_FILES,
  filesPerClient: MAX_SNAPSHOT_FILES_PER_CLIENT,
  stallMs: EDGE_LIMITS.unreadTimeoutMs,
};

/** The result of a copy, with the number of callers that have not opened it yet. */
interface SharedCopy {
  readonly result: SnapshotResult | undefined;
  users: number;
}

/** Creates snapshots and limits the number of long ones. */
export class SnapshotFiles {
  readonly #data: string;
  readonly #files: Pick<WorldFiles, "copy">;
  readonly #jobs: Pick<LongJobs, "run">;
  readonly #limits: SnapshotLimits;
  readonly #readState: (name: string) => Promise<FileState>;
  /** The client of each stream of a long copy; undefined for the server itself. */
  readonly #open = new Set<{ readonly client: string | undefined }>();
  readonly #refused = { total: 0, client: 0 };
  #stalled = 0;
  #serial = 0;

  /**
   * @param data path of the data folder
   * @param files copies worlds, to a file if the copy is long
   * @param jobs runs the copies
   * @param readState reads the state of a world; by default that of its file
   */
  constructor(
    data: string,
    files: Pick<WorldFiles, "copy">,
    jobs: Pick<LongJobs, "run">,
    limits: SnapshotLimits = DEFAULT_LIMITS,
    readState?: (name: string) => Promise<FileState>,
  ) {
    this.#data = data;
    this.#files = files;
    this.#jobs = jobs;
    this.#limits = limits;
    this.#readState = readState ??
      ((name) => readFileState(`${data}/${toFolderName(name)}/${WORLD_FILE}`));
  }

  /** Number of streams of long copies, and what happened since the start. */
  get counts(): SnapshotCounts {
    return { open: this.#open.size, refused: { ...this.#refused }, stalled: this.#stalled };
  }

  /**
   * Creates a copy of a world.
   *
   * @param key signing key of the copy; if absent, the HMACs are kept
   * @returns `undefined` if the world has no file
   * @throws {StoreError} `busy` if the maximum number of long copies is reached, and errors of the
   * copy
   */
  async create(name: string, key?: string, caller: JobCaller = {}): Promise<Snapshot | undefined> {
    this.#assertPlace(caller);
    const copy = await this.#copy(name, key, caller);
    const { result } = copy;
    if (result === undefined) return undefined;
    const { version, named } = result;
    if ("bytes" in result) {
      return { version, named, length: result.bytes.length, body: result.bytes };
    }
    const { path, length } = result;
    const stream = { client: caller.client };
    const done = () => void this.#open.delete(stream);
    const onStall = () => void (this.#stalled += 1);
    try {
      // Other copies can have been created since the first check.
      this.#assertPlace(caller);
      this.#open.add(stream);
      const file = await Deno.open(path, { read: true });
      return { version, named, length, body: contentOf(file, this.#limits.stallMs, done, onStall) };
    } catch (error) {
      done();
      throw error;
    } finally {
      copy.users -= 1;
      if (copy.users <= 0) tryRemove(path);
    }
  }

  /** Makes a copy, or waits for the same copy of another caller. */
  async #copy(name: string, key: string | undefined, caller: JobCaller): Promise<SharedCopy> {
    return await this.#jobs.run<SharedCopy>({
      key: `copy ${key ?? ""} ${name}`,
      name,
      fileState: await this.#readState(name),
      start: async (signal) => {
        const path = `${this.#data}/${INCOMING_FOLDER}/copy-${this.#serial++}.db`;
        const optionalKey = key === undefined ? {} : { key };
        const result = await this.#files.copy(
          { kind: "snapshot", name, path, ...optionalKey },
          signal,
        );
        return { result, users: 0 };
      },
      onResult: (copy, callers) => {
        copy.users = callers;
        if (callers > 0 || copy.result === undefined || "bytes" in copy.result) return;
        tryRemove(copy.result.path);
      },
    }, caller);
  }

  #assertPlace({ client }: JobCaller): void {
    const { files, filesPerClient } = this.#limits;
    const own = [...this.#open].filter((stream) => stream.client === client).length;
    const limit = this.#open.size >= files
      ? "total"
      : client !== undefined && own >= filesPerClient
      ? "client"
      : undefined;
    if (limit === undefined) return;
    this.#refused[limit] += 1;
    const fault = limit === "total"
      ? `${this.#open.size} long copies are being read; at most ${files} are allowed`
      : `this client reads ${own} long copies; at most ${filesPerClient} are allowed`;
    throw new StoreError("busy", `Cannot copy the world: ${fault}`);
  }
}

/**
 * Streams a file with back-pressure: the next bytes are read when the receiver asks for them.
 *
 * @param stallMs the stream ends with an error if the receiver does not read for this long
 * @param done called once at the end
 * @param onStall called if the receiver did not read
 */
function contentOf(
  file: Deno.FsFile,
  stallMs: number,
  done: () => void,
  onStall: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = once(() => {
    clearTimeout(timer);
    file.close();
    done();
  });
  let control: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  function waitForReceiver(): void {
    timer = setTimeout(() => {
      onStall();
      end();
      control?.error(new Error("the receiver of the copy does not read it"));
    }, stallMs);
  }
  return new ReadableStream({
    start(controller) {
      control = controller;
      waitForReceiver();
    },
    async pull(controller) {
      clearTimeout(timer);
      try {
        const chunk = new Uint8Array(CHUNK_BYTES);
        const read = await file.read(chunk);
        if (read !== null) {
          waitForReceiver();
          return controller.enqueue(chunk.subarray(0, read));
        }
        end();
        controller.close();
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

function once(action: () => void): () => void {
  let hasRun = false;
  return () => {
    if (hasRun) return;
    hasRun = true;
    action();
  };
}
