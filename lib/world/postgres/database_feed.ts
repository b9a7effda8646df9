/**
 * The change feed in the database: publishes committed batches, reads the rows of the feed, and all worlds
 * for the start of a node. Rows of the database are checked here.
 */

import { FEED_DEADLINE_MS, HEADS_PER_ROW, LONG_JOB_IDLE_MS } from "../../cluster_limits.ts";
import { sha256Hex } from "../../base/hash.ts";
import { type CursorPosition, NO_RUN } from "../change_cursor.ts";
import { PROOF_DIGITS } from "./cluster_state.ts";
import type { FeedSnapshot, FeedSource, HeadSink, RoundKind } from "./change_feed.ts";
import type { FeedNoticeRow, FeedRow, HeadRow, StepKind } from "./feed_row.ts";
import type { MarkResult } from "../quota.ts";
import { shownAgain } from "../lower_layer.ts";
import type { World } from "../store.ts";
import type { JudgedCalls } from "./judged_calls.ts";
import type { Link } from "./link.ts";
import { readNumber, readString } from "./records.ts";
import type { PgRow } from "./session.ts";

const PUBLISH = "SELECT elastik.publish_1($1) AS seq";
const FOLLOW = "SELECT * FROM elastik.follow_1($1, $2)";
const POLL = "SELECT * FROM elastik.poll_1($1, $2, $3)";
const POSITION = `SELECT f.seq,
  (SELECT r.run FROM elastik.runs r WHERE r.first <= f.seq ORDER BY r.first DESC LIMIT 1) AS run
  FROM elastik.feed f`;
const RUN_OF = `SELECT f.seq,
  (SELECT r.run FROM elastik.runs r WHERE r.first <= $1 ORDER BY r.first DESC LIMIT 1) AS run
  FROM elastik.feed f`;
/** Fields of a head in their order. */
const HEAD_FIELDS =
  `id, name, version, ext, len, state, updated_at, event_id, left(event_hmac, ${PROOF_DIGITS}), event_at, by`;
/** One row for many worlds: the driver costs more for each row than for each byte. */
const AGGREGATE = `json_agg(json_build_array(${HEAD_FIELDS}))::text AS heads`;
/** The next worlds after an id. In pages, so that a node does not need memory for the text of all. */
const NEXT_HEADS = `SELECT ${AGGREGATE}, max(id) AS last FROM (
  SELECT * FROM elastik.worlds WHERE id > $1 AND name IS NOT NULL ORDER BY id LIMIT ${HEADS_PER_ROW}) w`;
const SOME_HEADS = `SELECT ${AGGREGATE} FROM elastik.worlds
  WHERE name IS NOT NULL AND id = ANY ($1::bigint[])`;
const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL idle_in_transaction_session_timeout = ${LONG_JOB_IDLE_MS}`;
/** Names of ended worlds, with the times of their last changes. */
const ENDED = `SELECT name, updated_at FROM elastik.names
  WHERE name = ANY ($1::text[]) AND world IS NULL AND version > 0`;
/** The time of the first node with the same worlds, which is this one if there was none. */
const LOWER_LAYER = `INSERT INTO elastik.lower_layers AS l (digest, at) VALUES ($1, $2)
  ON CONFLICT (digest) DO UPDATE SET at = l.at RETURNING at`;
const AUTHORITY = "SELECT authority FROM elastik.guard";
const MARK = "SELECT elastik.mark_1($1, $2, $3, $4) AS changed";
const MARKS = "SELECT name FROM elastik.marks";

const STEP_KINDS: ReadonlySet<unknown> = new Set<StepKind>([
  "update",
  "delete",
  "move",
  "restore",
  "note",
]);

const NOTICE_KINDS: ReadonlySet<unknown> = new Set<FeedNoticeRow["kind"]>([
  "mark",
  "locks",
  "gone",
  "expunged",
  "authority",
]);

/** The feed of a database. */
export class DatabaseFeed implements FeedSource {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  get timeline(): number {
    return this.#link.timeline;
  }

  /** Publishes what is committed, and returns the newest number. */
  async publish(): Promise<number> {
    const rows = await this.#link.ask(
      "feed",
      (session) => session.query(PUBLISH, [false], FEED_DEADLINE_MS),
    );
    return readNumber(rows[0] ?? {}, "seq");
  }

  async readRows(after: number, limit: number, kind: RoundKind): Promise<readonly FeedRow[]> {
    const rows = await this.#link.ask(
      "feed",
      (session) =>
        kind === "follow"
          ? session.query(FOLLOW, [after, limit], FEED_DEADLINE_MS)
          : session.query(POLL, [after, limit, kind === "refresh"], FEED_DEADLINE_MS),
      FEED_DEADLINE_MS,
    );
    return rows.map(toFeedRow);
  }

  async readAll(take: HeadSink): Promise<FeedSnapshot> {
    return await this.#link.ask("feed", async (session) => {
      const toHeads = headReader();
      const [, , positions, guards, marks] = await Promise.all([
        session.query(PUBLISH, [true], FEED_DEADLINE_MS),
        session.query(BEGIN),
        session.query(POSITION, [], FEED_DEADLINE_MS),
        session.query(AUTHORITY, [], FEED_DEADLINE_MS),
        session.query(MARKS, undefined, 10 * FEED_DEADLINE_MS),
      ]);
      const next = (last: number) => session.query(NEXT_HEADS, [last], FEED_DEADLINE_MS);
      let isFirst = true;
      for (let page = next(0);; isFirst = false) {
        const rows = await page;
        const [row = {}] = rows;
        if (row.last === null) break;
        // The database reads the next page while this one is taken.
        page = next(readNumber(row, "last"));
        page.catch(() => {}); // it is awaited, unless this page cannot be taken
        take(toHeads(rows), isFirst);
      }
      // Also without a world: what an earlier try has read is dropped.
      if (isFirst) take([], true);
      await session.query("COMMIT");
      return {
        position: toPosition(positions[0] ?? {}),
        authority: readNumber(guards[0] ?? {}, "authority"),
        marks: marks.map((row) => readString(row, "name")),
      };
    });
  }

  /**
   * Returns the worlds of the lower layer with the times that all nodes with the same worlds give them:
   * that of the node that had them first, or one that a world over them has left.
   */
  async readLower(lower: ReadonlyMap<string, World>): Promise<ReadonlyMap<string, World>> {
    const [first] = lower.values();
    if (first === undefined) return lower;
    const digest = digestOf(lower.values());
    const [agreed] = await this.#link.ask(
      "write",
      (session) => session.query(LOWER_LAYER, [digest, first.updatedAt], FEED_DEADLINE_MS),
    );
    const updatedAt = readString(agreed ?? {}, "at");
    const rows = await this.#link.ask(
      "read",
      (session) => session.query(ENDED, [[...lower.keys()]], FEED_DEADLINE_MS),
    );
    const shown = new Map<string, World>();
    for (const world of lower.values()) shown.set(world.name, { ...world, updatedAt });
    for (const row of rows) {
      const world = shown.get(readString(row, "name"));
      if (world === undefined) continue;
      shown.set(world.name, shownAgain(world, readString(row, "updated_at")));
    }
    return shown;
  }

  /**
   * Marks a collection, or removes its mark.
   *
   * @returns whether that changed something; undefined if an earlier try of it may have done so
   * @throws as {@link JudgedCalls.ask}
   */
  mark(
    name: string,
    present: boolean,
    calls: Pick<JudgedCalls, "ask">,
  ): Promise<MarkResult> {
    return calls.ask(async (session, { guard, authority }, { mayHaveHappened }) => {
      const [row] = await session.query(MARK, [name, present, guard, authority]);
      return row?.changed === true ? true : mayHaveHappened ? undefined : false;
    }, (isChanged) => isChanged !== false);
  }

  async readHeads(worlds: readonly number[]): Promise<readonly HeadRow[]> {
    const rows = await this.#link.ask(
      "feed",
      (session) => session.query(SOME_HEADS, [worlds], FEED_DEADLINE_MS),
    );
    return headReader()(rows);
  }

  async hasPosition({ seq, run }: CursorPosition): Promise<boolean> {
    if (seq === 0) return true;
    const found = await this.#link.ask("feed", async (session) => {
      // Numbers that were lost are used again only by a publisher on the new timeline, in another run.
      const [, rows] = await Promise.all([
        session.query(PUBLISH, [true], FEED_DEADLINE_MS),
        session.query(RUN_OF, [seq], FEED_DEADLINE_MS),
      ]);
      return toPosition(rows[0] ?? {});
    });
    return found.seq >= seq && found.run === run;
  }
}

function digestOf(worlds: Iterable<World>): string {
  const rows = Array.from(worlds, ({ name, ext, sha256 }) => `${name}\n${ext}\n${sha256}\n`);
  return sha256Hex(rows.sort().join(""));
}

function toPosition(row: PgRow): CursorPosition {
  const seq = readNumber(row, "seq");
  return { seq, run: seq === 0 ? NO_RUN : readString(row, "run") };
}

/** @throws {TypeError} if a column does not have its type */
function toFeedRow(row: PgRow): FeedRow {
  const { kind } = row;
  const place = { seq: readNumber(row, "seq"), run: readString(row, "run") };
  const name = readString(row, "name");
  if (isNoticeKind(kind)) {
    return { ...place, kind, name, state: kind === "locks" ? "" : readString(row, "state") };
  }
  if (!isStepKind(kind)) throw new TypeError(`Column kind is ${kind}`);
  return {
    ...place,
    kind,
    name,
    ...(row.also === null ? {} : { also: readString(row, "also") }),
    world: readNumber(row, "world"),
    event: {
      id: readNumber(row, "event"),
      timestamp: readString(row, "at"),
      type: readString(row, "type"),
      payload: readString(row, "payload"),
      hmac: readString(row, "hmac"),
    },
    by: readString(row, "by"),
    version: readNumber(row, "version"),
    ext: readString(row, "ext"),
    state: readString(row, "state"),
    len: readNumber(row, "len"),
  };
}

function isNoticeKind(kind: unknown): kind is FeedNoticeRow["kind"] {
  return NOTICE_KINDS.has(kind);
}

function isStepKind(kind: unknown): kind is StepKind {
  return STEP_KINDS.has(kind);
}

/** Returns what reads the heads of rows. Equal texts of different worlds share their memory. */
function headReader(): (rows: readonly PgRow[]) => HeadRow[] {
  const known = new Map<string, string>();
  const share = (text: string) => {
    const found = known.get(text);
    if (found === undefined) known.set(text, text);
    return found ?? text;
  };
  return (rows) =>
    rows.flatMap((row) => {
      if (row.heads === null) return [];
      const heads: unknown = JSON.parse(readString(row, "heads"));
      if (!Array.isArray(heads)) throw new TypeError("the heads of worlds are not a list");
      return heads.map((fields: unknown) => toHead(fields, share));
    });
}

/** @throws {TypeError} if a field does not have its type */
function toHead(fields: unknown, share: (text: string) => string): HeadRow {
  if (!Array.isArray(fields)) throw new TypeError("the head of a world is not a list");
  const [world, name, version, ext, len, state, updatedAt, event, hmac, at, by]: unknown[] = fields;
  if (
    typeof world !== "number" || typeof name !== "string" || typeof version !== "number" ||
    typeof ext !== "string" || typeof len !== "number" || typeof state !== "string" ||
    typeof updatedAt !== "string" || typeof event !== "number" || typeof hmac !== "string" ||
    typeof at !== "string" || typeof by !== "string"
  ) throw new TypeError("the head of a world does not have its fields");
  return {
    world,
    name,
    version,
    ext: share(ext),
    len,
    state: share(state),
    updatedAt,
    by: share(by),
    event,
    hmac,
    at: at === updatedAt ? updatedAt : at,
  };
}
