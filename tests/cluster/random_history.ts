/**
 * Histories of a correct store with random clients: each call takes effect at one moment between its
 * begin and its end, one of unknown outcome at any later moment or never. Pure; equal seeds give equal
 * histories. With {@link mutateCall} they become histories that can be wrong.
 */

import { sha256Hex } from "../../lib/base/hash.ts";
import { createRandom } from "../support/random.ts";
import type { Call, CallKind, Entry, FinalState } from "./history.ts";

/** How large a random history is. */
export interface RandomOptions {
  readonly seed: number;
  readonly clients: number;
  /** Calls of each client. */
  readonly calls: number;
  readonly worlds: number;
  readonly nodes: number;
  /** Whether there are moves, and reads that are not linearizable. */
  readonly isWhole: boolean;
}

/** The calls of a run, and its end. */
export interface RandomHistory {
  readonly calls: Call[];
  readonly final: FinalState;
}

/** Most milliseconds of a call, and between two calls of a client. */
const MAX_CALL_MS = 100;
/** Most milliseconds after its end at which a call of unknown outcome takes effect. */
const MAX_LATE_MS = 200;
/** Most milliseconds that a plain read is behind. */
const MAX_LAG_MS = 300;

/** A call before it is answered. */
interface Plan {
  readonly id: string;
  readonly node: number;
  readonly began: number;
  readonly ended: number;
  /** When it takes effect; undefined for never. */
  readonly at: number | undefined;
  readonly isUnknown: boolean;
}

interface Register {
  version: number;
  text: string | undefined;
  readonly entries: Entry[];
  /** When each entry was made. */
  readonly times: number[];
}

/** Creates a history. */
export function randomHistory(options: RandomOptions): RandomHistory {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: RandomOptions;
  readonly #random: () => number;
  readonly #registers = new Map<string, Register>();
  readonly #calls: Call[] = [];
  /** The number of entries that a node has shown or made, by node and world. */
  readonly #shown = new Map<string, number>();
  #deletions = 0;

  constructor(options: RandomOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    for (let i = 0; i < options.worlds; i++) {
      this.#registers.set(`home/w${i}`, { version: 0, text: undefined, entries: [], times: [] });
    }
  }

  run(): RandomHistory {
    const plans = this.#plan();
    for (const plan of plans.sort((a, b) => (a.at ?? a.ended) - (b.at ?? b.ended))) {
      this.#call(plan);
    }
    const timelines = new Map(
      [...this.#registers].map(([world, { entries }]) => [world, entries]),
    );
    return { calls: this.#calls, final: { timelines, faults: [] } };
  }

  #plan(): Plan[] {
    const plans: Plan[] = [];
    for (let client = 0; client < this.#options.clients; client++) {
      let time = this.#random() * MAX_CALL_MS;
      for (let i = 0; i < this.#options.calls; i++) {
        const began = time;
        const ended = began + this.#random() * MAX_CALL_MS;
        const isUnknown = this.#random() < 0.15;
        const late = this.#random() < 0.3 ? this.#random() * MAX_LATE_MS : 0;
        const at = began + this.#random() * (ended - began + (isUnknown ? late : 0));
        const node = Math.floor(this.#random() * this.#options.nodes);
        const isLost = isUnknown && this.#random() < 0.4;
        const id = `${client}.${i}`;
        plans.push({ id, node, began, ended, isUnknown, at: isLost ? undefined : at });
        time = ended + this.#random() * MAX_CALL_MS / 2;
      }
    }
    return plans;
  }

  #call(plan: Plan): void {
    const names = [...this.#registers.keys()];
    const world = names[Math.floor(this.#random() * names.length)] ?? "";
    const register = this.#registers.get(world);
    if (register === undefined) return;
    const kind = this.#chooseKind();
    if (kind === "read") return this.#read(plan, world, register);
    const to = kind === "move" ? names.find((name) => name !== world) : undefined;
    if (kind === "move" && to === undefined) return;
    const condition = this.#chooseCondition(kind, register.version);
    const { id, node, began, ended, at, isUnknown } = plan;
    const call: Call = {
      id,
      kind,
      world,
      node,
      began,
      ended,
      outcome: "unknown",
      ...(to === undefined ? {} : { to }),
      ...(kind === "delete" || kind === "move" ? {} : { text: `<${id}>` }),
      ...(condition === undefined ? {} : { condition }),
    };
    const answer: Partial<Call> = at === undefined ? {} : this.#apply(call, register, at);
    this.#calls.push(isUnknown ? call : { ...call, ...answer });
  }

  #chooseKind(): CallKind {
    const kinds: CallKind[] = ["put", "put", "append", "prepend", "delete", "read", "read", "read"];
    if (this.#options.isWhole) kinds.push("move");
    return kinds[Math.floor(this.#random() * kinds.length)] ?? "put";
  }

  #chooseCondition(kind: CallKind, version: number): Call["condition"] {
    const kinds = this.#random();
    if (kinds < 0.3) return version;
    if (kinds < 0.4) return Math.floor(this.#random() * (version + 2));
    return kinds < 0.5 && kind !== "delete" && kind !== "prepend" ? "absent" : undefined;
  }

  /** Applies a write, and returns its answer. */
  #apply(call: Call, register: Register, at: number): Partial<Call> {
    const { kind, world, to, text = "", condition, node } = call;
    const isPresent = register.text !== undefined;
    const target = this.#registers.get(to ?? "");
    if (!isPresent && kind !== "put" && kind !== "append") {
      return { outcome: "refused", status: 404 };
    }
    const exists = target === undefined ? isPresent : target.text !== undefined;
    const holds = condition === undefined ||
      (condition === "absent" ? !exists : isPresent && register.version === condition);
    if (!holds) return { outcome: "refused", status: 412 };
    if (kind === "delete" || target !== undefined) {
      const { version, text: moved = "" } = register;
      const trash = `t${this.#deletions++}`;
      register.text = undefined;
      const end = to === undefined ? { trash } : { movedTo: to };
      this.#push(world, register, { kind: "delete", version, ...end }, at, node);
      if (target === undefined || to === undefined) return { outcome: "ok", trash };
      target.version = Math.max(target.version, version) + 1;
      target.text = moved;
      this.#push(
        to,
        target,
        { kind: "move", version: target.version, ...content(moved), source: { world, version } },
        at,
        node,
      );
      return { outcome: "ok", version: target.version };
    }
    const old = register.text ?? "";
    const made = kind === "append" ? `${old}${text}` : kind === "prepend" ? `${text}${old}` : text;
    register.version += 1;
    register.text = made;
    const { version } = register;
    const piece = kind === "append" ? { piece: sha256Hex(text) } : {};
    if (kind === "read" || kind === "move") throw new Error(`a ${kind} makes no version here`);
    this.#push(world, register, { kind, version, ...content(made), ...piece }, at, node);
    return { outcome: "ok", version };
  }

  #push(world: string, register: Register, entry: Entry, at: number, node: number): void {
    register.entries.push(entry);
    register.times.push(at);
    this.#shown.set(`${node} ${world}`, register.entries.length);
  }

  #read({ id, node, began, ended, at, isUnknown }: Plan, world: string, register: Register): void {
    if (isUnknown || at === undefined) return;
    const fresh = !this.#options.isWhole || this.#random() < 0.5;
    const { entries, times } = register;
    let place = entries.length;
    if (!fresh) {
      const seen = at - this.#random() * MAX_LAG_MS;
      const late = times.findLastIndex((time) => time <= seen) + 1;
      place = Math.max(late, this.#shown.get(`${node} ${world}`) ?? 0);
    }
    this.#shown.set(`${node} ${world}`, place);
    const call = { id, kind: "read", world, node, began, ended, fresh } as const;
    const { kind, version = 0, text = "" } = entries[place - 1] ?? {};
    this.#calls.push(
      kind === undefined || kind === "delete"
        ? { ...call, outcome: "refused", status: 404 }
        : { ...call, outcome: "ok", version, text },
    );
  }
}

function content(text: string): Pick<Entry, "text" | "sha256"> {
  return { text, sha256: sha256Hex(text) };
}

/**
 * Changes one call at random: its times, outcome, version, text or condition. The result can be a valid
 * history, too.
 */
export function mutateCall(calls: readonly Call[], random: () => number): Call[] {
  const pick = () => Math.floor(random() * calls.length);
  const at = pick();
  const call = calls[at];
  const other = calls[pick()];
  if (call === undefined || other === undefined) return [...calls];
  return calls.map((found, i) => i === at ? { ...found, ...change(call, other, random) } : found);
}

function change(call: Call, other: Call, random: () => number): Partial<Call> {
  const { kind, began, ended, outcome, version, condition } = call;
  const shift = (random() - 0.5) * 4 * MAX_CALL_MS;
  const isDeletion = kind === "delete";
  const changes: Partial<Call>[] = [
    { began: began + shift, ended: ended + shift },
    { began: Math.min(ended, began + Math.abs(shift)) },
    { ended: Math.max(began, ended - Math.abs(shift)) },
  ];
  if (outcome === "ok" && version !== undefined) {
    changes.push({ version: version + 1 }, { version: Math.max(1, version - 1) });
  }
  if (outcome === "ok" && kind !== "read") changes.push({ outcome: "unknown" });
  if (outcome === "ok" && kind !== "read") changes.push({ outcome: "refused", status: 404 });
  if (outcome === "unknown" && !isDeletion && kind !== "move") {
    changes.push({ outcome: "ok", version: other.version ?? 1 });
  }
  if (outcome === "unknown") {
    changes.push({ outcome: "refused", status: random() < 0.5 ? 404 : 412 });
  }
  if (outcome === "refused" && kind !== "read") {
    changes.push({ status: call.status === 404 ? 412 : 404 });
  }
  if (outcome === "refused" && kind !== "read") changes.push({ outcome: "unknown" });
  if (kind === "read" && other.text !== undefined) changes.push({ text: other.text });
  if (kind === "read" && other.version !== undefined) {
    const { text = "" } = other;
    changes.push({ outcome: "ok", version: other.version, text });
  }
  if (typeof condition === "number") changes.push({ condition: condition + 1 });
  return changes[Math.floor(random() * changes.length)] ?? {};
}

/** Changes the life of one world at random: an entry less, one more, or another content. */
export function mutateTimeline(entries: readonly Entry[], random: () => number): Entry[] {
  const at = Math.floor(random() * entries.length);
  const [entry, other] = [entries[at], entries[Math.floor(random() * entries.length)]];
  if (entry === undefined || other === undefined) return [...entries];
  const { text = "", kind } = other;
  const last = entries.at(-1)?.version ?? 0;
  const changed: Entry = entry.kind === "delete"
    ? { ...entry, trash: `other ${at}` }
    : { ...entry, ...content(kind === "delete" ? "" : text) };
  const choices: Entry[][] = [
    entries.slice(0, -1),
    entries.toSpliced(at, 1),
    entries.toSpliced(at, 1, changed),
    [
      ...entries,
      kind === "delete"
        ? { kind, version: last, trash: `other ${entries.length}` }
        : { ...other, version: last + 1 },
    ],
  ];
  return choices[Math.floor(random() * choices.length)] ?? [];
}
