/**
 * Compares two versions of a world in a Worker of the store, so that a long comparison delays no request.
 * The Worker starts with the first comparison.
 */

import { HISTORY_BYTES, HISTORY_VERSIONS, MAX_WORLD_BYTES } from "../../limits.ts";
import type { EarlyWorker } from "../../base/early_worker.ts";
import type { World } from "../store.ts";
import { WorkerClient } from "../store/worker_client.ts";

/** Options of {@link DiffWorker}. */
export interface DiffWorkerOptions {
  /** URL of the store Worker's module. */
  readonly url: string;
  /** Worker of that module that has been started. */
  readonly early?: EarlyWorker | undefined;
  /** A folder of this process only; the Worker finds no worlds there. */
  readonly folder: string;
  /** Called once if the Worker stops. */
  readonly onExit: (reason: string) => void;
}

/** The Worker of one node. */
export class DiffWorker {
  readonly #worker: WorkerClient;

  constructor({ url, early, folder, onExit }: DiffWorkerOptions) {
    const setup = {
      role: "reader",
      shard: 0,
      data: folder,
      // It signs and reads no world.
      key: "",
      sync: "full",
      history: { versions: HISTORY_VERSIONS, bytes: HISTORY_BYTES },
      maxWorldBytes: MAX_WORLD_BYTES,
      handles: 1,
      lockWaitMs: 0,
    } as const;
    const events = { onFilesClosed: () => {}, onExit };
    this.#worker = new WorkerClient(url, setup, events, early === undefined ? {} : { early });
  }

  /** Returns the unified diff of two text versions; empty if they are equal. */
  async compare(before: World, after: World): Promise<string> {
    const toText = ({ name, version, body }: World) => ({ name, note: `version ${version}`, body });
    return await this.#worker.run<"diff">({
      kind: "diff",
      before: toText(before),
      after: toText(after),
    });
  }

  /** Waits for the running comparisons and ends the Worker. */
  async close(): Promise<void> {
    await this.#worker.close();
    this.#worker.terminate();
  }
}
