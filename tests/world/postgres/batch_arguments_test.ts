/** The arguments of `apply_1`, and its answer. */

import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  APPLY_BATCH,
  type BatchEvent,
  type BatchWorld,
  toBatchAnswer,
  toBatchArguments,
} from "../../../lib/world/postgres/batch_arguments.ts";

const OPTIONS = {
  batch: "b",
  guard: 0,
  authority: 0,
  isWhole: false,
  history: { versions: 8, bytes: 9 },
  keysSince: "",
};
const TIME = "2026-01-01T00:00:00.000Z";
const COLUMNS = { version: 1, ext: "txt", headers: "[]", state: "", updatedAt: TIME, len: 2 };

function worldOf(text: string, more: Partial<BatchWorld> = {}): BatchWorld {
  return {
    ...COLUMNS,
    name: `home/${text}`,
    sha256: "s",
    head: { id: 1, hmac: "h", timestamp: TIME },
    by: "T2",
    bytes: { kind: "inline", bytes: new TextEncoder().encode(text) },
    versions: [],
    dropBelow: 0,
    events: [],
    names: [],
    chunks: [],
    uploads: [],
    keys: [],
    ...more,
  };
}

/** The places of some arguments. */
const [GIVES_AUTHORITY, DROPS, LATEST, BYTES, IDS, WORLDS, EARLIER, EVENTS] = [
  ...[3, 5, 8, 10, 11],
  ...[12, 13, 14],
] as const;

/** The rows of an argument, each with its columns; texts have no commas here. */
function rowsOf(value: unknown): string[][] {
  return [...String(value).matchAll(/"\(((?:[^"\\]|\\.)*)\)"/g)].map(([, row = ""]) =>
    row.split(",").map((column) => column.replaceAll('\\"', ""))
  );
}

Deno.test("toBatchArguments() has a value for each parameter of the statement", () => {
  const values = toBatchArguments(OPTIONS, [worldOf("a")]);
  assertEquals(values.length, APPLY_BATCH.match(/\$\d+/g)?.length);
});

Deno.test("toBatchArguments() joins all inline bytes and says where each begins", () => {
  const values = toBatchArguments(OPTIONS, [worldOf("ab"), worldOf("c")]);
  assertEquals(values[BYTES], new TextEncoder().encode("abc"));
  const parts = rowsOf(values[WORLDS]).map((row) => row.slice(15, 19));
  assertEquals(parts, [["1", "", "0", "2"], ["1", "", "2", "1"]]);
});

Deno.test("toBatchArguments() gives the parts of a world its position, counted from 1", () => {
  const version = {
    ...COLUMNS,
    kind: "full" as const,
    sha256: "s",
    bytes: { kind: "same" as const },
  };
  const values = toBatchArguments(OPTIONS, [worldOf("a"), worldOf("b", { versions: [version] })]);
  assertEquals(rowsOf(values[EARLIER]).map(([of]) => of), ["2"]);
  assertEquals(rowsOf(values[WORLDS]).map(([i]) => i), ["1", "2"]);
});

Deno.test("toBatchArguments() counts the bytes of full versions only", () => {
  const [full, prefix] = (["full", "prefix"] as const).map((kind) => ({
    ...COLUMNS,
    kind,
    sha256: null,
    bytes: { kind: "none" as const },
  }));
  assert(full !== undefined && prefix !== undefined);
  const values = toBatchArguments(OPTIONS, [worldOf("a", { versions: [full, prefix, prefix] })]);
  assertEquals(rowsOf(values[WORLDS])[0]?.slice(20, 22), ["3", "2"]);
});

Deno.test("toBatchArguments() numbers the events and has the greatest of their times", () => {
  const eventAt = (timestamp: string): BatchEvent => ({
    ...{ id: 1, timestamp, type: "stage_written", payload: "{}", hmac: "h", prev_hmac: "" },
    ...{ kind: "update", name: "home/a", by: "T2", version: 1, ext: "txt", state: "", len: 2 },
    ...{ restricted: false, alsoRestricted: false },
  });
  const later = "2026-01-02T00:00:00.000Z";
  const values = toBatchArguments(OPTIONS, [
    worldOf("a", { events: [eventAt(TIME), eventAt(later)] }),
    worldOf("b", { events: [eventAt(TIME)] }),
  ]);
  assertEquals(rowsOf(values[EVENTS]).map(([of, n]) => [of, n]), [["1", "1"], ["1", "2"], [
    "2",
    "3",
  ]]);
  assertEquals(values[LATEST], later);
  assertEquals(toBatchArguments(OPTIONS, [worldOf("a")])[LATEST], "");
});

Deno.test("toBatchArguments() says whether a batch changes what gives authority", () => {
  const seen = { id: 7, name: "etc/shadow", eventHmac: "h" };
  const found = [
    worldOf("a"),
    worldOf("a", { name: "etc/passwd" }),
    worldOf("a", { name: "etc/revoked" }),
    worldOf("a", { name: null, seen }),
  ].map((world) => toBatchArguments(OPTIONS, [worldOf("b"), world])[GIVES_AUTHORITY]);
  assertEquals(found, [false, true, true, true]);
});

Deno.test("toBatchArguments() has the ids that the node saw, and says whether versions are dropped", () => {
  const seen = { id: 7, name: "home/a", eventHmac: "h" };
  const values = toBatchArguments(OPTIONS, [worldOf("a", { seen, dropBelow: 3 }), worldOf("b")]);
  assertEquals([values[IDS], values[DROPS]], [[7, 0], true]);
  assertEquals(toBatchArguments(OPTIONS, [worldOf("a")])[DROPS], false);
});

Deno.test("toBatchAnswer() reads an id for each world", () => {
  assertEquals(toBatchAnswer({ batch: 7, worlds: "3,0,12" }), { batch: 7, worlds: [3, 0, 12] });
  assertThrows(() => toBatchAnswer(undefined), TypeError);
});
