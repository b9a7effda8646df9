/**
 * The nodes of a cluster: each writes a heartbeat to the database every two seconds, so that all of them
 * can list the others. A node without a heartbeat for some time has ended or has lost the database.
 */

import { CLOCK_TOLERANCE_MS, HEARTBEAT_MS, NODE_EXPIRY_SECONDS } from "../../cluster_limits.ts";
import type { Link } from "./link.ts";
import { readNumber, readString } from "./records.ts";

/** What a node tells the others about itself. */
export interface NodeFacts {
  /** Name of the node, `ELASTIK_NODE`. */
  readonly id: string;
  /** URL on which it listens. */
  readonly url: string;
  /** Version of the program. */
  readonly version: string;
}

/** A node as the database knows it. */
export interface ListedNode extends NodeFacts {
  /** Milliseconds since its last heartbeat, by the clock of the database. */
  readonly ageMs: number;
  /** What it reported about itself, of this node as it is now; any JSON object. */
  readonly health: Readonly<Record<string, unknown>>;
}

/** Options of {@link NodeList}. */
export interface NodeListOptions {
  readonly link: Pick<Link, "ask">;
  readonly facts: () => NodeFacts;
  /** What the node reports about itself. */
  readonly health: () => Readonly<Record<string, unknown>>;
  /** Pause between two heartbeats in milliseconds. */
  readonly beatMs?: number;
  /** The clock of the node, in Unix milliseconds. */
  readonly now: () => number;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/**
 * Returns the start of the process that had the name before, if it was there a moment ago, and the time of
 * the database.
 */
const BEAT = `WITH before AS (
    SELECT health ->> 'start' AS start, seen_at FROM elastik.nodes WHERE id = $1)
  INSERT INTO elastik.nodes (id, url, version, health, seen_at)
  VALUES ($1, $2, $3, $4::jsonb, clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET url = excluded.url, version = excluded.version,
    health = excluded.health, seen_at = excluded.seen_at
  RETURNING (SELECT start FROM before) AS start,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`;
const LIST = `SELECT id, url, version, health::text AS health,
  (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint AS age
  FROM elastik.nodes
  WHERE seen_at > clock_timestamp() - make_interval(secs => ${NODE_EXPIRY_SECONDS}) ORDER BY id`;
const LEAVE = "DELETE FROM elastik.nodes WHERE id = $1 AND health ->> 'start' = $2";

/** The list of nodes, with the heartbeat of this one. */
export class NodeList {
  readonly #options: NodeListOptions;
  /** Identifies this process among those that had the name. */
  readonly #start = crypto.randomUUID();
  #timer: ReturnType<typeof setInterval> | undefined;
  #beating: Promise<void> | undefined;
  #beats = 0;
  #isDoubled = false;
  #isClockWrong = false;

  constructor(options: NodeListOptions) {
    this.#options = options;
  }

  /** Begins the heartbeats. */
  start(): void {
    this.#timer = setInterval(() => void this.beat(), this.#options.beatMs ?? HEARTBEAT_MS);
    void this.beat();
  }

  /** Lists the nodes that had a heartbeat a short time ago, by name. */
  async list(): Promise<readonly ListedNode[]> {
    const rows = await this.#options.link.ask("read", (session) => session.query(LIST, []));
    return rows.map((row) => ({
      id: readString(row, "id"),
      url: readString(row, "url"),
      version: readString(row, "version"),
      ageMs: Math.max(0, readNumber(row, "age")),
      health: this.#currentHealth(JSON.parse(readString(row, "health"))),
    }));
  }

  /** What this process reported is as old as its last heartbeat. */
  #currentHealth(reported: ListedNode["health"]): ListedNode["health"] {
    return reported.start === this.#start ? this.#options.health() : reported;
  }

  /** Ends the heartbeats and removes the node from the list, if the database can be reached. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    const { link, facts } = this.#options;
    try {
      await link.ask("read", (session) => session.query(LEAVE, [facts().id, this.#start]), 0);
    } catch {
      // Safe to ignore: the entry expires.
    }
  }

  /** Writes a heartbeat; while the database cannot be reached, one heartbeat waits. */
  beat(): Promise<void> {
    return this.#beating ??= this.#write().finally(() => this.#beating = undefined);
  }

  async #write(): Promise<void> {
    const { link, facts, health, log, now } = this.#options;
    const { id, url, version } = facts();
    const report = JSON.stringify({ ...health(), start: this.#start });
    const sent = now();
    try {
      const [row] = await link.ask(
        "read",
        (session) => session.query(BEAT, [id, url, version, report]),
      );
      this.#checkClock(sent, row === undefined ? sent : readNumber(row, "now"), now());
      this.#beats++;
      const other = row?.start;
      // Before the first heartbeat it is the process that this one has replaced.
      const isDoubled = this.#beats > 1 && typeof other === "string" && other !== this.#start;
      if (isDoubled && !this.#isDoubled) {
        log(`another node is named ${id} too; give each node its own ELASTIK_NODE`);
      }
      this.#isDoubled = isDoubled;
    } catch {
      // Safe to ignore: the next heartbeat tries again, and the feed reports that the database is lost.
    }
  }
  /** Reports a clock that is wrong: capabilities expire by the clock of the node that is asked. */
  #checkClock(sent: number, database: number, answered: number): void {
    const isBehind = database > answered;
    // The database read its clock between the two.
    const ms = Math.max(sent - database, database - answered);
    const isWrong = ms > CLOCK_TOLERANCE_MS;
    if (isWrong && !this.#isClockWrong) {
      this.#options.log(
        `the clock of this node is ${Math.round(ms / 1000)} s ${
          isBehind ? "behind" : "ahead of"
        } ` +
          "that of the database; capabilities expire too " + (isBehind ? "late" : "early") +
          " here",
      );
    }
    this.#isClockWrong = isWrong;
  }
}
