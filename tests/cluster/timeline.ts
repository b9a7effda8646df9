/**
 * The life of each name from event chains. A chain belongs to a world and can have events of several
 * names, because a world takes its chain along when it is moved. A name can have several worlds one
 * after the other. Pure.
 */

import type { Entry } from "./history.ts";

/** An event as `/proc/log` shows it. */
export interface LogEvent {
  readonly id: number;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** A chain of events, and what was read together with it. */
export interface Chain {
  /** The name under which it was read. */
  readonly world: string;
  /** All events, oldest first. */
  readonly events: readonly LogEvent[];
  /** Contents of versions, as `?at=` returned them. */
  readonly texts: ReadonlyMap<number, string>;
  /** Whether the world was restored from the trash in order to read it: the events after that are not of the run. */
  readonly isRestored: boolean;
}

/** Returns the entries of each name, in order. */
export function toTimelines(chains: readonly Chain[]): Map<string, Entry[]> {
  const timelines = new Map<string, Entry[]>();
  for (const [chain, found] of chains.entries()) {
    for (const [world, step] of entriesOf(found)) {
      const entry = { ...step, chain };
      const entries = timelines.get(world);
      if (entries === undefined) timelines.set(world, [entry]);
      else entries.push(entry);
    }
  }
  for (const entries of timelines.values()) entries.sort((a, b) => placeOf(a) - placeOf(b));
  return timelines;
}

/** A deletion comes after the version that it ends. */
function placeOf({ kind, version }: Entry): number {
  return 2 * version + (kind === "delete" ? 1 : 0);
}

function* entriesOf({ world, events, texts, isRestored }: Chain): Generator<[string, Entry]> {
  let name = world;
  let last = 0;
  let movedTo: string | undefined;
  for (const { type, payload } of events) {
    if (typeof payload.name === "string") name = payload.name;
    const version = Number(payload.version_after ?? payload.version);
    if (type === "world_moved" && payload.version_after === undefined) {
      movedTo = toName(payload.to); // the deletion follows
    } else if (type === "world_moved") {
      const to = toName(payload.to);
      yield [name, { kind: "delete", version: last, movedTo: to }];
      yield [to, {
        kind: "move",
        version,
        source: { world: name, version: last },
        ...contentOf(payload, texts.get(version)),
      }];
      name = to;
    } else if (type === "world_deleted") {
      const moved = movedTo === undefined ? {} : { movedTo };
      yield [name, { kind: "delete", version, trash: String(payload.trash), ...moved }];
      movedTo = undefined;
      if (isRestored) return;
    } else if (/^(?:stage_|world_restored$)/.test(type)) {
      const source = payload.moved_from === undefined ? {} : {
        source: { world: toName(payload.moved_from), version: Number(payload.from_version) },
      };
      const piece = payload.append_sha256 === undefined
        ? {}
        : { piece: String(payload.append_sha256) };
      const content = contentOf(payload, texts.get(version));
      yield [name, { kind: kindOf(payload), version, ...source, ...piece, ...content }];
    } else continue;
    last = version;
  }
}

/** A path of a payload as a name. */
function toName(path: unknown): string {
  return String(path).replace(/^\//, "");
}

function kindOf({ op, moved_from, from_version }: LogEvent["payload"]): Entry["kind"] {
  if (moved_from !== undefined) return "move";
  if (from_version !== undefined) return "other";
  if (op === "put" || op === "append") return op;
  return op === "patch" ? "prepend" : "other";
}

function contentOf(payload: LogEvent["payload"], text: string | undefined): Partial<Entry> {
  const sha256 = String(payload.body_sha256_after);
  return text === undefined ? { sha256 } : { sha256, text };
}
