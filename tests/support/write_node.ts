/** A node that only writes: a write queue over a database, for tests of the write path. */

import { createChainSigner } from "../../lib/world/event_chain.ts";
import { createTrashId } from "../../lib/world/file/durable_fs.ts";
import { type Precondition, StoreError } from "../../lib/world/store.ts";
import type { Committed } from "../../lib/world/postgres/queued_job.ts";
import { openSession, type Session } from "../../lib/world/postgres/session.ts";
import { createSessionPool, type SessionPool } from "../../lib/world/postgres/session_pool.ts";
import type { StoreJob } from "../../lib/world/postgres/stage_batch.ts";
import { WriteQueue, type WriteQueueOptions } from "../../lib/world/postgres/write_queue.ts";
import { PATIENT_MS } from "./database_session.ts";
import type { PostgresDatabase } from "./postgres_database.ts";

const TEXT = new TextEncoder();
export const TEST_KEY = "key of the tests";

/** What a job can have besides its kind and name. */
export interface JobExtras {
  readonly by?: string;
  readonly match?: number;
  readonly noneMatch?: boolean;
  readonly ext?: string;
  readonly idem?: string;
}

/** Options of a node. */
export interface WriteNodeOptions extends Partial<WriteQueueOptions> {
  readonly history?: { readonly versions: number; readonly bytes: number };
  readonly key?: string;
  /** Replaces each session that the node opens. */
  readonly wrap?: (session: Session) => Session;
  /** Why the database does not answer. */
  readonly trouble?: string;
}

/** One node. `await using` waits for its changes and ends its sessions. */
export class WriteNode {
  readonly queue: WriteQueue;
  /** The newest event of each world that this node has written, as its memory has it. */
  readonly heads = new Map<string, { world: number; event: number }>();
  readonly #wrap: (session: Session) => Session;
  #pool: SessionPool;
  /** Times that the sessions were replaced. */
  reconnects = 0;
  /** Identities of the batches that were sent. */
  readonly batches: string[] = [];
  /** Number of the accounts and plugins by which its batches are judged. */
  #authority = 0;

  constructor(
    readonly database: PostgresDatabase,
    readonly id: string,
    options: WriteNodeOptions = {},
  ) {
    const { history = { versions: 8, bytes: 1_000_000 }, key = TEST_KEY, ...more } = options;
    this.#wrap = options.wrap ?? ((session) => session);
    this.#pool = this.#connect();
    const pool = () => this.#pool;
    this.queue = new WriteQueue({
      link: {
        get write() {
          return pool();
        },
        reconnect: (failed) => {
          if (failed === this.#pool) {
            this.reconnects += 1;
            failed.close();
            this.#pool = this.#connect();
          }
          return Promise.resolve();
        },
        trouble: options.trouble,
        createUnreachableError: (_, world) => new StoreError("unreachable", "no primary", world),
      },
      stage: {
        sign: createChainSigner(key),
        history,
        maxWorldBytes: 16 * 1024 * 1024,
        now: () => new Date().toISOString(),
        createTrashId: () => createTrashId(new Date().toISOString()),
        isRestricted: (name) => name.startsWith("etc/"),
      },
      headOf: (name) => this.heads.get(name),
      guard: () => ({ guard: 0, authority: this.#authority }),
      onGuardRaised: () => Promise.resolve(),
      onAuthorityRaised: async () => {
        const [row] = await this.#pool.use((session) =>
          session.query("SELECT authority FROM elastik.guard")
        );
        this.#authority = Number(row?.authority);
      },
      afterCommit: () => {},
      newBatch: () => {
        const batch = `${id}.${this.batches.length}`;
        this.batches.push(batch);
        return batch;
      },
      monotonic: () => performance.now(),
      patienceMs: PATIENT_MS,
      ...more,
    });
  }

  /** Sessions of the node. */
  get pool(): SessionPool {
    return this.#pool;
  }

  /** Commits a job and keeps what the node knows of its worlds. */
  submit(job: StoreJob): Promise<Committed> {
    return this.queue.submit(job, (committed) => {
      for (const { world, events } of committed.changes) {
        const last = events.at(-1);
        if (last === undefined) continue;
        if (last.kind === "delete") this.heads.delete(last.name);
        else this.heads.set(last.name, { world, event: last.id });
        if (last.kind === "move" && last.also !== undefined) this.heads.delete(last.also);
      }
      return committed;
    });
  }

  put(name: string, body: string | Uint8Array<ArrayBuffer>, extras: JobExtras = {}) {
    const bytes = typeof body === "string" ? TEXT.encode(body) : body;
    const { ext = "txt" } = extras;
    return this.submit({
      ...{ kind: "put", name, body: bytes, ext, meta: [], state: "", eventFields: {} },
      ...toFields(extras),
    });
  }

  append(name: string, body: string | Uint8Array<ArrayBuffer>, extras: JobExtras = {}) {
    const bytes = typeof body === "string" ? TEXT.encode(body) : body;
    const { ext = "txt" } = extras;
    return this.submit({
      ...{ kind: "append", name, body: bytes, ext, state: "" },
      ...toFields(extras),
    });
  }

  remove(name: string, extras: JobExtras = {}) {
    return this.submit({ kind: "remove", name, ...toFields(extras) });
  }

  move(from: string, name: string, more: { replace?: boolean; contentOnly?: boolean } = {}) {
    const { replace = false, contentOnly = false } = more;
    const columns = { ext: "txt", state: "", replace, contentOnly };
    return this.submit({ kind: "rename", name, from, by: "T2", ...columns });
  }

  restore(trash: string, from: string, name = from) {
    const columns = { ext: "txt", state: "", floor: 0 };
    return this.submit({ kind: "restore", name, trash, from, by: "T2", ...columns });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
    this.#pool.close();
  }

  #connect(): SessionPool {
    const { url } = this.database;
    const [host] = url.hosts;
    if (host === undefined) throw new Error("no host");
    return createSessionPool(
      async () =>
        this.#wrap(await openSession({ host, store: url }, { node: this.id, openMs: PATIENT_MS })),
      4,
    );
  }
}

function toFields(
  { by = "T2", match, noneMatch = false, idem }: JobExtras,
): { by: string; precondition?: Precondition; idem?: string } {
  const precondition: Precondition = {
    ...(match === undefined ? {} : { match: [{ version: match }] }),
    ...(noneMatch ? { noneMatch: "*" as const } : {}),
  };
  return {
    by,
    ...(Object.keys(precondition).length === 0 ? {} : { precondition }),
    ...(idem === undefined ? {} : { idem }),
  };
}
