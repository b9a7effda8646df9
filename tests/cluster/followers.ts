/**
 * Followers of a run: readers of streams that connect to another node again and again, with
 * `Last-Event-ID`, and followers of `/proc/changes` that keep their cursor. They record what they
 * receive.
 */

import { EventReader } from "../support/event_reader.ts";
import { createRandom } from "../support/random.ts";
import type {
  ChangeRow,
  ChangesRecord,
  CollectionRecord,
  StreamEvent,
  StreamRecord,
} from "./history.ts";

/** What a follower needs. */
export interface FollowerOptions {
  readonly seed: number;
  /** Addresses of the nodes; undefined for one that does not run now. */
  readonly urls: () => readonly (string | undefined)[];
  /** Headers of a caller that can read everything. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Least and most milliseconds of a connection. */
const CONNECTION_MS = [150, 900] as const;
/** A stream without bytes for so many milliseconds has ended: its node can be cut off. */
const SILENCE_MS = 10_000;
/** Pause after a connection that failed, in milliseconds. */
const RETRY_MS = 30;
/** Longest wait of one request for changes, in seconds. */
const WAIT_SECONDS = 1;
const PAGE = 1000;
/** Most milliseconds of one request for changes. */
const REQUEST_MS = 10_000;
/** Most milliseconds until a follower has received everything, and of a connection then. */
const DRAIN_MS = 300_000;

/** A follower that runs until it is drained. */
abstract class Follower {
  protected readonly options: FollowerOptions;
  readonly #random: () => number;
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** Whether all writes have ended: a connection then lasts until it has brought everything. */
  #isDraining = false;
  /** Ends the open connection. */
  #close: () => void = () => {};
  #node = -1;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.#random = createRandom(options.seed);
  }

  /** Starts to follow. */
  start(): void {
    this.#running = this.#run();
    this.#running.catch(() => {}); // stop() reports it
  }

  /** Stops. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#close();
    await this.#running;
  }

  /**
   * Waits until it has received everything, and stops it. If that takes too long, it stops too, and the
   * checks report what is missing.
   */
  protected async drain(isComplete: () => boolean): Promise<void> {
    const end = performance.now() + DRAIN_MS;
    this.#isDraining = true;
    while (!isComplete() && performance.now() < end) await pause(RETRY_MS);
    await this.stop();
  }

  /**
   * Reads the events of a stream for some time.
   *
   * @param headers headers in addition to those of the caller
   */
  protected async read(
    path: string,
    lifeMs: number,
    headers: Record<string, string>,
    take: (type: string, data: unknown, id: string) => void,
  ): Promise<void> {
    const reader = await EventReader.open(
      path,
      { ...this.options.headers, ...headers },
      SILENCE_MS,
    );
    const close = () => void reader.close();
    // It closes also if no event comes.
    const timer = setTimeout(close, lifeMs);
    this.#close = close;
    try {
      if (reader.response.status !== 200) return await pause(RETRY_MS);
      while (!this.#isStopped) {
        const event = await reader.next().catch((error: unknown) => {
          // The timer, or the end.
          if (error instanceof DOMException && error.name === "AbortError") return undefined;
          throw error;
        });
        if (event === undefined) return;
        take(event.type, JSON.parse(event.data), event.lastEventId);
      }
    } finally {
      clearTimeout(timer);
      this.#close = () => {};
      await reader.close();
    }
  }

  /** Follows one node until the connection ends, or for some milliseconds. */
  protected abstract connect(url: string, lifeMs: number): Promise<void>;

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const url = this.#nextUrl();
      const [least, most] = CONNECTION_MS;
      const lifeMs = least + this.#random() * (most - least);
      try {
        if (url === undefined) await pause(RETRY_MS);
        else await this.connect(url, this.#isDraining ? DRAIN_MS : lifeMs);
      } catch (error) {
        // The connection broke, or no bytes came in time.
        if (!(error instanceof TypeError || error instanceof DOMException || isTimeout(error))) {
          throw error;
        }
        await pause(RETRY_MS);
      }
    }
  }

  /** The next node that runs, another one than the last if possible. */
  #nextUrl(): string | undefined {
    const urls = this.options.urls();
    for (let step = 1; step <= urls.length; step++) {
      const node = (this.#node + step) % urls.length;
      if (urls[node] === undefined) continue;
      this.#node = node;
      return urls[node];
    }
    return undefined;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "no bytes in time";
}

/** Reads the stream of one world. */
export class StreamFollower extends Follower {
  readonly #record: StreamRecord & { readonly events: StreamEvent[] };
  #lastId: string | undefined;

  constructor(options: FollowerOptions, world: string) {
    super(options);
    this.#record = { reader: `reader ${options.seed}`, world, events: [] };
  }

  /** Stops after it has received the last version. */
  async finish(version: number): Promise<StreamRecord> {
    await this.drain(() => (this.#record.events.at(-1)?.version ?? 0) >= version);
    return this.#record;
  }

  protected override async connect(url: string, lifeMs: number): Promise<void> {
    const { world, events } = this.#record;
    let isFirst = this.#lastId === undefined;
    await this.read(`${url}/stream/${world}`, lifeMs, resume(this.#lastId), (type, data, id) => {
      const { stage_html, version } = data as { stage_html?: string; version: number }; // checked by the rules
      const text = stage_html === undefined ? {} : { text: stage_html };
      const kind = type === "delete" ? "delete" : "update";
      events.push({ kind, version, ...text, ...(isFirst ? { isFirst } : {}) });
      isFirst = false;
      this.#lastId = id;
    });
  }
}

/** Reads the stream of a collection, with all worlds below it. */
export class CollectionFollower extends Follower {
  readonly #record: {
    readonly reader: string;
    readonly prefix: string;
    readonly events: (StreamEvent & { world: string })[];
    worlds: Map<string, number>;
  };
  #lastId: string | undefined;

  constructor(options: FollowerOptions, prefix: string) {
    super(options);
    this.#record = { reader: `reader ${options.seed}`, prefix, events: [], worlds: new Map() };
  }

  /** Stops after it has the versions of all worlds. */
  async finish(worlds: ReadonlyMap<string, number>): Promise<CollectionRecord> {
    await this.drain(() => {
      const own = this.#record.worlds;
      return own.size === worlds.size && [...worlds].every(([name, v]) => own.get(name) === v);
    });
    return this.#record;
  }

  protected override async connect(url: string, lifeMs: number): Promise<void> {
    const record = this.#record;
    const path = `${url}/stream/${record.prefix}?deep&brief`;
    await this.read(path, lifeMs, resume(this.#lastId), (type, data, id) => {
      this.#lastId = id;
      if (type === "list") {
        const rows = data as { name: string; version?: number }[]; // checked by the rules
        record.worlds = new Map(
          rows.flatMap(({ name, version }) => version === undefined ? [] : [[name, version]]),
        );
        return;
      }
      const { name: world, version } = data as { name: string; version: number }; // checked by the rules
      const kind = type === "delete" ? "delete" : "update";
      record.events.push({ kind, version, world });
      if (kind === "delete") record.worlds.delete(world);
      else record.worlds.set(world, version);
    });
  }
}

/** Follows `/proc/changes`. */
export class ChangesFollower extends Follower {
  readonly #record: ChangesRecord & { readonly rows: ChangeRow[] };
  #cursor: string | undefined;
  /** Empty answers to requests that began after all writes had ended. */
  #empty = 0;
  #isDraining = false;

  constructor(options: FollowerOptions, prefix: string) {
    super(options);
    this.#record = { follower: `follower ${options.seed}`, prefix, rows: [] };
  }

  /** Stops after an answer has nothing new. */
  async finish(): Promise<ChangesRecord> {
    this.#isDraining = true;
    await this.drain(() => this.#empty > 1);
    return this.#record;
  }

  protected override async connect(url: string): Promise<void> {
    const { prefix, rows } = this.#record;
    const after = this.#cursor === undefined ? "" : `&after=${this.#cursor}`;
    const wait = this.#isDraining ? 0 : WAIT_SECONDS;
    const isDraining = this.#isDraining;
    const response = await fetch(
      `${url}/proc/changes/${prefix}?limit=${PAGE}&wait=${wait}${after}`,
      {
        headers: { ...this.options.headers, "cache-control": "no-cache" },
        signal: AbortSignal.timeout(REQUEST_MS),
      },
    );
    const text = await response.text();
    // 404: nothing exists below the prefix yet. 507: a full disk has no place for the list of changes.
    if ([404, 503, 507].includes(response.status)) return await pause(RETRY_MS);
    if (response.status !== 200) {
      throw new Error(`/proc/changes answers ${response.status} ${text}`);
    }
    const { changes, cursor }: { changes: ChangeRow[]; cursor: string } = JSON.parse(text);
    rows.push(...changes);
    this.#cursor = cursor;
    if (isDraining && changes.length === 0) this.#empty += 1;
  }
}

function resume(lastId: string | undefined): Record<string, string> {
  return lastId === undefined ? {} : { "last-event-id": lastId };
}

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}
