/**
 * Judges the calls of a run. No search is needed, because every acknowledged write has its version, and
 * the chains at the end have all versions: O(n log n). Pure.
 *
 * | rule      | statement                                                                                 |
 * | --------- | ----------------------------------------------------------------------------------------- |
 * | a         | no version and no deletion is acknowledged twice                                          |
 * | b         | a read of version v shows what the writer of v left                                       |
 * | c         | a call that begins after another one ended never reads an older state, and never makes one |
 * | d         | a write with `If-Match` v makes v + 1; one with `If-None-Match: *` creates a world        |
 * | e         | a write of unknown outcome appears once or never, a refused one never, an acknowledged one under its version only; a move appears at both names or at none |
 * | f         | at the end every acknowledged write is on the chain under its version, versions have no gap, contents fit their chain, every chain verifies |
 * | `refusal` | a 404 or 412 was right at some moment of its call                                         |
 * | `plain`   | a read without `no-cache` is not older than what its node acknowledged or showed before it, than what any node knew 2 s before it, and than what `Elastik-At` named |
 * | `lock`    | a write without the token that began after a LOCK was answered comes after the last write with the token |
 *
 * Rule c is about writes and about reads that must be linearizable. Rule c and `refusal` are exact
 * together: a history passes if there is an order of all calls that fits their times and the chain, and
 * only then. `linearizable.ts` searches for such an order; its test compares the two.
 */

import { attribute, BEFORE_ALL, showCall, type State } from "./attribution.ts";
import type { Call, FinalState, History, LockSpan, Report, Rule, Violation } from "./history.ts";

/** Most milliseconds that a plain read may be behind what another node knew. */
export const MAX_STALE_MS = 2_000;

/** Judges all calls of a run by the state at its end. */
export function checkCalls(
  { calls, locks }: Pick<History, "calls" | "locks">,
  final: FinalState,
): Violation[] {
  const found: Violation[] = [];
  const report: Report = (rule, world, text) => found.push({ rule, world, text });
  for (const { world, text } of final.faults) report("f", world, text);
  const states = attribute(calls, final, report);
  // A move is about two names.
  const calledBy = Map.groupBy(
    calls.flatMap((call) =>
      [call.world, ...call.to === undefined ? [] : [call.to]].map((world) => ({ world, call }))
    ),
    ({ world }) => world,
  );
  for (const [world, own] of calledBy) {
    new WorldJudge(world, states.get(world) ?? [BEFORE_ALL], own.map(({ call }) => call), report)
      .run();
  }
  for (const lock of locks) checkLock(lock, states.get(lock.world) ?? [], report);
  return found;
}

/** A call, or the writer of a state, with the place of the state that it saw or made. */
interface Seen {
  readonly place: number;
  readonly began: number;
  readonly ended: number;
  readonly isWrite: boolean;
  readonly name: string;
}

class WorldJudge {
  readonly #world: string;
  readonly #states: readonly State[];
  readonly #calls: readonly Call[];
  readonly #report: Report;
  /** Place of each version. */
  readonly #places: ReadonlyMap<number, number>;
  /** The largest place up to each place whose world is absent, and present; -1 if there is none. */
  readonly #lastAbsent: number[] = [];
  readonly #lastPresent: number[] = [];

  constructor(world: string, states: readonly State[], calls: readonly Call[], report: Report) {
    this.#world = world;
    this.#states = states;
    this.#calls = calls;
    this.#report = report;
    this.#places = new Map(
      states.filter(({ isPresent }) => isPresent).map(({ version, place }) => [version, place]),
    );
    for (const { place, isPresent } of states) {
      this.#lastAbsent.push(isPresent ? this.#lastAbsent[place - 1] ?? -1 : place);
      this.#lastPresent.push(isPresent ? place : this.#lastPresent[place - 1] ?? -1);
    }
  }

  run(): void {
    const reads = this.#calls.filter(({ kind }) => kind === "read");
    for (const read of reads) this.#checkContent(read);
    const seen = this.#seen(reads.filter(({ fresh }) => fresh));
    if (this.#checkOrder(seen)) this.#checkRefusals(seen);
    this.#checkPlain();
  }

  #say(rule: Rule, text: string): void {
    this.#report(rule, this.#world, text);
  }

  #checkContent(read: Call): void {
    const { outcome, version = 0, text } = read;
    if (outcome !== "ok") return;
    const state = this.#states[this.#places.get(version) ?? -1];
    if (state === undefined) {
      this.#say("b", `${showCall(read)} shows version ${version}, which is not on the chain`);
    } else if (state.text !== text) {
      this.#say("b", `${showCall(read)} shows another content of version ${version}`);
    }
  }

  /** The writes, and the reads that showed a version. */
  #seen(reads: readonly Call[]): Seen[] {
    const seen: Seen[] = [];
    for (const { place, began, ended, writer } of this.#states) {
      if (writer !== undefined) {
        seen.push({ place, began, ended, isWrite: true, name: showCall(writer) });
      }
    }
    for (const read of reads) {
      const place = read.outcome === "ok" ? this.#places.get(read.version ?? 0) : undefined;
      if (place === undefined) continue;
      const { began, ended } = read;
      seen.push({ place, began, ended, isWrite: false, name: showCall(read) });
    }
    return seen;
  }

  /** Rule c: compares each call with the newest state of all calls that ended before it began. */
  #checkOrder(seen: readonly Seen[]): boolean {
    const byEnd = [...seen].sort((a, b) => a.ended - b.ended);
    let next = 0;
    let newest: Seen | undefined;
    let isRight = true;
    for (const call of [...seen].sort((a, b) => a.began - b.began)) {
      for (let ended = byEnd[next]; ended !== undefined && ended.ended < call.began;) {
        if (newest === undefined || ended.place > newest.place) newest = ended;
        ended = byEnd[++next];
      }
      if (newest === undefined) continue;
      if (call.isWrite ? call.place > newest.place : call.place >= newest.place) continue;
      isRight = false;
      const does = call.isWrite ? "made" : "shows";
      this.#say(
        "c",
        `${call.name} ${does} ${
          this.#show(call.place)
        }, and ${newest.name}, which ended before it ` +
          `began, ${newest.isWrite ? "made" : "shows"} ${this.#show(newest.place)}`,
      );
    }
    return isRight;
  }

  /**
   * Refusals, and linearizable reads of a missing world. Each was right in some states. The earliest
   * possible times of all states are computed: a refusal takes the last state that fits and that can
   * have been reached before its end, and the state after that was then made after its begin. This is
   * the choice that delays the other states least, so that the result does not depend on the order.
   */
  #checkRefusals(seen: readonly Seen[]): void {
    const earliest = this.#earliest(seen);
    const latest = this.#latest(seen);
    let open = this.#calls.filter((call) => this.#isRefusal(call));
    for (let isChanged = true; isChanged;) {
      isChanged = false;
      open = open.filter((call) => {
        const { began, ended } = call;
        const place = this.#lastFitting(call, lastAtMost(earliest, ended));
        const next = place + 1;
        if (place < 0 || began > (latest[next] ?? Infinity)) {
          const rule = call.kind === "read" ? "c" : "refusal";
          const text = `was answered ${call.status}, which was not right at any time of the call`;
          this.#say(rule, `${showCall(call)} ${text}`);
          return false;
        }
        for (let at = next; at < earliest.length && (earliest[at] ?? 0) < began; at++) {
          earliest[at] = began;
          isChanged = true;
        }
        return true;
      });
    }
  }

  /** Whether a call was refused because of the state of this name. */
  #isRefusal({ outcome, status, kind, fresh, condition, world, to, lock }: Call): boolean {
    if (outcome !== "refused" || (kind === "read" && !fresh)) return false;
    if (status === 404) return world === this.#world;
    // The token of a lock is a condition, too.
    if (status !== 412 || lock !== undefined) return false;
    return this.#world === (condition === "absent" ? to ?? world : world);
  }

  /** The last place up to a place in which a refusal is right; -1 if there is none. */
  #lastFitting({ status, condition }: Call, place: number): number {
    if (status === 404) return this.#lastAbsent[place] ?? -1;
    if (condition === undefined) return -1;
    if (condition === "absent") return this.#lastPresent[place] ?? -1;
    const state = this.#states[place];
    return state?.isPresent && state.version === condition ? place - 1 : place;
  }

  /** The earliest time of each state: after the begin of its writer, and of all calls that saw less. */
  #earliest(seen: readonly Seen[]): number[] {
    const times = this.#states.map(({ began }) => began);
    for (const { place, began, isWrite } of seen) {
      const next = times[place + 1];
      if (!isWrite && next !== undefined) times[place + 1] = Math.max(next, began);
    }
    let last = -Infinity;
    return times.map((time) => last = Math.max(last, time));
  }

  /** The latest time of each state: before the end of its writer, and of all calls that saw more. */
  #latest(seen: readonly Seen[]): number[] {
    const times = this.#states.map(({ ended, place }) => place === 0 ? -Infinity : ended);
    for (const { place, ended } of seen) times[place] = Math.min(times[place] ?? Infinity, ended);
    let first = Infinity;
    return times.reverse().map((time) => first = Math.min(first, time)).reverse();
  }

  #checkPlain(): void {
    const earliest = this.#earliest([]);
    const known = new KnownPlaces();
    const calls = this.#calls.filter(({ outcome }) => outcome !== "unknown")
      .sort((a, b) => a.began - b.began);
    const made = this.#placesOfWriters();
    for (const call of calls) {
      const { kind, fresh, outcome, status, node, began, ended, version = 0, atLeast } = call;
      if (kind !== "read" || (outcome === "refused" && status !== 404)) {
        known.add(node, ended, made.get(call) ?? 0);
        continue;
      }
      const own = known.ofNode(node, began);
      const others = known.ofAll(began - MAX_STALE_MS);
      const named = atLeast === undefined ? 0 : this.#places.get(atLeast) ?? 0;
      const floor = Math.max(own, others, named);
      const place = outcome === "ok"
        ? this.#places.get(version)
        : this.#lastAbsent[lastAtMost(earliest, ended)];
      if (place === undefined) continue; // rule b reports it
      // Which absence a 404 saw is not recorded: at least the first that it can have seen.
      known.add(node, ended, outcome === "ok" ? place : Math.min(place, floor));
      if (fresh) continue;
      const shows = outcome === "ok" ? `shows version ${version}` : "found no world";
      if ((earliest[place] ?? 0) > ended) {
        this.#say("plain", `${showCall(call)} ${shows}, which no call had made yet`);
      } else if (place < floor) {
        const why = place < own
          ? `node ${node} knew ${this.#show(own)} before`
          : place < others
          ? `${this.#show(others)} was known ${MAX_STALE_MS / 1000} s before`
          : `it named version ${atLeast}`;
        this.#say("plain", `${showCall(call)} ${shows}, but ${why}`);
      }
    }
  }

  /** The place that each acknowledged write of this name made. */
  #placesOfWriters(): Map<Call, number> {
    return new Map(
      this.#states.flatMap(({ writer, place }) =>
        writer?.outcome === "ok" ? [[writer, place]] : []
      ),
    );
  }

  #show(place: number): string {
    const { isPresent = false, version = 0 } = this.#states[place] ?? {};
    if (isPresent) return `version ${version}`;
    return version === 0 ? "no world" : `the deletion of version ${version}`;
  }
}

/** The newest places that nodes acknowledged or showed, by time. Times of questions rise. */
class KnownPlaces {
  readonly #nodes = new Map<number, RisingMaximum>();
  readonly #all = new RisingMaximum();

  add(node: number, ended: number, place: number): void {
    const own = this.#nodes.get(node) ?? new RisingMaximum();
    this.#nodes.set(node, own);
    own.add(ended, place);
    this.#all.add(ended, place);
  }

  ofNode(node: number, before: number): number {
    return this.#nodes.get(node)?.until(before) ?? 0;
  }

  ofAll(before: number): number {
    return this.#all.until(before);
  }
}

/** A running maximum of values that become known at a time. */
class RisingMaximum {
  /** Values that are not known yet, by time; a binary heap. */
  readonly #heap: { readonly time: number; readonly value: number }[] = [];
  #value = 0;

  add(time: number, value: number): void {
    const heap = this.#heap;
    let at = heap.push({ time, value }) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const [child, parent] = [heap[at], heap[up]];
      if (child === undefined || parent === undefined || parent.time <= child.time) return;
      [heap[at], heap[up]] = [parent, child];
      at = up;
    }
  }

  /** The largest value of all times before one. */
  until(before: number): number {
    for (
      let [first] = this.#heap;
      first !== undefined && first.time < before;
      [first] = this.#heap
    ) {
      this.#value = Math.max(this.#value, first.value);
      this.#removeFirst();
    }
    return this.#value;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = heap[left];
      let down = left;
      const other = heap[right];
      if (least !== undefined && other !== undefined && other.time < least.time) {
        [least, down] = [other, right];
      }
      if (least === undefined || least.time >= last.time) break;
      heap[at] = least;
      at = down;
    }
    heap[at] = last;
  }
}

/** Index of the last of rising values that is at most a limit; -1 if there is none. */
function lastAtMost(values: readonly number[], limit: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? Infinity) <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function checkLock(
  { id, world, from, through }: LockSpan,
  states: readonly State[],
  report: Report,
): void {
  const last = states.findLastIndex(({ isPresent, version }) => isPresent && version === through);
  for (let at = last; at > 0; at--) {
    const { writer, ended, version } = states[at] ?? BEFORE_ALL;
    // All earlier states were made before the lock was granted.
    if (ended < from) return;
    if (writer === undefined || writer.lock === id || writer.began <= from) continue;
    report("lock", world, `${showCall(writer)} made version ${version} while lock ${id} was held`);
  }
}
