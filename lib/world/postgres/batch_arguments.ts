/**
 * The arguments of `apply_1` (apply_sql.ts): each world of a batch becomes an element of the arrays of
 * columns, and all inline bytes become one parameter, which is sent as it is. Pure.
 */

import type { HistoryKind } from "../change/history_rules.ts";
import type { PgValue } from "./session.ts";

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

/** The columns of some rows: one array for each. */
class Columns {
  readonly #columns: PgValue[][];

  constructor(count: number) {
    this.#columns = Array.from({ length: count }, () => []);
  }

  add(...values: readonly PgValue[]): void {
    for (let i = 0; i < values.length; i++) this.#columns[i]?.push(values[i] ?? null);
  }

  get values(): readonly PgValue[][] {
    return this.#columns;
  }
}

/** The statement that commits a batch. */
export const APPLY_BATCH = `SELECT batch, worlds FROM elastik.apply_1(${
  [
    "text, bigint, bigint, bool, int, bigint, bytea",
    "bigint[], text[], text[], text[], bigint[], text[], text[], text[], text[], bigint[], text[]",
    "bigint[], text[], text[], text[], int[], bigint[], int[], int[], bigint[], int[], bigint[]",
    "bigint[], text[], bool[]",
    "int[], bigint[], text[], text[], text[], text[], text[], bigint[], text[], int[], bigint[], int[]",
    "int[]",
    "int[], bigint[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bigint[]",
    "text[], text[], bigint[], text[], bool[], bool[]",
    "text[], int[], bool[], bigint[], int[], bigint[], text[], text[]",
    "int[], bigint[], bigint[], int[], int[]",
    "int[], bigint[], bigint[], bigint[]",
    "int[], bigint[]",
    "int[], text[], text[]",
    "int[], text[], text",
  ].join(", ").split(", ").map((type, i) => `$${i + 1}::${type}`).join(", ")
})`;

/**
 * Returns the values of the parameters of {@link APPLY_BATCH}.
 *
 * @param worlds at least one; each world of the database at most once
 */
export function toBatchArguments(
  { batch, guard, authority, isWhole, history, keysSince }: BatchOptions,
  worlds: readonly BatchWorld[],
): PgValue[] {
  const inline = new InlineBytes();
  const positions = new Columns(25);
  const versions = new Columns(13);
  const events = new Columns(18);
  const names = new Columns(8);
  const chunks = new Columns(5);
  const segments = new Columns(4);
  const uploads = new Columns(2);
  const routes = new Columns(3);
  const keys = new Columns(2);
  const place = (bytes: PlacedBytes): readonly PgValue[] => [
    PLACES[bytes.kind],
    bytes.kind === "content" ? bytes.id : null,
    bytes.kind === "inline" ? inline.add(bytes.bytes) : null,
    bytes.kind === "inline" ? bytes.bytes.length : null,
  ];
  for (const [i, world] of worlds.entries()) {
    const of = i + 1;
    const { seen, head, trash } = world;
    const fullBytes = world.versions.reduce(
      (sum, { kind, len }) => kind === "full" ? sum + len : sum,
      0,
    );
    positions.add(
      ...[seen?.id ?? 0, seen?.name ?? null, seen?.eventHmac ?? null, world.name],
      ...columnsOf(world),
      ...[world.sha256, head.id, head.hmac, head.timestamp, world.by],
      ...place(world.bytes),
      ...[world.dropBelow, world.versions.length, fullBytes, world.dropContent ?? null],
      ...[trash?.id ?? null, trash?.restricted ?? false],
    );
    for (const version of world.versions) {
      versions.add(
        ...[of, version.version, version.kind],
        ...columnsOf(version).slice(1),
        version.sha256,
        ...place(version.bytes),
      );
    }
    for (const event of world.events) events.add(of, ...eventColumns(event));
    for (const { name, isFree, floor, use, last } of world.names) {
      const target = use === "given" ? of : USES[use];
      const used = [last?.version ?? 0, last?.updatedAt ?? "", last?.trash ?? ""];
      names.add(name, of, isFree, floor ?? null, target, ...used);
    }
    for (const { content, at, from } of world.chunks) {
      if (from instanceof Uint8Array) chunks.add(of, content, at, inline.add(from), from.length);
      else {
        segments.add(of, from.upload, content, at);
        uploads.add(of, from.upload);
      }
    }
    for (const id of world.uploads) uploads.add(of, id);
    for (const key of world.keys) keys.add(of, key);
    if (world.routes !== undefined) {
      const { plugin, paths } = world.routes;
      routes.add(of, plugin, null);
      for (const path of paths) routes.add(of, plugin, path);
    }
  }
  const groups = [positions, versions, events, names, chunks, segments, uploads, routes, keys];
  return [
    ...[batch, guard, authority, isWhole, history.versions, history.bytes, inline.join()],
    ...groups.flatMap(({ values }) => values),
    keysSince,
  ];
}

/** The columns of a version in the order of the arrays, up to the length. */
function columnsOf(row: VersionColumns): readonly PgValue[] {
  return [row.version, row.ext, row.headers, row.state, row.updatedAt, row.len];
}

function eventColumns(event: BatchEvent): readonly PgValue[] {
  return [
    ...[event.id, event.timestamp, event.type, event.payload, event.hmac, event.prev_hmac],
    ...[
      event.kind,
      event.name,
      event.also ?? null,
      event.by,
      event.version,
      event.ext,
      event.state,
    ],
    ...[event.len, event.key ?? null, event.restricted, event.alsoRestricted],
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
