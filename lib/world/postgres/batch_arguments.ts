/**
 * The arguments of `apply_1` (apply_sql.ts): each part of a batch becomes a row of one of the arrays, and
 * all inline bytes become one parameter, which is sent as it is. Pure.
 */

import type { HistoryKind } from "../change/history_rules.ts";
import { RecordText } from "./record_text.ts";
import type { PgValue } from "./session.ts";

/** The worlds that give callers their authority, or end it. */
export const AUTHORITY_WORLDS: readonly string[] = ["etc/passwd", "etc/shadow", "etc/revoked"];

/** Where the bytes of a version are. */
export type PlacedBytes =
  /** Those of the present row. */
  | { readonly kind: "same" }
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  /** The first bytes of a content. */
  | { readonly kind: "content"; readonly id: number }
  /** The first bytes of the next version. */
  | { readonly kind: "none" };

/** Columns that every version has. */
interface VersionColumns {
  readonly version: number;
  readonly ext: string;
  readonly headers: string;
  readonly state: string;
  readonly updatedAt: string;
  readonly len: number;
}

/** An earlier version to insert. */
export interface BatchVersion extends VersionColumns {
  readonly kind: HistoryKind;
  readonly sha256: string | null;
  readonly bytes: PlacedBytes;
}

/** An event to insert, and what followers get. */
export interface BatchEvent {
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: string;
  readonly hmac: string;
  readonly prev_hmac: string;
  readonly kind: "update" | "delete" | "move" | "restore" | "note";
  /** Name of the world after the event; of a deleted one the name that it had. */
  readonly name: string;
  /** The other name of a move. */
  readonly also?: string;
  readonly by: string;
  /** The world after the change. */
  readonly version: number;
  readonly ext: string;
  readonly state: string;
  readonly len: number;
  /** The idempotency key. */
  readonly key?: string;
  /** Whether only T3 can read the world, and the other name of a move. */
  readonly restricted: boolean;
  readonly alsoRestricted: boolean;
}

/** A name that a change gives or takes away, or whose last use it depends on. */
export interface BatchName {
  readonly name: string;
  /** Whether no world may have the name. */
  readonly isFree: boolean;
  /** Version of its last use, as the node saw it; absent if it does not matter. */
  readonly floor?: number;
  /** What becomes of it: this world gets it, its world ends, or it stays as it is. */
  readonly use: "given" | "ended" | "compared";
  /** The last use, if its world ends. */
  readonly last?: { readonly version: number; readonly updatedAt: string; readonly trash: string };
}

/** Bytes at the end of a content: sent with the batch, or uploaded under an id of their own. */
export interface BatchChunk {
  readonly content: number;
  readonly at: number;
  readonly from: Uint8Array | { readonly upload: number };
}

/** One world of a batch. */
export interface BatchWorld extends VersionColumns {
  /** Id, name and head as the node saw them; absent for a world that is created. */
  readonly seen?: { readonly id: number; readonly name: string | null; readonly eventHmac: string };
  /** Name afterwards; `null` if the world is deleted. */
  readonly name: string | null;
  readonly sha256: string;
  readonly head: { readonly id: number; readonly hmac: string; readonly timestamp: string };
  readonly by: string;
  readonly bytes: PlacedBytes;
  /** Earlier versions to insert, oldest first. */
  readonly versions: readonly BatchVersion[];
  /** Earlier versions below this one are dropped; 0 drops none. */
  readonly dropBelow: number;
  /** Content that the world no longer has, unless a version keeps it. */
  readonly dropContent?: number;
  /** Entry of the trash, if the world is deleted, and whether only T3 can read it. */
  readonly trash?: { readonly id: string; readonly restricted: boolean };
  readonly events: readonly BatchEvent[];
  readonly names: readonly BatchName[];
  readonly chunks: readonly BatchChunk[];
  /** Content ids that were uploaded for this world. */
  readonly uploads: readonly number[];
  /** Idempotency keys of its changes. */
  readonly keys: readonly string[];
  /** Routes that its plugin takes; an empty list releases all. */
  readonly routes?: { readonly plugin: string; readonly paths: readonly string[] };
}

/** What applies to a whole batch. */
export interface BatchOptions {
  /** Identity of the batch. */
  readonly batch: string;
  /** Version of the guard that the node has judged by. */
  readonly guard: number;
  /** The number of the accounts and revoked capabilities that the node has judged by. */
  readonly authority: number;
  /** Whether all worlds change or none. */
  readonly isWhole: boolean;
  readonly history: { readonly versions: number; readonly bytes: number };
  /** Events that are not later do not count for idempotency keys. */
  readonly keysSince: string;
}

const PLACES = { same: 0, inline: 1, content: 2, none: 3 } as const;
const USES = { ended: 0, compared: -1 } as const;

/** Inline bytes of a batch, as one parameter. */
class InlineBytes {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Adds bytes and returns where they begin. */
  add(bytes: Uint8Array): number {
    const at = this.#length;
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return at;
  }

  join(): Uint8Array {
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }
}

/** The statement that commits a batch. */
export const APPLY_BATCH = `SELECT batch, worlds FROM elastik.apply_1(${
  [
    "text, bigint, bigint, bool, bool, bool, int, bigint, text, text, bytea, bigint[]",
    ...["world", "version", "event", "name", "chunk", "segment", "upload", "route", "key"]
      .map((row) => `elastik.batch_${row}_1[]`),
  ].join(", ").split(", ").map((type, i) => `$${i + 1}::${type}`).join(", ")
})`;

/** The rows of a batch, a group for each type. */
class BatchRows {
  readonly inline = new InlineBytes();
  readonly worlds = new RecordText();
  readonly earlier = new RecordText();
  readonly events = new RecordText();
  readonly names = new RecordText();
  readonly chunks = new RecordText();
  readonly segments = new RecordText();
  readonly uploads = new RecordText();
  readonly routes = new RecordText();
  readonly keys = new RecordText();
  readonly ids: number[] = [];
  /** Greatest time of the events. */
  latest = "";
  givesAuthority = false;
  drops = false;

  /** Adds all rows of a world. */
  add(world: BatchWorld): void {
    const of = this.ids.push(world.seen?.id ?? 0);
    this.#addWorld(of, world);
    for (const version of world.versions) this.#addVersion(of, version);
    for (const event of world.events) this.#addEvent(of, event);
    for (const name of world.names) this.#addName(of, name);
    for (const chunk of world.chunks) this.#addChunk(of, chunk);
    for (const id of world.uploads) this.uploads.add([of, id]);
    for (const key of world.keys) this.keys.add([of, key]);
    if (world.routes === undefined) return;
    const { plugin, paths } = world.routes;
    this.routes.add([of, plugin, null]);
    for (const path of paths) this.routes.add([of, plugin, path]);
  }

  #addWorld(of: number, world: BatchWorld): void {
    const { seen, name, version, ext, headers, state, updatedAt, len, sha256, head, by } = world;
    const { bytes, versions, dropBelow, dropContent = null, trash } = world;
    let fullBytes = 0;
    for (const { kind, len } of versions) if (kind === "full") fullBytes += len;
    this.drops ||= dropBelow > 0;
    this.givesAuthority ||= AUTHORITY_WORLDS.includes(seen?.name ?? "") ||
      AUTHORITY_WORLDS.includes(name ?? "");
    const [place, content, at, size] = this.#place(bytes);
    // deno-fmt-ignore
    this.worlds.add([
      of, seen?.name ?? null, seen?.eventHmac ?? null, name, version, ext, headers, state, updatedAt, len,
      sha256, head.id, head.hmac, head.timestamp, by, place, content, at, size, dropBelow, versions.length,
      fullBytes, dropContent, trash?.id ?? null, trash?.restricted ?? false,
    ]);
  }

  #addVersion(of: number, version: BatchVersion): void {
    const { kind, ext, headers, state, updatedAt, len, sha256 } = version;
    const [place, content, at, size] = this.#place(version.bytes);
    // deno-fmt-ignore
    this.earlier.add([
      of, version.version, kind, ext, headers, state, updatedAt, len, sha256, place, content, at, size,
    ]);
  }

  #addEvent(of: number, event: BatchEvent): void {
    const { id, timestamp, type, payload, hmac, prev_hmac, kind, name, also = null, by } = event;
    const { version, ext, state, len, key = null, restricted, alsoRestricted } = event;
    if (timestamp > this.latest) this.latest = timestamp;
    // deno-fmt-ignore
    this.events.add([
      of, this.events.count + 1, id, timestamp, type, payload, hmac, prev_hmac, kind, name, also, by,
      version, ext, state, len, key, restricted, alsoRestricted,
    ]);
  }

  #addName(of: number, { name, isFree, floor, use, last }: BatchName): void {
    const target = use === "given" ? of : USES[use];
    const { version = 0, updatedAt = "", trash = "" } = last ?? {};
    this.names.add([name, of, isFree, floor ?? null, target, version, updatedAt, trash]);
  }

  #addChunk(of: number, { content, at, from }: BatchChunk): void {
    if (from instanceof Uint8Array) {
      this.chunks.add([of, content, at, this.inline.add(from), from.length]);
      return;
    }
    this.segments.add([of, from.upload, content, at]);
    this.uploads.add([of, from.upload]);
  }

  /** Place, content, and the part of the inline bytes. */
  #place(bytes: PlacedBytes): readonly [number, number | null, number | null, number | null] {
    const place = PLACES[bytes.kind];
    if (bytes.kind === "content") return [place, bytes.id, null, null];
    if (bytes.kind !== "inline") return [place, null, null, null];
    return [place, null, this.inline.add(bytes.bytes), bytes.bytes.length];
  }
}

/**
 * Returns the values of the parameters of {@link APPLY_BATCH}.
 *
 * @param worlds at least one; each world of the database at most once
 */
export function toBatchArguments(
  { batch, guard, authority, isWhole, history, keysSince }: BatchOptions,
  worlds: readonly BatchWorld[],
): PgValue[] {
  const rows = new BatchRows();
  for (const world of worlds) rows.add(world);
  const { givesAuthority, drops, latest, inline, ids } = rows;
  return [
    ...[batch, guard, authority, givesAuthority, isWhole, drops],
    ...[history.versions, history.bytes, latest, keysSince, inline.join(), ids],
    ...[rows.worlds, rows.earlier, rows.events, rows.names, rows.chunks, rows.segments].map(String),
    ...[rows.uploads, rows.routes, rows.keys].map(String),
  ];
}

/** What became of a batch. */
export interface BatchAnswer {
  /** Id of the batch in the order of all batches; 0 if nothing was done. */
  readonly batch: number;
  /** For each world its id; 0 if it was left alone, because it is not as the node saw it. */
  readonly worlds: readonly number[];
}

/** Reads the row that {@link APPLY_BATCH} returns. */
export function toBatchAnswer(row: Readonly<Record<string, unknown>> | undefined): BatchAnswer {
  const { batch, worlds } = row ?? {};
  if (typeof batch !== "number" || typeof worlds !== "string") {
    throw new TypeError("apply_1 returned another row");
  }
  return { batch, worlds: worlds.split(",").map(Number) };
}
