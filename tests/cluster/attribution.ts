/**
 * Finds the call that made each version of each name, and what each version must contain. It finds what
 * breaks the rules a, d, e and f of `checker.ts` on the way. Pure.
 */

import { sha256Hex } from "../../lib/base/hash.ts";
import type { Call, Entry, FinalState, Report } from "./history.ts";

/** A state of a name: after one entry of its timeline, or before the first. */
export interface State {
  /** Its index among the states of the name. */
  readonly place: number;
  readonly isPresent: boolean;
  /** The last version that the name had. */
  readonly version: number;
  /** What the world must contain. */
  readonly text: string;
  readonly entry?: Entry;
  /** The call that made it; of several possible ones the first. */
  readonly writer?: Call;
  /** It was made at this time at the earliest. */
  readonly began: number;
  /** It was made at this time at the latest; Infinity if the call was not answered. */
  readonly ended: number;
}

/** The state of a name that never had a world. */
export const BEFORE_ALL: State = {
  place: 0,
  isPresent: false,
  version: 0,
  text: "",
  began: -Infinity,
  ended: -Infinity,
};

/** A call that made an entry, and the earliest time at which it can have begun. */
interface Writer {
  readonly call: Call;
  readonly began: number;
}

/** A call in a message. */
export function showCall({ id, kind, condition, fresh }: Call): string {
  const on = condition === undefined
    ? ""
    : condition === "absent"
    ? " on no world"
    : ` on version ${condition}`;
  return `${fresh ? "fresh " : ""}${kind} ${id}${on}`;
}

/** A version of a name as a key. */
function keyOf(world: string, version: number | undefined): string {
  return `${world}@${version}`;
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const found = map.get(key);
  if (found === undefined) map.set(key, [value]);
  else found.push(value);
}

/** The writes of a run, by what identifies them on a chain. */
class Writers {
  /** Acknowledged writes by the version that they made. */
  readonly acknowledged = new Map<string, Call>();
  /** Acknowledged deletions by their id in the trash. */
  readonly deletions = new Map<string, Call>();
  /** By kind, world and hash of the text that was sent. */
  readonly #texts = new Map<string, Call>();
  /** Deletions and moves of unknown outcome, in the order of their begin. */
  readonly #unknown = new Map<string, Call[]>();
  /** Prepends by world: those that were not acknowledged, and then the others. */
  readonly #prepends = new Map<string, Call[]>();

  constructor(calls: readonly Call[], report: Report) {
    for (const call of [...calls].sort((a, b) => a.began - b.began)) this.#add(call, report);
    for (const prepends of this.#prepends.values()) {
      prepends.sort((a, b) => Number(a.outcome === "ok") - Number(b.outcome === "ok"));
    }
  }

  /** Finds the call that made an entry; undefined if no call can have made it. */
  find(world: string, entry: Entry, before: State): Writer | undefined {
    const { kind, version, sha256 = "", piece = "", source, trash = "" } = entry;
    if (kind === "delete") {
      return toWriter(this.deletions.get(trash)) ??
        this.#takeUnknown(world, undefined, [version, ""]);
    }
    const known = toWriter(this.acknowledged.get(keyOf(world, version)));
    if (known !== undefined) return known;
    if (kind === "put") return toWriter(this.#texts.get(`put ${world} ${sha256}`));
    if (kind === "append") return toWriter(this.#texts.get(`append ${world} ${piece}`));
    if (kind === "move" && source !== undefined) {
      const conditions = [
        source.version,
        ...before.isPresent ? [] : ["absent" as const],
        "" as const,
      ];
      return this.#takeUnknown(source.world, world, conditions);
    }
    if (kind !== "prepend") return undefined;
    const prepends = this.#prepends.get(world) ?? [];
    return toWriter(prepends.find(({ text }) => sha256Hex(`${text}${before.text}`) === sha256));
  }

  #add(call: Call, report: Report): void {
    const { kind, world, to, outcome, text, version, trash = "", condition } = call;
    if (kind === "read") return;
    if (text !== undefined) this.#texts.set(`${kind} ${world} ${sha256Hex(text)}`, call);
    if (kind === "prepend") add(this.#prepends, world, call);
    if (outcome === "unknown" && text === undefined) {
      add(this.#unknown, unknownKey(world, to, condition), call);
    }
    if (outcome !== "ok") return;
    const isDeletion = kind === "delete";
    const name = to ?? world;
    const [map, at] = isDeletion
      ? [this.deletions, trash]
      : [this.acknowledged, keyOf(name, version)];
    const other = map.get(at);
    map.set(at, call);
    if (other === undefined) return;
    const what = isDeletion ? `deletion ${trash}` : `version ${version}`;
    report("a", name, `${what} was acknowledged to ${showCall(other)} and to ${showCall(call)}`);
  }

  /**
   * Takes a deletion or a move of unknown outcome. Which one of several it was is not recorded. One with a
   * condition is taken first, because it can have made fewer entries than the others; and the earliest
   * begin of all of them is taken, because it allows the most.
   *
   * @param conditions conditions that hold here, the narrowest first
   */
  #takeUnknown(
    world: string,
    to: string | undefined,
    conditions: readonly (number | "absent" | "")[],
  ): Writer | undefined {
    const pools = conditions.map((on) => this.#unknown.get(unknownKey(world, to, on)) ?? []);
    const began = Math.min(...pools.map(([first]) => first?.began ?? Infinity));
    const call = pools.find((pool) => pool.length > 0)?.shift();
    return call && { call, began };
  }
}

function toWriter(call: Call | undefined): Writer | undefined {
  return call && { call, began: call.began };
}

function unknownKey(world: string, to = "", condition: number | string = ""): string {
  return `${world} ${to} ${condition}`;
}

/**
 * Returns the states of each name. The first state of each is {@link BEFORE_ALL}.
 *
 * @param report takes what breaks a rule
 */
export function attribute(
  calls: readonly Call[],
  { timelines }: Pick<FinalState, "timelines">,
  report: Report,
): Map<string, State[]> {
  const attribution = new Attribution(calls, report);
  // A move makes a higher version than that of its source, so that the source is known before.
  const steps = [...timelines].flatMap(([world, entries]) =>
    entries.map((entry) => ({ world, entry }))
  ).sort((a, b) => placeOf(a.entry) - placeOf(b.entry));
  for (const { world, entry } of steps) attribution.add(world, entry);
  attribution.finish();
  return attribution.states;
}

/** A deletion comes after the version that it ends. */
function placeOf({ kind, version }: Entry): number {
  return 2 * version + (kind === "delete" ? 1 : 0);
}

class Attribution {
  readonly states = new Map<string, State[]>();
  readonly #writers: Writers;
  readonly #report: Report;
  /** Content of each version. */
  readonly #texts = new Map<string, string>();
  /** The name that each moved version got, and the call. */
  readonly #moves = new Map<string, { readonly to: string; readonly writer: Writer | undefined }>();
  /** The version under which the text of a call was found. */
  readonly #found = new Map<Call, string>();

  constructor(calls: readonly Call[], report: Report) {
    this.#writers = new Writers(calls, report);
    this.#report = report;
  }

  add(world: string, entry: Entry): void {
    const own = this.states.get(world) ?? [BEFORE_ALL];
    this.states.set(world, own);
    const before = own.at(-1) ?? BEFORE_ALL;
    this.#checkStep(world, before, entry);
    const { kind, version, source } = entry;
    const place = own.length;
    if (kind === "delete") {
      // Its call is found at the end, when the moves are known.
      own.push({
        ...BEFORE_ALL,
        place,
        version,
        entry,
        ended: Infinity,
      });
      return;
    }
    const writer = this.#writers.find(world, entry, before);
    if (writer === undefined) {
      this.#report("f", world, `version ${version} was made by no call`);
    } else this.#checkWriter(world, before, entry, writer.call);
    if (source !== undefined) {
      this.#moves.set(keyOf(source.world, source.version), { to: world, writer });
    }
    const text = this.#expect(entry, writer?.call, before) ?? entry.text ?? "";
    this.#checkText(world, entry, text);
    this.#texts.set(keyOf(world, version), text);
    own.push({ place, isPresent: true, version, text, entry, ...toTimes(writer) });
  }

  /** Finds the calls of deletions, and acknowledged calls that are not on any chain. */
  finish(): void {
    const deleted = new Set<Call>();
    for (const [world, own] of this.states) {
      for (const [at, state] of own.entries()) {
        const { entry } = state;
        if (entry?.kind !== "delete") continue;
        const writer = this.#findDeletion(world, entry);
        own[at] = { ...state, ...toTimes(writer) };
        if (writer === undefined) continue;
        if (deleted.has(writer.call)) {
          this.#report(
            "e",
            world,
            `${showCall(writer.call)} deleted version ${entry.version}, too`,
          );
        }
        deleted.add(writer.call);
      }
    }
    for (const [from, { to }] of this.#moves) {
      const at = from.lastIndexOf("@");
      const own = this.states.get(from.slice(0, at)) ?? [];
      const version = Number(from.slice(at + 1));
      if (own.some(({ entry }) => entry?.kind === "delete" && entry.version === version)) continue;
      this.#report("e", to, `${from} moved here, and is still there, too`);
    }
    for (const [at, call] of this.#writers.acknowledged) {
      if (this.#texts.has(at)) continue;
      const name = call.to ?? call.world;
      this.#report("f", name, `version ${call.version} of ${showCall(call)} is not on the chain`);
    }
    for (const [trash, call] of this.#writers.deletions) {
      if (deleted.has(call)) continue;
      this.#report("f", call.world, `deletion ${trash} of ${showCall(call)} is not on the chain`);
    }
  }

  #findDeletion(world: string, entry: Entry): Writer | undefined {
    const { version, movedTo } = entry;
    if (movedTo !== undefined) {
      const move = this.#moves.get(keyOf(world, version));
      if (move !== undefined) return move.writer; // without a writer, the move is reported
      this.#report("e", world, `version ${version} moved to ${movedTo}, and is not there`);
      return undefined;
    }
    const writer = this.#writers.find(world, entry, BEFORE_ALL);
    if (writer === undefined) {
      this.#report("f", world, `version ${version} was deleted by no call`);
    } else if (writer.call.world !== world) {
      this.#report("f", world, `${showCall(writer.call)} was about ${writer.call.world}`);
    } else if (typeof writer.call.condition === "number" && writer.call.condition !== version) {
      this.#report("d", world, `${showCall(writer.call)} deleted version ${version}`);
    }
    return writer;
  }

  /** Versions have no gap. */
  #checkStep(world: string, before: State, entry: Entry): void {
    const { kind, version, source } = entry;
    if (kind === "delete") {
      if (before.isPresent && before.version === version) return;
      const present = before.isPresent ? `version ${before.version}` : "no world";
      this.#report("f", world, `version ${version} was deleted where the chain has ${present}`);
      return;
    }
    if (kind === "move" && source !== undefined) {
      const { world: from, version: taken } = source;
      if (!this.#texts.has(keyOf(from, taken))) {
        this.#report(
          "f",
          world,
          `version ${version} is a move of ${from} version ${taken}, which is on no chain`,
        );
      }
    }
    const last = Math.max(before.version, source?.version ?? 0);
    if (version === last + 1) return;
    this.#report("f", world, `version ${version} follows version ${last}`);
  }

  #checkWriter(world: string, before: State, entry: Entry, call: Call): void {
    const { version, source } = entry;
    const { condition, outcome } = call;
    const name = showCall(call);
    const at = keyOf(world, version);
    if (outcome === "refused") {
      this.#report("e", world, `version ${version} is ${name}, which was refused`);
    } else if (outcome === "ok" && call.version !== version) {
      const known = `acknowledged as version ${call.version}`;
      this.#report("e", world, `version ${version} is ${name}, which was ${known}`);
    }
    const other = this.#found.get(call);
    if (other !== undefined) this.#report("e", world, `${name} made ${other} and ${at}`);
    this.#found.set(call, at);
    if (condition === undefined) return;
    const on = source ?? before;
    const holds = condition === "absent"
      ? !before.isPresent
      : (source !== undefined || before.isPresent) && on.version === condition;
    if (!holds) this.#report("d", world, `${name} made version ${version}`);
  }

  #expect({ source }: Entry, call: Call | undefined, before: State): string | undefined {
    if (source !== undefined) return this.#texts.get(keyOf(source.world, source.version));
    if (call === undefined) return undefined;
    const { kind, text = "" } = call;
    const old = before.isPresent ? before.text : "";
    if (kind === "append") return `${old}${text}`;
    return kind === "prepend" ? `${text}${old}` : text;
  }

  #checkText(world: string, { version, sha256, text }: Entry, expected: string): void {
    if (sha256 !== sha256Hex(expected)) {
      this.#report("f", world, `version ${version} has another content than its call left`);
    } else if (text !== undefined && text !== expected) {
      this.#report("f", world, `?at=${version} returns another content than its call left`);
    }
  }
}

function toTimes(writer: Writer | undefined): Pick<State, "began" | "ended" | "writer"> {
  if (writer === undefined) return { began: -Infinity, ended: Infinity };
  const { call, began } = writer;
  return { writer: call, began, ended: call.outcome === "ok" ? call.ended : Infinity };
}
