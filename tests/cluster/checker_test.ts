/** The checker accepts good histories, and finds the fault in each forged one. */

import { assert, assertEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { createRandom } from "../support/random.ts";
import { checkCalls } from "./checker.ts";
import type { Call, Entry, FinalState, LockSpan, Rule } from "./history.ts";
import { randomHistory } from "./random_history.ts";

const X = "home/x";

/** A call on `home/x` that was answered. */
function call(
  kind: Call["kind"],
  text: string,
  version: number,
  began: number,
  ended: number,
  more: Partial<Call> = {},
): Call {
  const id = `${kind}-${text}-${began}`;
  const fresh = kind === "read" ? { fresh: true } : {};
  return {
    id,
    kind,
    world: X,
    text,
    version,
    began,
    ended,
    node: 0,
    outcome: "ok",
    ...fresh,
    ...more,
  };
}

/** A call on `home/x` with another outcome. */
function failed(
  kind: Call["kind"],
  text: string | undefined,
  began: number,
  ended: number,
  more: Partial<Call> = {},
): Call {
  const id = `${kind}-${text}-${began}`;
  const sent = text === undefined ? {} : { text };
  const fresh = kind === "read" ? { fresh: true } : {};
  return {
    id,
    kind,
    world: X,
    began,
    ended,
    node: 0,
    outcome: "unknown",
    ...sent,
    ...fresh,
    ...more,
  };
}

const refused = (status: number): Partial<Call> => ({ outcome: "refused", status });

function put(version: number, text: string, more: Partial<Entry> = {}): Entry {
  return { kind: "put", version, text, sha256: sha256Hex(text), ...more };
}

function final(entries: readonly Entry[], others: Record<string, Entry[]> = {}): FinalState {
  return { timelines: new Map([[X, [...entries]], ...Object.entries(others)]), faults: [] };
}

/** The rules that a history breaks, each once. */
function broken(calls: readonly Call[], end: FinalState, locks: readonly LockSpan[] = []): Rule[] {
  return [...new Set(checkCalls({ calls, locks }, end).map(({ rule }) => rule))].sort();
}

const GOOD: readonly Call[] = [
  call("put", "A", 1, 0, 1, { condition: "absent" }),
  call("put", "B", 2, 2, 5),
  call("read", "A", 1, 3, 4),
  call("read", "B", 2, 6, 7),
  failed("put", "C", 8, 20),
  call("put", "D", 4, 9, 12, { condition: 3 }),
  failed("put", "E", 9, 10, { ...refused(412), condition: 1 }),
  failed("put", "F", 9, 10, refused(503)),
  failed("put", "G", 30, 31),
];
const CHAIN: readonly Entry[] = [put(1, "A"), put(2, "B"), put(3, "C"), put(4, "D")];

Deno.test("checkCalls() accepts a good history", () => {
  assertEquals(checkCalls({ calls: GOOD, locks: [] }, final(CHAIN)), []);
});

Deno.test("checkCalls() accepts appends, deletions, moves and a new world of the same name", () => {
  const calls = [
    call("put", "A", 1, 0, 1),
    call("append", "b", 2, 2, 3),
    call("prepend", "c", 3, 4, 5),
    call("delete", "", 3, 6, 7, { trash: "t" }),
    failed("read", undefined, 8, 9, refused(404)),
    call("append", "D", 4, 10, 11),
    call("move", "", 5, 12, 13, { to: "home/y" }),
    failed("move", undefined, 14, 15, { to: "home/y" }),
    call("read", "D", 5, 14, 15, { world: "home/y" }),
  ];
  const end = final([
    put(1, "A"),
    put(2, "Ab", { kind: "append", piece: sha256Hex("b") }),
    put(3, "cAb", { kind: "prepend" }),
    { kind: "delete", version: 3, trash: "t" },
    put(4, "D", { kind: "append", piece: sha256Hex("D") }),
    { kind: "delete", version: 4, movedTo: "home/y" },
  ], { "home/y": [put(5, "D", { kind: "move", source: { world: X, version: 4 } })] });
  assertEquals(checkCalls({ calls, locks: [] }, end), []);
});

/** Forged histories: a fault each, with the rules that find it. */
const FORGED: Record<
  string,
  { calls?: readonly Call[]; end?: FinalState; locks?: LockSpan[]; rules: Rule[] }
> = {
  "a version that was acknowledged twice": {
    calls: [...GOOD, call("put", "H", 2, 2.5, 5)],
    rules: ["a", "b", "f"],
  },
  "a deletion that was acknowledged twice": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("delete", "", 1, 2, 3, { trash: "t" }),
      call("delete", "", 1, 2, 3, { trash: "t" }),
    ],
    end: final([put(1, "A"), { kind: "delete", version: 1, trash: "t" }]),
    rules: ["a"],
  },
  "a read of another content": { calls: [...GOOD, call("read", "A", 2, 6, 7)], rules: ["b"] },
  "a read of a version that does not exist": {
    calls: [...GOOD, call("read", "Z", 9, 40, 41)],
    rules: ["b"],
  },
  "a read that goes back": { calls: [...GOOD, call("read", "A", 1, 6, 7)], rules: ["c"] },
  "a read that ended before its writer began": {
    calls: [...GOOD, call("read", "D", 4, 7, 8)],
    rules: ["c"],
  },
  "a write that made an older version": {
    calls: [call("put", "A", 1, 8, 9), call("put", "B", 2, 2, 5)],
    end: final([put(1, "A"), put(2, "B")]),
    rules: ["c"],
  },
  "a write of unknown outcome that began after a later version was known": {
    calls: [call("put", "A", 1, 0, 1), failed("put", "B", 9, 10), call("put", "C", 3, 2, 3)],
    end: final([put(1, "A"), put(2, "B"), put(3, "C")]),
    rules: ["c"],
  },
  "a linearizable read that does not find a world that exists": {
    calls: [...GOOD, failed("read", undefined, 13, 14, refused(404))],
    rules: ["c"],
  },
  "a linearizable read of a deleted world": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("delete", "", 1, 2, 3, { trash: "t" }),
      call("read", "A", 1, 4, 5),
    ],
    end: final([put(1, "A"), { kind: "delete", version: 1, trash: "t" }]),
    rules: ["c"],
  },
  "an If-Match over a gap": {
    calls: GOOD.map((found) => found.text === "D" ? { ...found, condition: 2 } : found),
    rules: ["d"],
  },
  "an If-Match of unknown outcome on another version": {
    calls: GOOD.map((found) => found.text === "C" ? { ...found, condition: 1 } : found),
    rules: ["d"],
  },
  "an If-None-Match that replaced a world": {
    calls: GOOD.map((found) => found.text === "B" ? { ...found, condition: "absent" } : found),
    rules: ["d"],
  },
  "a deletion with If-Match of another version": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("put", "B", 2, 2, 3),
      call("delete", "", 2, 4, 5, { trash: "t", condition: 1 }),
    ],
    end: final([put(1, "A"), put(2, "B"), { kind: "delete", version: 2, trash: "t" }]),
    rules: ["d"],
  },
  "a write of unknown outcome that appears twice": {
    end: final([...CHAIN, put(5, "C")]),
    rules: ["e"],
  },
  "a refused write that appears": { end: final([...CHAIN, put(5, "E")]), rules: ["d", "e"] },
  "a write that was answered 503 unreachable and appears": {
    end: final([...CHAIN, put(5, "F")]),
    rules: ["e"],
  },
  "an acknowledged write that appears twice": {
    end: final([...CHAIN, put(5, "D")]),
    rules: ["d", "e"],
  },
  "an append that was repeated": {
    calls: [call("put", "A", 1, 0, 1), call("append", "b", 3, 2, 3)],
    end: final([
      put(1, "A"),
      put(2, "Ab", { kind: "append", piece: sha256Hex("b") }),
      put(3, "Abb", { kind: "append", piece: sha256Hex("b") }),
    ]),
    rules: ["e"],
  },
  "a prepend that was repeated": {
    calls: [call("put", "A", 1, 0, 1), call("prepend", "b", 3, 2, 3)],
    end: final([
      put(1, "A"),
      put(2, "bA", { kind: "prepend" }),
      put(3, "bbA", { kind: "prepend" }),
    ]),
    rules: ["e"],
  },
  "a deletion that appears twice": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("delete", "", 1, 2, 3, { trash: "t" }),
      call("put", "B", 2, 0, 9),
    ],
    end: final([
      put(1, "A"),
      { kind: "delete", version: 1, trash: "t" },
      put(2, "B"),
      { kind: "delete", version: 2, trash: "t" },
    ]),
    rules: ["e"],
  },
  "a move that left the old name in place": {
    calls: [call("put", "A", 1, 0, 1), call("move", "", 2, 2, 3, { to: "home/y" })],
    end: final([put(1, "A")], {
      "home/y": [put(2, "A", { kind: "move", source: { world: X, version: 1 } })],
    }),
    rules: ["e"],
  },
  "a move that never arrived": {
    calls: [call("put", "A", 1, 0, 1), failed("move", undefined, 2, 3, { to: "home/y" })],
    end: final([put(1, "A"), { kind: "delete", version: 1, movedTo: "home/y" }]),
    rules: ["e"],
  },
  "a gap in the versions": {
    calls: GOOD.slice(0, 1),
    end: final([put(1, "A"), put(3, "C")]),
    rules: ["f"],
  },
  "a version that no call sent": { end: final([...CHAIN, put(5, "Z")]), rules: ["f"] },
  "a deletion that no call sent": {
    end: final([...CHAIN, { kind: "delete", version: 4, trash: "t" }]),
    rules: ["f"],
  },
  "a lost write": { end: final(CHAIN.slice(0, 3)), rules: ["f"] },
  "a lost deletion": {
    calls: [call("put", "A", 1, 0, 1), call("delete", "", 1, 2, 3, { trash: "t" })],
    end: final([put(1, "A")]),
    rules: ["f"],
  },
  "a replaced write": {
    calls: GOOD.slice(0, 2),
    end: final([put(1, "A"), put(2, "Z")]),
    rules: ["f"],
  },
  "a version whose bytes are not those of its hash": {
    end: final([...CHAIN.slice(0, 3), { ...put(4, "D"), text: "Z" }]),
    rules: ["f"],
  },
  "a chain that does not verify": {
    end: { ...final(CHAIN), faults: [{ world: X, text: "the chain is broken at 3" }] },
    rules: ["f"],
  },
  "a world that is gone": { end: { timelines: new Map(), faults: [] }, rules: ["b", "f"] },
  "a 412 for the current version": {
    calls: [...GOOD, failed("put", "H", 13, 14, { ...refused(412), condition: 4 })],
    rules: ["refusal"],
  },
  "a 412 without a condition": {
    calls: [...GOOD, failed("put", "H", 13, 14, refused(412))],
    rules: ["refusal"],
  },
  "a 412 of If-None-Match where no world exists": {
    calls: [failed("put", "A", 0, 1, { ...refused(412), condition: "absent" })],
    end: final([]),
    rules: ["refusal"],
  },
  "a 404 for a world that exists": {
    calls: [...GOOD, failed("delete", undefined, 13, 14, refused(404))],
    rules: ["refusal"],
  },
  "refusals that are right one by one, and not together": {
    calls: [
      // The first requires that B was made before 11, the second that it was not made before 20.
      call("put", "A", 1, 0, 1),
      call("put", "B", 2, 2, 40),
      failed("put", "H", 10, 11, { ...refused(412), condition: 1 }),
      failed("put", "I", 20, 21, { ...refused(412), condition: 2 }),
      call("read", "B", 2, 30, 31),
    ],
    end: final([put(1, "A"), put(2, "B")]),
    rules: ["refusal"],
  },
  "a plain read that is older than what its node acknowledged": {
    calls: [...GOOD, call("read", "A", 1, 40, 41, { fresh: false })],
    rules: ["plain"],
  },
  "a plain read that is older than what its node showed": {
    calls: [
      call("put", "A", 1, 0, 1, { node: 1 }),
      call("put", "B", 2, 2, 3, { node: 1 }),
      call("read", "B", 2, 4, 5, { fresh: false }),
      call("read", "A", 1, 6, 7, { fresh: false }),
    ],
    end: final([put(1, "A"), put(2, "B")]),
    rules: ["plain"],
  },
  "a plain read on another node that is more than 2 s behind": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("put", "B", 2, 2, 3),
      call("read", "A", 1, 1900, 1901, { fresh: false, node: 1 }),
      call("read", "A", 1, 2004, 2005, { fresh: false, node: 1 }),
    ],
    end: final([put(1, "A"), put(2, "B")]),
    rules: ["plain"],
  },
  "a plain read that does not find a world after 2 s": {
    calls: [
      call("put", "A", 1, 0, 1),
      failed("read", undefined, 1900, 1901, { ...refused(404), fresh: false, node: 1 }),
      failed("read", undefined, 2004, 2005, { ...refused(404), fresh: false, node: 1 }),
    ],
    end: final([put(1, "A")]),
    rules: ["plain"],
  },
  "a plain read of what no call had written yet": {
    calls: [call("put", "A", 1, 5, 6), call("read", "A", 1, 1, 2, { fresh: false, node: 1 })],
    end: final([put(1, "A")]),
    rules: ["plain"],
  },
  "a plain read that is older than Elastik-At": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("put", "B", 2, 2, 3),
      call("read", "A", 1, 4, 5, { fresh: false, node: 1, atLeast: 2 }),
    ],
    end: final([put(1, "A"), put(2, "B")]),
    rules: ["plain"],
  },
  "a write through a lock": {
    calls: [
      call("put", "A", 1, 0, 1),
      call("put", "B", 2, 6, 7),
      call("put", "C", 3, 8, 9, { lock: "l" }),
    ],
    end: final([put(1, "A"), put(2, "B"), put(3, "C")]),
    locks: [{ id: "l", world: X, from: 5, through: 3 }],
    rules: ["lock"],
  },
  "a write of unknown outcome through a lock": {
    calls: [
      call("put", "A", 1, 0, 1),
      failed("put", "B", 6, 7),
      call("put", "C", 3, 8, 9, { lock: "l" }),
    ],
    end: final([put(1, "A"), put(2, "B"), put(3, "C")]),
    locks: [{ id: "l", world: X, from: 5, through: 3 }],
    rules: ["lock"],
  },
};

for (const [what, { calls = GOOD, end = final(CHAIN), locks, rules }] of Object.entries(FORGED)) {
  Deno.test(`checkCalls() finds ${what}`, () => {
    assertEquals(broken(calls, end, locks), rules);
  });
}

Deno.test("checkCalls() accepts writes that began before a lock was granted, or ended it", () => {
  const calls = [
    call("put", "A", 1, 0, 1),
    call("put", "B", 2, 4, 7),
    call("put", "C", 3, 8, 9, { lock: "l" }),
    call("put", "D", 4, 8, 12),
  ];
  const end = final([put(1, "A"), put(2, "B"), put(3, "C"), put(4, "D")]);
  assertEquals(broken(calls, end, [{ id: "l", world: X, from: 5, through: 3 }]), []);
});

const SEED = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
const WHOLE = { clients: 6, calls: 30, worlds: 3, nodes: 3, isWhole: true };

Deno.test(`checkCalls() accepts random histories of a correct store (seed ${SEED})`, () => {
  for (let seed = SEED; seed < SEED + 100; seed++) {
    const { calls, final } = randomHistory({ ...WHOLE, seed });
    assertEquals(checkCalls({ calls, locks: [] }, final), [], `seed ${seed}`);
  }
});

/** Faults that can be made in any history: each returns undefined if the history has no place for it. */
const FAULTS: Record<string, (history: History, random: () => number) => History | undefined> = {
  "the last acknowledged version is lost": ({ calls, timelines }) => {
    const found = [...timelines].find(([, entries]) => isAcknowledged(calls, entries.at(-1)));
    return found && { calls, timelines: new Map(timelines).set(found[0], found[1].slice(0, -1)) };
  },
  "a write is acknowledged with the version of another": ({ calls, timelines }, random) => {
    const writes = calls.filter(({ kind, outcome, version }) =>
      kind === "put" && outcome === "ok" && version !== undefined
    );
    const [one, other] = [pick(writes, random), pick(writes, random)];
    if (one === undefined || other === undefined || one.version === other.version) return undefined;
    return { calls: replace(calls, one, { version: other.version ?? 0 }), timelines };
  },
  "a read shows the text of another version": ({ calls, timelines }, random) => {
    const reads = calls.filter(({ kind, outcome }) => kind === "read" && outcome === "ok");
    const [one, other] = [pick(reads, random), pick(reads, random)];
    if (one === undefined || other?.text === one.text) return undefined;
    return { calls: replace(calls, one, { text: other?.text ?? "" }), timelines };
  },
  "an acknowledged write was answered 412": ({ calls, timelines }, random) => {
    const one = pick(
      calls.filter(({ kind, outcome }) => kind === "put" && outcome === "ok"),
      random,
    );
    return one && { calls: replace(calls, one, { outcome: "refused", status: 412 }), timelines };
  },
  "a version appears twice": ({ calls, timelines }, random) => {
    const found = pick([...timelines].filter(([, entries]) => entries.some(isPut)), random);
    if (found === undefined) return undefined;
    const [world, entries] = found;
    const one = pick(entries.filter(isPut), random);
    const version = (entries.at(-1)?.version ?? 0) + 1;
    if (one === undefined) return undefined;
    return { calls, timelines: new Map(timelines).set(world, [...entries, { ...one, version }]) };
  },
  "a conditional write came over another version": ({ calls, timelines }, random) => {
    const one = pick(
      calls.filter(({ kind, outcome, condition }) =>
        kind === "put" && outcome === "ok" && typeof condition === "number"
      ),
      random,
    );
    if (typeof one?.condition !== "number") return undefined;
    return { calls: replace(calls, one, { condition: one.condition + 1 }), timelines };
  },
  "a linearizable read at the end shows an earlier version": ({ calls, timelines }, random) => {
    const found = pick(
      [...timelines].filter(([, entries]) =>
        isAcknowledged(calls, entries.at(-1)) && isPut(entries[0])
      ),
      random,
    );
    if (found === undefined || found[1].length < 2) return undefined;
    const [world, [first]] = found;
    if (first?.text === undefined) return undefined;
    const read = call("read", first.text, first.version, LATE, LATE + 1, { world });
    return { calls: [...calls, read], timelines };
  },
  "a write at the end is refused for the current version": ({ calls, timelines }, random) => {
    const found = pick(
      [...timelines].filter(([, entries]) => isAcknowledged(calls, entries.at(-1))),
      random,
    );
    if (found === undefined) return undefined;
    const condition = found[1].at(-1)?.version ?? 0;
    const more = { ...refused(412), condition, world: found[0] };
    return { calls: [...calls, failed("put", "late", LATE, LATE + 1, more)], timelines };
  },
  "an acknowledged version is missing in the middle": ({ calls, timelines }, random) => {
    const found = pick([...timelines].filter(([, { length }]) => length > 2), random);
    if (found === undefined) return undefined;
    const [world, entries] = found;
    const at = 1 + Math.floor(random() * (entries.length - 2));
    // One of unknown outcome can be missing where a move continues the numbering.
    if (!isAcknowledged(calls, entries[at])) return undefined;
    return { calls, timelines: new Map(timelines).set(world, entries.toSpliced(at, 1)) };
  },
};

/** Histories that get a fault of each kind. */
const FORGED_HISTORIES = 20;
/** A time after all calls of a random history. */
const LATE = 1e6;

interface History {
  readonly calls: readonly Call[];
  readonly timelines: FinalState["timelines"];
}

function isPut(entry: Entry | undefined): boolean {
  return entry?.kind === "put";
}

function isAcknowledged(calls: readonly Call[], entry: Entry | undefined): boolean {
  return isPut(entry) &&
    calls.some(({ outcome, text, kind }) =>
      kind === "put" && outcome === "ok" && text === entry?.text
    );
}

function pick<T>(values: readonly T[], random: () => number): T | undefined {
  return values[Math.floor(random() * values.length)];
}

function replace(calls: readonly Call[], one: Call, change: Partial<Call>): Call[] {
  return calls.map((found) => found === one ? { ...found, ...change } : found);
}

for (const [what, forge] of Object.entries(FAULTS)) {
  Deno.test(`checkCalls() finds in random histories that ${what} (seed ${SEED})`, () => {
    let forged = 0;
    // Not every history has a place for every fault.
    for (let seed = SEED; forged < FORGED_HISTORIES && seed < SEED + 500; seed++) {
      const { calls, final } = randomHistory({ ...WHOLE, seed });
      const history = forge({ calls, timelines: final.timelines }, createRandom(seed));
      if (history === undefined) continue;
      forged += 1;
      const { timelines } = history;
      const found = checkCalls({ calls: history.calls, locks: [] }, { timelines, faults: [] });
      assert(found.length > 0, `seed ${seed}`);
    }
    assertEquals(forged, FORGED_HISTORIES);
  });
}
