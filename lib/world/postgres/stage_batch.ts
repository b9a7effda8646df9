/**
 * Works out the changes of a batch in memory: from worlds as a node knows them, and jobs, to what
 * `apply_1` writes and what each job returns. It reads and writes nothing.
 */

import type { Hash } from "node:crypto";
import { readMark } from "../idempotency_mark.ts";
import { type DraftBase, type DraftEvent, WorldDraft } from "./world_draft.ts";
import { type DraftContext, type DraftJob, runDraftJob } from "./draft_jobs.ts";
import { DraftSet } from "./draft_set.ts";
import type { WriteResult } from "../change/write_job.ts";
import type { CommittedEvent } from "../changes.ts";
import type { BatchEvent, BatchName, BatchWorld } from "./batch_arguments.ts";
import { type ContentPlaces, placeContents } from "./place_contents.ts";
import type { NameRow, WorldRow } from "./records.ts";

/** A world as a node knows it. */
export interface CachedWorld {
  readonly row: WorldRow;
  /** The bytes, if they are long and were loaded. */
  readonly loaded?: Uint8Array<ArrayBuffer>;
  /** State of SHA-256 after the bytes, if it is known; it is never changed. */
  readonly hash?: Hash;
  /** Whether another key signed the chain. */
  readonly hasOtherKey?: boolean;
}

/** A name as a node knows it: its world, if it has one, and its last use by a world that ended. */
export interface CachedName {
  readonly world?: CachedWorld;
  readonly last: NameRow;
}

/** Jobs that change the same worlds, in their order. All others of a batch are about other worlds. */
export interface Unit {
  readonly names: readonly string[];
  readonly jobs: readonly StoreJob[];
}

/** A job of a submitted change. */
export type StoreJob = DraftJob & {
  /** Routes that the plugin of the job's world takes in the same transaction; empty releases all. */
  readonly claims?: readonly string[];
};

/** What the staging needs to know besides jobs and worlds. */
export interface StageContext extends Omit<DraftContext, "sizeOf">, ContentPlaces {
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
}

/** A world that a job changed. */
export interface JobChange {
  /** Index of the world in the unit. */
  readonly world: number;
  readonly updatedAt: string;
  /** The events of the job, as the batch has them. */
  readonly events: readonly BatchEvent[];
}

/** What became of a job: its result, and what it changed, if anything; first the world of its name. */
export type JobOutcome =
  | { readonly result: WriteResult; readonly changes: readonly JobChange[] }
  | { readonly error: unknown };

/** One world of a staged unit. */
export interface StagedWorld {
  readonly batch: BatchWorld;
  /** The world afterwards, for the next batch; its id is 0 if it is created. */
  readonly after: CachedWorld;
}

/** The changes of a unit. */
export interface StagedUnit {
  readonly worlds: readonly StagedWorld[];
  /** One for each job. */
  readonly outcomes: readonly JobOutcome[];
}

/** A draft that is changed, with the events of all jobs up to now. */
interface ChangedDraft {
  readonly draft: WorldDraft;
  readonly base: CachedWorld | undefined;
  readonly events: BatchEvent[];
  /** Caller of the last change. */
  by: string;
}

/**
 * Returns the estimate of what a world costs, in bytes, without reading its chain.
 */
export function estimateSize({ len, keptBytes, eventId }: WorldRow): number {
  return len + keptBytes + 512 * eventId;
}

/**
 * Runs the jobs of a unit.
 *
 * @param known each name of the unit
 * @param trashed the world in the trash that a restore names
 */
export function stageUnit(
  { names, jobs }: Unit,
  known: ReadonlyMap<string, CachedName>,
  trashed: CachedWorld | undefined,
  context: StageContext,
): StagedUnit {
  const drafts = new DraftSet();
  const bases = new Map<WorldDraft, CachedWorld>();
  const open = (name: string, world: CachedWorld, floor: number) => {
    const draft = WorldDraft.open(toDraftBase(name, world, floor), context);
    bases.set(draft, world);
    return draft;
  };
  for (const name of names) {
    const { world, last } = known.get(name) ?? {};
    if (last !== undefined && last.version > 0) drafts.addLastUse(name, last);
    if (world !== undefined) drafts.add(open(name, world, last?.version ?? 0));
  }
  const [first] = jobs;
  if (first?.kind === "restore" && trashed !== undefined) {
    drafts.addTrashed(first.trash, open(first.from, trashed, 0));
  }
  const draftContext: DraftContext = {
    ...context,
    sizeOf: (draft) => {
      const base = bases.get(draft);
      return base === undefined ? draft.row.len : estimateSize(base.row);
    },
  };
  const changed: ChangedDraft[] = [];
  const outcomes = jobs.map((job): JobOutcome => {
    try {
      const result = runDraftJob(withFloor(job, known), drafts, draftContext);
      return { result, changes: recordChanges(job, drafts, bases, changed, context) };
    } catch (error) {
      return { error };
    }
  });
  const claims = jobs.findLast((job) => job.claims !== undefined)?.claims;
  const worlds = changed.map((one) => stageWorld(one, { drafts, known, jobs, claims }, context));
  return { worlds, outcomes };
}

/** Records what a job has done to the drafts. */
function recordChanges(
  job: StoreJob,
  drafts: DraftSet,
  bases: ReadonlyMap<WorldDraft, CachedWorld>,
  changed: ChangedDraft[],
  context: StageContext,
): JobChange[] {
  const changes: JobChange[] = [];
  for (const draft of drafts.drafts) {
    let world = changed.findIndex((one) => one.draft === draft);
    const known = changed[world]?.events.length ?? 0;
    // A chain that another key signed gets no event when its world is deleted.
    if (draft.events.length === known && (world >= 0 || !draft.isChanged)) continue;
    const base = bases.get(draft);
    if (world < 0) world = changed.push({ draft, base, events: [], by: base?.row.by ?? "" }) - 1;
    const own = changed[world];
    if (own === undefined) continue;
    if (job.kind !== "note") own.by = job.by;
    const events = toEvents(draft, draft.events.slice(known), job, context);
    own.events.push(...events);
    changes.push({ world, updatedAt: draft.row.updatedAt, events });
  }
  // A move whose content goes to another world changes both.
  return changes.sort((a, b) => rank(a) - rank(b));

  function rank({ world }: JobChange): number {
    return changed[world]?.draft.name === job.name ? 0 : 1;
  }
}

/** The idempotency key of the request that a job belongs to. */
export function keyOf({ idem }: StoreJob): string | undefined {
  return idem === undefined ? undefined : readMark({ idem })?.key;
}

/** Adds to a restore the version of the world that has its old name now. */
function withFloor(job: StoreJob, known: ReadonlyMap<string, CachedName>): StoreJob {
  if (job.kind !== "restore") return job;
  const version = known.get(job.from)?.world?.row.version ?? 0;
  return { ...job, floor: Math.max(job.floor, version) };
}

function toDraftBase(name: string, world: CachedWorld, floor: number): DraftBase {
  const { row, loaded, hash, hasOtherKey = false } = world;
  const { version, updatedAt, ext, headers, state, len, sha256 } = row;
  const body = row.body ?? loaded;
  return {
    name,
    row: { version, updatedAt, ext, headers, state, len },
    sha256,
    head: { id: row.eventId, hmac: row.eventHmac, timestamp: row.eventAt },
    ...(body === undefined ? {} : { body }),
    ...(hash === undefined ? {} : { hash }),
    hasOtherKey,
    isDeleted: row.name === null,
    floor,
  };
}

function kindOf({ kind }: StoreJob, draft: WorldDraft): BatchEvent["kind"] {
  if (draft.isDeleted) return "delete";
  if (kind === "note" || kind === "restore") return kind;
  return kind === "rename" && draft.base !== undefined && draft.base.name !== draft.name
    ? "move"
    : "update";
}

/** Returns the row of a world after a job; without the bytes, which only the last one has. */
function toRow(draft: WorldDraft, base: CachedWorld | undefined, by: string): WorldRow {
  const { row, sha256, head } = draft;
  return {
    id: base?.row.id ?? 0,
    name: draft.isDeleted ? null : draft.name,
    ...row,
    sha256,
    eventId: head.id,
    eventHmac: head.hmac,
    eventAt: head.timestamp,
    by,
    keptFrom: Math.max(base?.row.keptFrom ?? 0, draft.keptFrom),
    keptVersions: (base?.row.keptVersions ?? 0) + draft.kept.length,
    keptBytes: base?.row.keptBytes ?? 0,
  };
}

/** What the worlds of a unit share. */
interface UnitParts {
  readonly drafts: DraftSet;
  readonly known: ReadonlyMap<string, CachedName>;
  readonly jobs: readonly StoreJob[];
  readonly claims: readonly string[] | undefined;
}

function stageWorld(
  { draft, base, events, by }: ChangedDraft,
  parts: UnitParts,
  context: StageContext,
): StagedWorld {
  const { row, sha256, head, name } = draft;
  const placed = placeContents(draft, base?.row, context);
  const restricted = context.isRestricted(draft.base?.name ?? name);
  const trash = trashOf(draft, parts.drafts);
  const batch: BatchWorld = {
    ...row,
    ...(base === undefined
      ? {}
      : { seen: { id: base.row.id, name: base.row.name, eventHmac: base.row.eventHmac } }),
    name: draft.isDeleted ? null : name,
    sha256,
    head,
    by,
    ...placed,
    ...(trash === undefined ? {} : { trash: { id: trash, restricted } }),
    events,
    names: namesOf(draft, base, parts),
    // Of the request, also for a world whose events do not have it.
    keys: base === undefined ? [] : parts.jobs.flatMap((job) => keyOf(job) ?? []),
    ...routesOf(draft, base, parts.claims),
  };
  const after = toRow(draft, base, by);
  const { bytes } = placed;
  const hash = draft.hash;
  return {
    batch,
    after: {
      row: {
        ...after,
        ...(bytes.kind === "inline"
          ? { body: new Uint8Array(bytes.bytes) }
          : bytes.kind === "content"
          ? { content: bytes.id }
          : pickBytes(base?.row)),
      },
      ...(hash === undefined ? {} : { hash }),
      ...(draft.hasOtherKey ? { hasOtherKey: true } : {}),
    },
  };
}

function pickBytes(row: WorldRow | undefined): Pick<WorldRow, "body" | "content"> {
  if (row?.content !== undefined) return { content: row.content };
  return row?.body === undefined ? {} : { body: row.body };
}

/**
 * The routes that a world takes or releases. It has those of its state: any other state, name or end
 * releases them.
 */
function routesOf(
  draft: WorldDraft,
  base: CachedWorld | undefined,
  claims: readonly string[] | undefined,
): Pick<BatchWorld, "routes"> {
  if (claims !== undefined && !draft.isDeleted) {
    return { routes: { plugin: draft.name, paths: claims } };
  }
  const { name = null, state = "" } = base?.row ?? {};
  if (name === null || state === "") return {};
  const isKept = !draft.isDeleted && draft.name === name && draft.row.state === state;
  return isKept ? {} : { routes: { plugin: name, paths: [] } };
}

/** The entry of the trash that a deleted world gets. */
function trashOf(draft: WorldDraft, drafts: DraftSet): string | undefined {
  if (!draft.isDeleted) return undefined;
  return drafts.lastUse(draft.name)?.trash;
}

/** The names that the change of a world gives, takes away or compares. */
function namesOf(
  draft: WorldDraft,
  base: CachedWorld | undefined,
  { drafts, known, jobs }: UnitParts,
): BatchName[] {
  const names: BatchName[] = [];
  const before = base?.row.name ?? null;
  const after = draft.isDeleted ? null : draft.name;
  if (before === after) return names;
  if (before !== null) {
    const last = drafts.lastUse(before);
    names.push({
      name: before,
      isFree: false,
      use: "ended",
      ...(last === undefined ? {} : { last }),
    });
  }
  if (after === null) return names;
  names.push({
    name: after,
    isFree: true,
    floor: known.get(after)?.last.version ?? 0,
    use: "given",
  });
  const [first] = jobs;
  if (first?.kind === "restore" && first.from !== after) {
    const floor = known.get(first.from)?.last.version ?? 0;
    names.push({ name: first.from, isFree: false, floor, use: "compared" });
  }
  return names;
}

/** The events of one job. Only the last one has the kind of the change. */
function toEvents(
  draft: WorldDraft,
  events: readonly DraftEvent[],
  job: StoreJob,
  { isRestricted }: StageContext,
): BatchEvent[] {
  const { name, row: { version, ext, state, len } } = draft;
  const kind = kindOf(job, draft);
  const restricted = isRestricted(name);
  return events.map((event, i): BatchEvent => {
    const also = otherName(event, name);
    const key = readMark(event.payload)?.key;
    return {
      ...event,
      kind: i === events.length - 1 ? kind : "note",
      name,
      ...(also === undefined ? {} : { also }),
      by: job.by,
      ...{ version, ext, state, len },
      ...(key === undefined ? {} : { key }),
      restricted,
      alsoRestricted: also !== undefined && isRestricted(also),
    };
  });
}

/** The other name of a move. */
function otherName(
  { type, payload }: Pick<CommittedEvent, "type" | "payload">,
  name: string,
): string | undefined {
  if (type !== "world_moved") return undefined;
  const { from, to }: { from?: unknown; to?: unknown } = JSON.parse(payload) ?? {};
  if (typeof from !== "string" || typeof to !== "string") return undefined;
  return from.slice(1) === name ? to.slice(1) : from.slice(1);
}
