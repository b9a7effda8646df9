/** The checks of followers accept good records, and find the fault in each forged one. */

import { assertEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { attribute } from "./attribution.ts";
import { checkFollowers } from "./follower_checks.ts";
import type { ChangeRow, Entry, History, StreamEvent } from "./history.ts";

const X = "home/x";
const Y = "home/y";

function put(version: number): Entry {
  const text = `<${version}>`;
  return { kind: "put", version, text, sha256: sha256Hex(text) };
}

/** `home/x` has a second life; `home/y` is deleted at the end. */
const TIMELINES = new Map<string, Entry[]>([
  [X, [put(1), put(2), { kind: "delete", version: 2, trash: "t1" }, put(3), put(4), put(5)]],
  [Y, [put(1), { kind: "delete", version: 1, trash: "t2" }]],
]);

/** The texts of faults, without the name of the reader. */
function faults(records: Partial<History>): string[] {
  const states = attribute([], { timelines: TIMELINES }, () => {});
  const history = { streams: [], collections: [], changes: [], ...records };
  return checkFollowers(history, { timelines: TIMELINES }, states).map(({ text }) => text);
}

function update(version: number, more: Partial<StreamEvent> = {}): StreamEvent {
  return { kind: "update", version, text: `<${version}>`, ...more };
}

const DELETION: StreamEvent = { kind: "delete", version: 2 };

function stream(...events: StreamEvent[]): Partial<History> {
  return { streams: [{ reader: "r", world: X, events }] };
}

const STREAMS: Record<string, [events: StreamEvent[], faults: string[]]> = {
  "accepts every version in order": [
    [update(1), update(2), DELETION, update(3), update(4), update(5)],
    [],
  ],
  "accepts that a new world begins after a deletion that was missed": [
    [update(1), update(3), update(4), update(5)],
    [],
  ],
  "accepts a connection without Last-Event-ID that begins with the current state": [
    [update(1), update(5, { isFirst: true }), update(5, { isFirst: true })],
    [],
  ],
  "finds a skipped version": [
    [update(1), update(3), update(5)],
    ["r missed version 4 before version 5"],
  ],
  "finds a version that comes twice": [
    [update(3), update(4), update(4), update(5)],
    ["r got version 4 after version 4"],
  ],
  "finds a version that goes back": [
    [update(4), update(3), update(4), update(5)],
    ["r got version 3 after version 4"],
  ],
  "finds a connection that begins with an older state": [
    [update(4), update(3, { isFirst: true }), update(4), update(5)],
    ["r got version 3 after version 4"],
  ],
  "finds another content": [
    [update(4, { text: "other" }), update(5)],
    ["r got another content of version 4"],
  ],
  "finds a version that does not exist": [
    [update(4), update(5), update(6)],
    ["r got version 6, which is not on the chain"],
  ],
  "finds a stream that ended too early": [
    [update(3), update(4)],
    ["r ended with version 4 and missed the rest"],
  ],
  "finds a stream without events": [[], ["r ended with nothing and missed the rest"]],
};

for (const [what, [events, expected]] of Object.entries(STREAMS)) {
  Deno.test(`checkFollowers() of a stream ${what}`, () => {
    assertEquals(faults(stream(...events)), expected);
  });
}

function collection(
  worlds: [string, number][],
  ...events: [string, StreamEvent][]
): Partial<History> {
  const list = events.map(([world, event]) => ({ ...event, world }));
  return { collections: [{ reader: "r", prefix: "home/", events: list, worlds: new Map(worlds) }] };
}

Deno.test("checkFollowers() of a collection accepts the stored state, also if versions were skipped", () => {
  const events: [string, StreamEvent][] = [[X, update(1)], [Y, update(1)], [X, update(5)], [
    X,
    update(5),
  ]];
  assertEquals(faults(collection([[X, 5]], ...events)), []);
});

Deno.test("checkFollowers() of a collection finds another state at the end", () => {
  assertEquals(faults(collection([[X, 4], [Y, 1], ["home/z", 1]])), [
    "r has version 4 at the end, and version 5 is stored",
    "r has version 1 at the end, and no world is stored",
    "r has a world that is not stored",
  ]);
  assertEquals(faults(collection([])), ["r has no world at the end, and version 5 is stored"]);
});

Deno.test("checkFollowers() of a collection finds events that go back or do not exist", () => {
  assertEquals(faults(collection([[X, 5]], [X, update(4)], [X, update(3)], [X, update(9)])), [
    "r got version 3 after version 4",
    "r got version 9, which is not on the chain",
  ]);
});

function rows(...list: [name: string, version: number, trash?: string][]): ChangeRow[] {
  return list.map(([name, version, trash], i) => ({
    cursor: `c${i}`,
    name,
    id: i + 1,
    type: trash === undefined ? "stage_written" : "world_deleted",
    payload: trash === undefined ? { version_after: version } : { version, trash },
  }));
}

const ROWS = rows([X, 1], [Y, 1], [X, 2], [X, 2, "t1"], [Y, 1, "t2"], [X, 3], [X, 4], [X, 5]);

function follow(...followers: ChangeRow[][]): Partial<History> {
  return { changes: followers.map((rows, i) => ({ follower: `f${i}`, prefix: "home/", rows })) };
}

Deno.test("checkFollowers() of changes accepts every event once, in one order", () => {
  assertEquals(faults(follow(ROWS, ROWS)), []);
});

Deno.test("checkFollowers() of changes finds a missing event", () => {
  assertEquals(faults(follow(ROWS.slice(0, -1))), [`f0 missed ${X} version 5`]);
  assertEquals(faults(follow(ROWS.toSpliced(3, 1))), [`f0 missed ${X} deletion t1 of 2`]);
});

Deno.test("checkFollowers() of changes finds an event that comes twice", () => {
  const again = rows([X, 1]).map((row) => ({ ...row, cursor: "other" }));
  assertEquals(faults(follow([...ROWS, ...again])), [
    `f0 got ${X} version 1 twice`,
    `f0 got ${X} version 1 as event 1 after event 8`,
  ]);
});

Deno.test("checkFollowers() of changes finds a cursor that comes twice", () => {
  const same = ROWS.map((row, i) => i === 1 ? { ...row, cursor: "c0" } : row);
  assertEquals(faults(follow(same)), ["f0 got the cursor c0 twice"]);
});

Deno.test("checkFollowers() of changes finds another order in one chain, not of two chains", () => {
  const list = (...ids: number[]): ChangeRow[] =>
    ids.map((id) => ({
      cursor: `c${id}`,
      name: X,
      // The second chain has versions 3 and 4 as its events 1 and 2.
      id: id > 2 ? id - 2 : id,
      type: "stage_written",
      payload: { version_after: id },
    }));
  const timelines = new Map([[
    X,
    [1, 2, 3, 4].map((version) => ({ ...put(version), chain: version > 2 ? 1 : 0 })),
  ]]);
  const states = attribute([], { timelines }, () => {});
  const faultsOf = (rows: ChangeRow[]) => {
    const changes = [{ follower: "f", prefix: "home/", rows }];
    const history = { streams: [], collections: [], changes };
    return checkFollowers(history, { timelines }, states).map(({ text }) => text);
  };
  assertEquals(faultsOf(list(3, 1, 4, 2)), []);
  assertEquals(faultsOf(list(2, 1, 3, 4)), [`f got ${X} version 1 as event 1 after event 2`]);
});

Deno.test("checkFollowers() of changes finds an event that is on no chain", () => {
  const extra = rows([X, 6]).map((row) => ({ ...row, cursor: "other", id: 9 }));
  assertEquals(faults(follow([...ROWS, ...extra])), [
    `f0 got ${X} version 6, which is on no chain`,
  ]);
});

Deno.test("checkFollowers() of changes finds another order at another follower", () => {
  const [first, second, ...rest] = ROWS;
  const other = [second, first, ...rest].filter((row) => row !== undefined);
  assertEquals(faults(follow(ROWS, other)), [
    `f0 got ${X} 1 c0 as event 1, and f1 got ${Y} 2 c1`,
  ]);
});
