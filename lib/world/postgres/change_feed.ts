/**
 * Follows the change feed: reads the rows after the position of the state and applies them, one round at
 * a time. A round can have the committed batches published first, and can make a replicated commit, so
 * that it is a read barrier and renews the lease. Callers that ask while a round runs share the next one.
 *
 * A round on another timeline of the database first checks that the position is still valid. If the
 * database has lost changes, watchers and followers are told of each difference.
 */

import {
  FEED_LOADED_PAUSE_MS,
  FEED_PAGE_ROWS,
  FEED_PAUSE_MS,
  FEED_POLL_MS,
  LEASE_RENEWAL_MS,
} from "../../cluster_limits.ts";
import type { CursorPosition } from "../change_cursor.ts";
import { placeGradually } from "../store/catalog_places.ts";
import type { ClusterState } from "./cluster_state.ts";
import type { FeedRow, HeadRow } from "./feed_row.ts";
import type { Lease } from "./lease.ts";

/** What a round does: only follows, has batches published first, or makes a replicated commit first. */
export type RoundKind = "follow" | "publish" | "refresh";

/** All marks, and a position that they and all worlds have at least. */
export interface FeedSnapshot {
  readonly position: CursorPosition;
  readonly marks: readonly string[];
  /** Number in the guard of the accounts and revoked capabilities that the worlds have at least. */
  readonly authority: number;
}

/**
 * Takes some of the worlds that are read.
 *
 * @param isFirst whether they are the first ones: what came before is from a try that failed
 */
export type HeadSink = (heads: readonly HeadRow[], isFirst: boolean) => void;

/** The database as the feed needs it. Every call has a deadline. */
export interface FeedSource {
  /** Timeline of the present primary. */
  readonly timeline: number;
  /** Reads rows after a number, in order; publishes first, as the kind of the round says. */
  readRows(after: number, limit: number, kind: RoundKind): Promise<readonly FeedRow[]>;
  /** Reads all worlds and marks as they are at one moment, after a replicated commit. */
  readAll(take: HeadSink): Promise<FeedSnapshot>;
  /** Reads the heads of worlds that have a name. */
  readHeads(worlds: readonly number[]): Promise<readonly HeadRow[]>;
  /** Whether the database has the row of a position. */
  hasPosition(position: CursorPosition): Promise<boolean>;
}

/** Options of {@link ChangeFeed}. */
export interface ChangeFeedOptions {
  readonly source: FeedSource;
  readonly state: ClusterState;
  readonly lease: Lease;
  /** Pause between two polls in milliseconds. */
  readonly pollMs?: number;
  /** Least milliseconds between the beginnings of two rounds that no caller waits for. */
  readonly pauseMs?: number;
  /** The longest of these pauses, which grow with the rows of the last round, in milliseconds. */
  readonly loadedPauseMs?: number;
  /** Pause between two renewals of the lease in milliseconds. */
  readonly renewalMs?: number;
  /** Called after the rows of a round were applied. */
  readonly onRound?: () => void;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

interface Round {
  kind: RoundKind;
  readonly ended: PromiseWithResolvers<void>;
}

/** Names of lost changes that a line of the log has. */
const LOGGED_NAMES = 5;

const STRENGTH: Readonly<Record<RoundKind, number>> = { follow: 0, publish: 1, refresh: 2 };

/** The feed of one node. */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  #timeline = 0;
  #next: Round | undefined;
  #running: Promise<void> | undefined;
  /** Whether the state is loaded: before, a round would apply rows to worlds that are still read. */
  #isLoaded = false;
  #isStopped = false;
  /** The round that begins after the pause, and when the last round began. */
  #later: { kind: RoundKind; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  #beganAt = -Infinity;
  /** Rows of the last round. */
  #lastRows = 0;
  /** Highest number that was announced since the last round began. */
  #announced = 0;
  #poll: ReturnType<typeof setInterval> | undefined;
  #stopPlacing = () => {};
  #renewal: ReturnType<typeof setInterval> | undefined;
  #fault = "";
  #error: unknown;
  #rounds = 0;
  #followedAt = -Infinity;
  #rows = 0;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  /** Rounds and rows since the start. */
  get counts(): { readonly rounds: number; readonly rows: number } {
    return { rounds: this.#rounds, rows: this.#rows };
  }

  /** Whether what was followed is of the present timeline: another primary can lack some of it. */
  get isCurrent(): boolean {
    return this.#timeline === this.#options.source.timeline;
  }

  /** Why the last round failed; undefined if it was applied. */
  get fault(): unknown {
    return this.#error;
  }

  /** Milliseconds since a round that was applied was sent; `Infinity` before the first one. */
  get lagMs(): number {
    return performance.now() - this.#followedAt;
  }

  /** Loads the state, and follows from then on. */
  async start(): Promise<void> {
    const { source, state, lease, pollMs = FEED_POLL_MS, renewalMs = LEASE_RENEWAL_MS } =
      this.#options;
    const sent = lease.stamp();
    this.#timeline = source.timeline;
    const { marks, position, authority } = await source.readAll((heads, isFirst) =>
      state.addHeads(heads, isFirst)
    );
    state.load([], marks, position, authority);
    lease.renew(sent);
    this.#isLoaded = true;
    this.#stopPlacing = placeGradually(state.catalog);
    await this.round("refresh");
    this.#poll = setInterval(() => this.wake("publish"), pollMs);
    this.#renewal = setInterval(() => this.wake("refresh"), renewalMs);
  }

  /**
   * Starts a round that no caller waits for; a failure is reported, and a later round tries again. It begins
   * at once, or after the pause that follows the beginning of the last round. The pause grows with the rows of
   * that round.
   */
  wake(kind: RoundKind = "follow"): void {
    if (this.#isStopped) return;
    if (this.#later !== undefined) {
      if (STRENGTH[kind] > STRENGTH[this.#later.kind]) this.#later.kind = kind;
      return;
    }
    const { pauseMs = FEED_PAUSE_MS, loadedPauseMs = FEED_LOADED_PAUSE_MS } = this.#options;
    const pause = Math.max(pauseMs, Math.min(this.#lastRows, loadedPauseMs));
    const left = Math.ceil(this.#beganAt + pause - performance.now());
    if (left <= 0) this.#start(kind);
    else {
      const begin = () => {
        const kind = this.#later?.kind ?? "follow";
        this.#later = undefined;
        this.#start(kind);
      };
      this.#later = { kind, timer: setTimeout(begin, left) };
    }
  }

  /**
   * A notification announces a number of the feed. The node is told of what it publishes, too: that needs no
   * further round.
   */
  announce(seq: number): void {
    if (seq <= this.#options.state.position.seq) return;
    if (this.#running === undefined) this.wake();
    // The round that runs can bring it.
    else this.#announced = Math.max(this.#announced, seq);
  }

  #start(kind: RoundKind): void {
    if (this.#isStopped) return;
    this.round(kind).catch(() => {
      // Safe to ignore: the round has reported it.
    });
  }

  /**
   * Waits for a round that begins after this call. Before the state is loaded, rounds wait for that.
   *
   * @throws what the source throws; nothing is lost, and a later round tries again
   */
  round(kind: RoundKind): Promise<void> {
    const next = this.#next ??= { kind, ended: Promise.withResolvers() };
    if (STRENGTH[kind] > STRENGTH[next.kind]) next.kind = kind;
    if (this.#isLoaded) this.#running ??= this.#run();
    return next.ended.promise;
  }

  /** Ends the feed after the round that runs. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopPlacing();
    clearInterval(this.#poll);
    clearInterval(this.#renewal);
    clearTimeout(this.#later?.timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    // Not in the tick of the first caller: callers of the same tick share the round.
    await Promise.resolve();
    for (let round = this.#next; round !== undefined; round = this.#next) {
      this.#next = undefined;
      this.#begin(round);
      try {
        await this.#follow(round.kind);
        this.#error = undefined;
        this.#report("");
        round.ended.resolve();
      } catch (error) {
        this.#error = error;
        this.#report(error instanceof Error ? error.message : String(error));
        // Not every caller waits for its round.
        round.ended.promise.catch(() => {});
        round.ended.reject(error);
      }
    }
    this.#running = undefined;
    if (this.#announced > this.#options.state.position.seq) this.wake();
  }

  /** A round that begins serves what has asked for one until now. */
  #begin(round: Round): void {
    this.#beganAt = performance.now();
    this.#announced = 0;
    if (this.#later === undefined) return;
    if (STRENGTH[this.#later.kind] > STRENGTH[round.kind]) round.kind = this.#later.kind;
    clearTimeout(this.#later.timer);
    this.#later = undefined;
  }

  async #follow(kind: RoundKind): Promise<void> {
    const { source, state, lease, onRound } = this.#options;
    this.#rounds++;
    const sent = lease.stamp();
    const sentAt = performance.now();
    let publishing = kind;
    this.#lastRows = 0;
    for (;;) {
      const { timeline } = source;
      if (timeline !== this.#timeline) await this.#reconcile(timeline);
      const rows = await source.readRows(state.position.seq, FEED_PAGE_ROWS, publishing);
      // Rows of an old primary can be some that the new one does not have.
      if (source.timeline !== this.#timeline) continue;
      this.#apply(rows);
      if (rows.length < FEED_PAGE_ROWS) break;
      publishing = "follow";
    }
    this.#followedAt = sentAt;
    if (kind === "refresh") lease.renew(sent);
    onRound?.();
  }

  #apply(rows: readonly FeedRow[]): void {
    for (const row of rows) this.#options.state.applyRow(row);
    this.#rows += rows.length;
    this.#lastRows += rows.length;
  }

  /** Brings the state to a new timeline of the database. */
  async #reconcile(timeline: number): Promise<void> {
    const { source, state, log } = this.#options;
    if (!await source.hasPosition(state.position)) {
      log("the database has lost published changes; all worlds are read again");
      await this.#reload();
      if (source.timeline === timeline) this.#timeline = timeline;
      return;
    }
    const waiting = state.listUnconfirmed();
    let kind: RoundKind = "refresh";
    for (let isLast = false; !isLast; kind = "follow") {
      const rows = await source.readRows(state.position.seq, FEED_PAGE_ROWS, kind);
      if (source.timeline !== timeline) return;
      this.#apply(rows);
      isLast = rows.length < FEED_PAGE_ROWS;
    }
    const lost = state.dropLost(waiting);
    if (lost.length > 0) {
      const worlds = new Set(lost.map(({ world }) => world));
      const names = lost.slice(0, LOGGED_NAMES).map(({ name }) => `/${name}`).join(", ");
      log(
        `the database has lost changes that it had confirmed to this node, of ${worlds.size} worlds ` +
          `(${names}${lost.length > LOGGED_NAMES ? ", …" : ""}); they are read again`,
      );
      const heads = await source.readHeads([...worlds]);
      state.replace(heads, state.position, worlds);
    }
    this.#timeline = timeline;
  }

  async #reload(): Promise<void> {
    const { source, state } = this.#options;
    let heads: HeadRow[] = [];
    const { marks, position, authority } = await source.readAll((some, isFirst) => {
      heads = isFirst ? [...some] : heads.concat(some);
    });
    state.replace(heads, position, undefined, authority);
    state.replaceMarks(marks);
  }

  /** Reports the first round that fails with a fault, and the end of it. */
  #report(fault: string): void {
    if (fault === this.#fault || this.#isStopped) return;
    if (fault !== "") this.#options.log(`cannot follow the changes of other nodes: ${fault}`);
    else this.#options.log("follows the changes of other nodes again");
    this.#fault = fault;
  }
}
