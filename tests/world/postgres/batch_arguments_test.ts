/** The arguments of `apply_1`, and its answer. */

import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  APPLY_BATCH,
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

/** The arrays of the arguments: of positions from 7, of versions from 32, of chunks from 71. */
const [AT, SIZE, VERSION_OF] = [7 + 17, 7 + 18, 7 + 25] as const;

Deno.test("toBatchArguments() has a value for each parameter of the statement", () => {
  const values = toBatchArguments(OPTIONS, [worldOf("a")]);
  assertEquals(values.length, APPLY_BATCH.match(/\$\d+/g)?.length);
});

Deno.test("toBatchArguments() joins all inline bytes and says where each begins", () => {
  const values = toBatchArguments(OPTIONS, [worldOf("ab"), worldOf("c")]);
  assertEquals(values[6], new TextEncoder().encode("abc"));
  assertEquals([values[AT], values[SIZE]], [[0, 2], [2, 1]]);
});

Deno.test("toBatchArguments() gives the parts of a world its position, counted from 1", () => {
  const version = {
    ...COLUMNS,
    kind: "full" as const,
    sha256: "s",
    bytes: { kind: "same" as const },
  };
  const values = toBatchArguments(OPTIONS, [worldOf("a"), worldOf("b", { versions: [version] })]);
  assertEquals(values[VERSION_OF], [2]);
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
  assertEquals([values[7 + 20], values[7 + 21]], [[3], [2]]);
});

Deno.test("toBatchAnswer() reads an id for each world", () => {
  assertEquals(toBatchAnswer({ batch: 7, worlds: "3,0,12" }), { batch: 7, worlds: [3, 0, 12] });
  assertThrows(() => toBatchAnswer(undefined), TypeError);
});
