/**
 * Brings the changes of one batch to their end: works them out on the worlds in memory, commits them, and
 * tries again what another node changed in between. Each caller learns what became of its change: it is
 * on disk, it was refused, or its outcome is not known in time.
 *
 * A change is first worked out on memory. What that refuses is worked out again on the database, because
 * memory can be late. What lost against another node is worked out again under locks of its rows.
 *
 * If no answer came, the batch may have happened, or may still happen. It is asked for by its identity
 * under the locks of its rows: there every earlier try is decided, so no change happens twice. A batch
 * that is found is confirmed only after another commit that is replicated, because the found one may be
 * on no standby yet.
 */

import {
  BATCH_DEADLINE_MS,
  BATCH_LOCK_MS,
  BATCH_RETRY_MS,
  MAX_CHUNK_BYTES,
} from "../../cluster_limits.ts";
import { IDEMPOTENCY_MS } from "../../limits.ts";
import { StoreError } from "../store.ts";
import { APPLY_BATCH, toBatchAnswer, toBatchArguments } from "./batch_arguments.ts";
import {
  batchErrorOf,
  type DatabaseTrouble,
  lateError,
  outcomeUnknown,
  unitsWithout,
} from "./batch_errors.ts";
import { type ContentIds, uploadContent } from "./content.ts";
import { bytesMissing } from "./content_reader.ts";
import type { KnownHead } from "./cluster_state.ts";
import { lacksBytes, loadBytes, loadNames, loadTrashed, loadTrashedBytes } from "./load_worlds.ts";
import type { NameCache } from "./name_cache.ts";
import { readNumber, readString, UNUSED_NAME } from "./records.ts";
import type { PgValue, Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import {
  type CachedName,
  type CachedWorld,
  keyOf,
  type StageContext,
  type StagedUnit,
  stageUnit,
  type StoreJob,
} from "./stage_batch.ts";
import type { QueuedJob, QueuedUnit } from "./queued_job.ts";

/** The sessions of the present primary, and the search for another one. */
export interface WriteLink extends DatabaseTrouble {
  readonly write: SessionPool;
  /** Searches for the primary after a session of a pool failed. */
  reconnect(failed: SessionPool): Promise<void>;
}

/** What batches need of their node. */
export interface BatchRunOptions {
  readonly link: WriteLink;
  readonly stage: Omit<StageContext, "newContent" | "uploadOf">;
  readonly names: NameCache;
  readonly contents: ContentIds;
  /**
   * Returns the newest event of the world of a name; undefined if the node knows no world of the name. It
   * may be older than the database.
   */
  readonly headOf: (name: string) => Pick<KnownHead, "world" | "event"> | undefined;
  /** Waits until the node has the WebDAV locks as they are now, after the guard has risen. */
  readonly onGuardRaised: () => Promise<void>;
  /** Waits until the node has the accounts and revoked capabilities as they are now. */
  readonly onAuthorityRaised: () => Promise<void>;
  /** Called when another node has changed a world in between. */
  readonly onContended: (names: readonly string[]) => void;
  /** Called after each acknowledged batch. */
  readonly afterCommit: () => void;
  /** Returns a new identity of a batch. */
  readonly newBatch: () => string;
  readonly monotonic: () => number;
}

/** How the changes of a batch are worked out. */
type Mode = "memory" | "fresh" | "locked";

/** A unit with its changes. */
interface Staged {
  readonly unit: QueuedUnit;
  /** The jobs of the unit when it was staged: some can be refused later. */
  readonly jobs: readonly QueuedJob[];
  readonly staged: StagedUnit;
  readonly known: ReadonlyMap<string, CachedName>;
}

/** A batch that was sent. */
interface SentBatch {
  readonly batch: string;
  readonly units: readonly Staged[];
}

const BEGIN = `BEGIN; SET LOCAL lock_timeout = ${BATCH_LOCK_MS}`;
const LOCK = `SELECT array_to_string(elastik.lock_1($1, $2, $3), ' ') AS found`;
const REPLICATE = `SELECT pg_logical_emit_message(true, 'elastik', '')`;
const SELECT_KEYED = `SELECT key, world FROM elastik.events
  WHERE key = ANY ($1::text[]) AND timestamp > $2`;
const SELECT_FOUND = `SELECT b.id, b.batch, e.n, e.world
  FROM elastik.batches b LEFT JOIN elastik.events e ON e.batch = b.id WHERE b.batch = ANY ($1::text[])`;

/** Runs the batches of a node. */
export class BatchRun {
  readonly #options: BatchRunOptions;
  /** Content ids of bytes that were uploaded. */
  readonly #uploads = new WeakMap<Uint8Array, number>();

  constructor(options: BatchRunOptions) {
    this.#options = options;
  }

  /**
   * Runs the jobs of some units until each is settled. It does not throw.
   *
   * @param isContended whether other nodes change these worlds, so that they are locked at once
   */
  async run(units: readonly QueuedUnit[], isContended: boolean): Promise<void> {
    const run = new UnitsRun(this.#options, this.#uploads, units, isContended);
    await run.settle();
  }

  /** Uploads the bytes of a change before its batch, if they do not fit into it. */
  async upload(job: StoreJob): Promise<void> {
    await upload(job, this.#options, this.#uploads);
  }
}

async function upload(
  job: StoreJob,
  { link, contents }: BatchRunOptions,
  uploads: WeakMap<Uint8Array, number>,
): Promise<void> {
  if (!isUploaded(job) || uploads.has(job.body)) return;
  const pool = link.write;
  await contents.reserve(1, pool);
  const id = contents.take();
  await pool.use((session) => uploadContent(session, id, job.body));
  uploads.set(job.body, id);
}

/** Whether the bytes of a job are uploaded before its batch. */
export function isUploaded(job: StoreJob): job is StoreJob & { kind: "put" | "append" } {
  return (job.kind === "put" || job.kind === "append") && job.body.length > MAX_CHUNK_BYTES;
}

/** One run of some units. */
class UnitsRun {
  readonly #options: BatchRunOptions;
  readonly #uploads: WeakMap<Uint8Array, number>;
  /** Units that are not settled. */
  #left: readonly QueuedUnit[];
  #mode: Mode;
  /** Batches whose outcome is not known. */
  #unknown: SentBatch[] = [];
  /** The batch that was sent last and has no answer. */
  #sent: SentBatch | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    options: BatchRunOptions,
    uploads: WeakMap<Uint8Array, number>,
    units: readonly QueuedUnit[],
    isContended: boolean,
  ) {
    this.#options = options;
    this.#uploads = uploads;
    this.#left = units;
    this.#mode = isContended ? "locked" : "memory";
  }

  async settle(): Promise<void> {
    this.#watchTime();
    try {
      await this.#tryAll();
    } finally {
      clearTimeout(this.#timer);
    }
  }

  async #tryAll(): Promise<void> {
    while (this.#dropLate()) {
      const pool = this.#options.link.write;
      try {
        for (const { jobs } of this.#left) {
          for (const { job } of jobs) await upload(job, this.#options, this.#uploads);
        }
        // A staged unit takes an id for each job at most.
        const count = this.#left.reduce((sum, { jobs }) => sum + 2 * jobs.length, 0);
        await this.#options.contents.reserve(count, pool);
        if (this.#mode === "locked") await this.#tryLocked(pool);
        else await this.#try(pool, this.#mode);
      } catch (error) {
        await this.#onError(error, pool);
      }
    }
  }

  /** Fails the jobs whose time is over also while a try is under way. */
  #watchTime(): void {
    const first = Math.min(...this.#left.flatMap(({ jobs }) => jobs.map(({ until }) => until)));
    const left = Math.ceil(first - this.#options.monotonic());
    this.#timer = setTimeout(() => {
      if (this.#dropLate()) this.#watchTime();
    }, Math.max(0, left));
  }

  /** Fails the jobs whose time is over. Returns whether any are left. */
  #dropLate(): boolean {
    const now = this.#options.monotonic();
    this.#keepJobs((job, unit) => {
      if (job.until > now) return true;
      const sent = this.#sent === undefined ? this.#unknown : [...this.#unknown, this.#sent];
      const isUnknown = sent.some(({ units }) => units.some((one) => one.unit === unit));
      job.fail(lateError(job.job.name, isUnknown, this.#options.link));
      return false;
    });
    return this.#left.length > 0;
  }

  /** Keeps the units that have jobs left. A unit whose outcome is not known stays whole. */
  #keepJobs(keeps: (job: QueuedJob, unit: QueuedUnit) => boolean): void {
    this.#left = this.#left.filter((unit) => {
      const kept = unit.jobs.filter((job) => keeps(job, unit));
      unit.jobs = kept;
      return kept.length > 0;
    });
  }

  /** Works the changes out on memory, or on the worlds as the database has them, and commits them. */
  async #try(pool: SessionPool, mode: "memory" | "fresh"): Promise<void> {
    const known = await this.#read(pool, mode);
    this.#judge();
    const staged = this.#left.map((unit) => this.#stage(unit, known, undefined));
    const changes = staged.filter(({ staged }) => staged.worlds.length > 0);
    const refused = staged.filter(({ staged }) => staged.worlds.length === 0);
    if (mode === "fresh") { for (const one of refused) this.#deliver(one, [], 0); }
    let lost: readonly Staged[] = [];
    if (changes.length > 0) {
      const sent = this.#newBatch(changes);
      const answer = await pool.use((session) => this.#send(session, sent));
      lost = this.#acknowledge(sent, answer);
    }
    const isSettled = mode === "fresh" ? [] : refused;
    this.#left = [...lost, ...isSettled].map(({ unit }) => unit);
    this.#mode = lost.length > 0 || isRestored(this.#left) ? "locked" : "fresh";
  }

  /** Reads the names of all units: from memory where it can be used. */
  async #read(pool: SessionPool, mode: "memory" | "fresh"): Promise<Map<string, CachedName>> {
    const known = new Map<string, CachedName>();
    const missing: string[] = [];
    for (const name of namesOf(this.#left)) {
      const found = mode === "memory" ? this.#recall(name) : undefined;
      if (found === undefined) missing.push(name);
      else known.set(name, found);
    }
    const lacks = () =>
      this.#left.some(({ jobs }) => jobs.some(({ job }) => lacksBytes(job, known)));
    if (missing.length === 0 && !lacks()) return known;
    await pool.use(async (session) => {
      const [loaded] = await Promise.all([
        loadNames(session, missing, this.#options.stage.sign),
        // A refusal is only right if this server is still the primary after the read.
        mode === "fresh" ? session.query(REPLICATE, [], BATCH_DEADLINE_MS) : undefined,
      ]);
      for (const [name, found] of loaded) known.set(name, found);
      for (const unit of this.#left) await loadBytes(session, toUnit(unit), known);
    });
    return known;
  }

  /** Returns a name from memory, if that is as new as the rest of the node. */
  #recall(name: string): CachedName | undefined {
    const head = this.#options.headOf(name);
    const found = this.#options.names.get(name);
    // A name that never had a world needs no query; the database compares its last use.
    if (found === undefined) return head === undefined ? { last: UNUSED_NAME } : undefined;
    const row = found.world?.row;
    const isNewest = head === undefined
      ? row === undefined
      : row?.id === head.world && row.eventId >= head.event;
    return isNewest ? found : undefined;
  }

  /** Works the changes out under the locks of their rows, and commits them. */
  async #tryLocked(pool: SessionPool): Promise<void> {
    await pool.use(async (session) => {
      const names = namesOf(this.#left);
      const restores = this.#left.flatMap(({ jobs }) => jobs).flatMap(({ job }) =>
        job.kind === "restore" ? [job] : []
      );
      const [first] = restores;
      const { sign } = this.#options.stage;
      const trash = restores.map((job) => job.trash);
      const batches = this.#unknown.map(({ batch }) => batch);
      const [, [locked], known, trashed] = await Promise.all([
        session.query(BEGIN),
        session.query(LOCK, [names, trash, batches], BATCH_DEADLINE_MS),
        loadNames(session, names, sign),
        first === undefined ? undefined : loadTrashed(session, first.trash, first.from, sign),
      ]);
      if (readString(locked ?? {}, "found") !== "") return await this.#settleFound(session);
      const restored = first === undefined || trashed === undefined
        ? trashed
        : await loadTrashedBytes(session, first, trashed);
      await this.#refuseRepeated(session, known);
      for (const unit of this.#left) await loadBytes(session, toUnit(unit), known);
      this.#judge();
      const staged = this.#left.map((unit) => this.#stage(unit, known, restored));
      const changes = staged.filter(({ staged }) => staged.worlds.length > 0);
      if (changes.length === 0) {
        // The refusals are right if this server is still the primary.
        await Promise.all([
          session.query(REPLICATE, [], BATCH_DEADLINE_MS),
          session.query("COMMIT", undefined, BATCH_DEADLINE_MS),
        ]);
        for (const one of staged) this.#deliver(one, [], 0);
        this.#left = [];
        return;
      }
      const sent = this.#newBatch(changes);
      const [answer] = await Promise.all([
        this.#send(session, sent),
        session.query("COMMIT", undefined, BATCH_DEADLINE_MS),
      ]);
      const lost = this.#acknowledge(sent, answer);
      for (const one of staged) if (one.staged.worlds.length === 0) this.#deliver(one, [], 0);
      this.#left = lost.map(({ unit }) => unit);
    });
  }

  /** Acknowledges what batches without an answer have done, after a replicated commit. */
  async #settleFound(session: Session): Promise<void> {
    const batches = this.#unknown.map(({ batch }) => batch);
    const rows = await session.query(SELECT_FOUND, [batches]);
    await Promise.all([
      session.query(REPLICATE, [], BATCH_DEADLINE_MS),
      session.query("COMMIT", undefined, BATCH_DEADLINE_MS),
    ]);
    for (const sent of this.#unknown) {
      const found = rows.filter((row) => row.batch === sent.batch);
      const [first] = found;
      if (first === undefined) continue;
      this.#unknown = this.#unknown.filter((other) => other !== sent);
      const worlds = new Map(
        found.flatMap((row) =>
          row.n === null ? [] : [[readNumber(row, "n"), readNumber(row, "world")] as const]
        ),
      );
      const answer = { batch: readNumber(first, "id"), worlds: idsOf(sent, worlds) };
      const lost = this.#acknowledge(sent, answer);
      const settled = new Set(
        sent.units.filter((one) => !lost.includes(one)).map(({ unit }) => unit),
      );
      this.#left = this.#left.filter((unit) => !settled.has(unit));
    }
  }

  #stage(
    unit: QueuedUnit,
    known: ReadonlyMap<string, CachedName>,
    trashed: CachedWorld | undefined,
  ): Staged {
    const { contents, stage } = this.#options;
    const staged = stageUnit(toUnit(unit), known, trashed, {
      ...stage,
      newContent: () => contents.take(),
      uploadOf: (bytes) => this.#uploads.get(bytes),
    });
    return { unit, jobs: unit.jobs, staged, known };
  }

  #newBatch(units: readonly Staged[]): SentBatch {
    return { batch: this.#options.newBatch(), units };
  }

  async #send(session: Session, sent: SentBatch) {
    const judged = sent.units.flatMap(({ jobs }) => jobs.map((job) => job.guard));
    const guard = Math.min(...judged.map(({ guard }) => guard));
    const authority = Math.min(...judged.map(({ authority }) => authority));
    const { history } = this.#options.stage;
    const isWhole = sent.units.length === 1 && (sent.units[0]?.staged.worlds.length ?? 0) > 1;
    const worlds = sent.units.flatMap(({ staged }) => staged.worlds.map(({ batch }) => batch));
    const values: PgValue[] = toBatchArguments(
      { batch: sent.batch, guard, authority, isWhole, history, keysSince: this.#keysSince() },
      worlds,
    );
    this.#sent = sent;
    const [row] = await session.query(APPLY_BATCH, values, BATCH_DEADLINE_MS);
    return toBatchAnswer(row);
  }

  /**
   * Tells the callers of a batch what became of it.
   *
   * @returns the units that were left alone
   */
  #acknowledge(
    sent: SentBatch,
    answer: { readonly batch: number; readonly worlds: readonly number[] },
  ): readonly Staged[] {
    this.#sent = undefined;
    const lost: Staged[] = [];
    let at = 0;
    for (const one of sent.units) {
      const ids = answer.worlds.slice(at, at += one.staged.worlds.length);
      if (ids.length > 0 && ids.every((id) => id > 0)) this.#deliver(one, ids, answer.batch);
      else lost.push(one);
    }
    if (lost.length > 0) {
      const names = lost.flatMap(({ unit }) => unit.names);
      for (const name of names) this.#options.names.drop(name);
      this.#options.onContended(names);
    }
    if (answer.batch > 0) this.#options.afterCommit();
    return lost;
  }

  /** Settles the jobs of a unit, in their order. */
  #deliver({ jobs, staged, known }: Staged, ids: readonly number[], batch: number): void {
    const { names } = this.#options;
    for (const [i, { batch: { names: used }, after }] of staged.worlds.entries()) {
      for (const { name, use, last } of used) {
        if (use === "ended") names.set(name, { last: last ?? UNUSED_NAME });
      }
      const { name } = after.row;
      if (name === null) continue;
      const world = { ...after, row: { ...after.row, id: ids[i] ?? 0 } };
      names.set(name, { world, last: known.get(name)?.last ?? UNUSED_NAME });
    }
    for (const [i, job] of jobs.entries()) {
      const outcome = staged.outcomes[i];
      if (outcome === undefined) continue;
      if ("error" in outcome) {
        job.fail(outcome.error);
        continue;
      }
      const changes = outcome.changes.map(({ world, updatedAt, events }) => (
        { world: ids[world] ?? 0, updatedAt, events }
      ));
      job.settle({ result: outcome.result, changes, batch });
    }
  }

  /** Decides what an error means for the units that are left. */
  async #onError(thrown: unknown, pool: SessionPool): Promise<void> {
    const sent = this.#sent;
    this.#sent = undefined;
    const isGone = thrown instanceof StoreError && thrown.code === "gone";
    // Memory has a content that another node has replaced.
    if (isGone && this.#mode !== "locked") {
      this.#mode = "locked";
      return;
    }
    // Under its lock, no content of the world is replaced.
    const reason = isGone ? bytesMissing(thrown.world ?? "") : thrown;
    const error = batchErrorOf(reason);
    if (error.isUnknown && sent !== undefined) {
      this.#unknown.push(sent);
      this.#mode = "locked";
    }
    switch (error.kind) {
      case "guard":
        return await this.#follow(this.#options.onGuardRaised);
      case "authority":
        await this.#follow(this.#options.onAuthorityRaised);
        return await this.#untilKnown();
      case "upload":
        for (const { jobs } of this.#left) {
          for (const { job } of jobs) if (isUploaded(job)) this.#uploads.delete(job.body);
        }
        return;
      case "session":
        await this.#findPrimary(pool);
        return await this.#pause();
      case "retry":
        return await this.#pause();
      case "final": {
        // An earlier try may have happened, or may still happen: it is not decided by this error.
        const tried = new Set(this.#unknown.flatMap(({ units }) => units.map(({ unit }) => unit)));
        const others = unitsWithout(reason, this.#left);
        this.#keepJobs(({ fail, job }, unit) => {
          if (others.has(unit)) return true;
          fail(
            tried.has(unit)
              ? outcomeUnknown(job.name, this.#options.link)
              : error.toStoreError(job.name),
          );
          return false;
        });
      }
    }
  }

  /** Waits until the node has what raised a number of the guard; the next try judges by it. */
  async #follow(read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch {
      await this.#pause(); // it could not be read: the next try finds the same guard
    }
  }

  /** Waits until all that changes are judged by is known. */
  async #untilKnown(): Promise<void> {
    await Promise.all(this.#left.flatMap(({ jobs }) => jobs.map(({ pending }) => pending())));
  }

  /** Judges all changes by the locks and accounts as they are now, right before they are sent. */
  #judge(): void {
    this.#keepJobs((queued) => {
      try {
        queued.guard = queued.judge();
        return true;
      } catch (error) {
        queued.fail(error);
        return false;
      }
    });
  }

  /** Refuses the jobs of a request of which another try has changed their world. */
  async #refuseRepeated(
    session: Session,
    known: ReadonlyMap<string, CachedName>,
  ): Promise<void> {
    const keys = this.#left.flatMap(({ jobs }) => jobs.flatMap(({ job }) => keyOf(job) ?? []));
    if (keys.length === 0) return;
    const rows = await session.query(SELECT_KEYED, [keys, this.#keysSince()]);
    const found = new Set(
      rows.map((row) => `${readString(row, "key")} ${readNumber(row, "world")}`),
    );
    this.#keepJobs(({ job, fail }) => {
      const world = known.get(job.kind === "rename" ? job.from : job.name)?.world;
      if (world === undefined || !found.has(`${keyOf(job)} ${world.row.id}`)) return true;
      fail(
        new StoreError("repeated", "Another try of the request has changed the world", job.name),
      );
      return false;
    });
  }

  /** Time after which an event with an idempotency key counts. */
  #keysSince(): string {
    return new Date(Date.parse(this.#options.stage.now()) - IDEMPOTENCY_MS).toISOString();
  }

  /** Waits for the search for the primary, until the time of all jobs is over. */
  async #findPrimary(pool: SessionPool): Promise<void> {
    const last = Math.max(...this.#left.flatMap(({ jobs }) => jobs.map(({ until }) => until)));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(0, last - this.#options.monotonic()));
    try {
      await Promise.race([this.#options.link.reconnect(pool), late]);
    } catch {
      // The next try fails, too, until the time of the jobs is over.
    } finally {
      clearTimeout(timer);
    }
  }

  #pause(): Promise<void> {
    return delay(BATCH_RETRY_MS);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function namesOf(units: readonly QueuedUnit[]): string[] {
  return [...new Set(units.flatMap(({ names }) => names))];
}

function toUnit({ names, jobs }: QueuedUnit) {
  return { names, jobs: jobs.map(({ job }) => job) };
}

/** Whether a unit needs a world of the trash, which is read under its lock only. */
function isRestored(units: readonly QueuedUnit[]): boolean {
  return units.some(({ jobs }) => jobs.some(({ job }) => job.kind === "restore"));
}

/** Returns the ids of the worlds of a batch from those of the events that it wrote, by their places. */
function idsOf(sent: SentBatch, worlds: ReadonlyMap<number, number>): number[] {
  const ids: number[] = [];
  let place = 1;
  for (const { batch } of sent.units.flatMap(({ staged }) => staged.worlds)) {
    // A world without an event is one that is deleted; its batch has no other one.
    ids.push(batch.events.length === 0 ? batch.seen?.id ?? 0 : worlds.get(place) ?? 0);
    place += batch.events.length;
  }
  return ids;
}
