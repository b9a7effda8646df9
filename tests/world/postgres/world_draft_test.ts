import { assert, assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { createHash } from "node:crypto";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { createChainSigner, GENESIS } from "../../../lib/world/event_chain.ts";
import { type DraftBase, WorldDraft } from "../../../lib/world/postgres/world_draft.ts";

const encoder = new TextEncoder();
const OPTIONS = { sign: createChainSigner("key"), history: { versions: 3, bytes: 10 } };
const T1 = "2026-01-01T00:00:01.000Z";
const T2 = "2026-01-01T00:00:02.000Z";
const BY = { by: "T2" };

const bytes = (text: string) => encoder.encode(text);

function base(text: string, more: Partial<DraftBase> = {}): DraftBase {
  const row = { version: 4, updatedAt: T1, ext: "txt", headers: "[]", state: "", len: text.length };
  const head = { id: 6, hmac: "a".repeat(64), timestamp: T1 };
  return { name: "home/x", row, sha256: sha256Hex(text), head, ...more };
}

function hashOf(text: string) {
  return createHash("sha256").update(text);
}

function put(draft: WorldDraft, text: string, state = ""): void {
  draft.replace(bytes(text), { ext: "txt", headers: "[]", state }, T2, BY);
}

Deno.test("WorldDraft.append() needs the length and the state of the hash only", () => {
  const hash = hashOf("stored ");
  const draft = WorldDraft.open(base("stored ", { hash }), OPTIONS);
  draft.append(bytes("one "), "", T2, BY);
  draft.append(bytes("two"), "", T2, BY);
  assertEquals(draft.row, { ...base("").row, version: 6, updatedAt: T2, len: 14 });
  assertEquals(draft.sha256, sha256Hex("stored one two"));
  assertEquals(draft.runs, [{ stored: 7, pieces: [bytes("one "), bytes("two")], len: 14 }]);
  assertEquals(draft.hash?.copy().digest("hex"), draft.sha256);
  assertEquals(hash.digest("hex"), sha256Hex("stored "), "the state of the store does not change");
});

Deno.test("WorldDraft has the bytes only if they were loaded or replaced", () => {
  const draft = WorldDraft.open(base("stored"), OPTIONS);
  assertEquals(draft.hasBody, false);
  assertThrows(() => draft.body(), /The bytes of home\/x were not loaded/);
  assertThrows(() => draft.append(bytes("x"), "", T2, BY), /not loaded/);
  assertEquals([draft.row.version, draft.isChanged], [4, false]);
  put(draft, "new");
  assertEquals([draft.hasBody, draft.body()], [true, bytes("new")]);
  const loaded = WorldDraft.open(base("stored", { body: bytes("stored") }), OPTIONS);
  loaded.append(bytes("!"), "", T2, BY);
  assertEquals(loaded.body(), bytes("stored!"));
  const empty = WorldDraft.open(base(""), OPTIONS);
  empty.append(bytes("x"), "", T2, BY);
  assertEquals(empty.body(), bytes("x"));
});

Deno.test("WorldDraft.hash is known until the bytes are replaced", () => {
  const hash = hashOf("stored");
  const draft = WorldDraft.open(base("stored", { hash }), OPTIONS);
  draft.transition("active", T2, BY);
  assertStrictEquals(draft.hash, hash);
  put(draft, "new");
  assertEquals(draft.hash, undefined);
});

Deno.test("WorldDraft.kept has the columns that a version had last", () => {
  const draft = WorldDraft.open(base("stored"), OPTIONS);
  draft.transition("active", T2, BY);
  put(draft, "one");
  draft.append(bytes("two"), "", T2, BY);
  const { sha256 } = base("stored");
  const { len, ...columns } = base("").row;
  const after = { ...columns, updatedAt: T2 };
  assertEquals(draft.kept, [
    { ...after, len: 6, state: "active", kind: "full", sha256, run: 0 },
    { ...after, len: 3, version: 5, kind: "prefix", sha256: sha256Hex("one"), run: 1 },
  ]);
  assertEquals([len, draft.run, draft.keptFrom], [0, 1, 0]);
  assertEquals(draft.kept.slice(1).map((version) => draft.bytesOf(version)), [bytes("one")]);
});

Deno.test("WorldDraft.keptFrom rises when the limits drop versions of the draft", () => {
  const many = WorldDraft.open(base("stored"), OPTIONS);
  for (const text of ["a", "b", "c", "d"]) put(many, text);
  assertEquals([many.kept.map(({ version }) => version), many.keptFrom], [[5, 6, 7], 5]);
  const long = WorldDraft.open(base("stored"), OPTIONS);
  put(long, "x".repeat(11));
  assertEquals(long.kept.map(({ version }) => version), [4]);
  put(long, "short");
  assertEquals([long.kept, long.keptFrom], [[], 6]);
  put(long, "other");
  assertEquals([long.kept.map(({ version }) => version), long.keptFrom], [[6], 6]);
  const none = WorldDraft.open(base("x"), { ...OPTIONS, history: { versions: 0, bytes: 10 } });
  put(none, "y");
  assertEquals([none.kept, none.keptFrom], [[], 5]);
});

Deno.test("WorldDraft.create() begins a chain, and WorldDraft.open() continues one", () => {
  const created = WorldDraft.create(
    {
      name: "home/new",
      version: 3,
      op: "put",
      body: bytes("x"),
      sent: bytes("x"),
      ext: "txt",
      headers: "[]",
      state: "",
      eventFields: BY,
    },
    T1,
    OPTIONS,
  );
  assertEquals(created.events.map(({ id, prev_hmac }) => [id, prev_hmac]), [[1, GENESIS]]);
  assertEquals([created.base, created.isChanged, created.row.version], [undefined, true, 3]);
  const draft = WorldDraft.open(base("x", { floor: 9 }), OPTIONS);
  put(draft, "y", "active");
  const [written, changed] = draft.events;
  assert(written !== undefined && changed !== undefined);
  assertEquals([written.id, written.prev_hmac], [7, "a".repeat(64)]);
  assertEquals([changed.id, changed.prev_hmac, changed.hmac], [8, written.hmac, draft.head.hmac]);
  assertEquals(draft.row.version, 10);
  assertEquals(draft.takeEvents().map(({ id }) => id), [7, 8]);
  assertEquals(draft.takeEvents(), []);
});

Deno.test("WorldDraft.markDeleted() appends no event to a chain that another key signed", () => {
  const draft = WorldDraft.open(base("x", { hasOtherKey: true }), OPTIONS);
  draft.markDeleted(T2, BY);
  assertEquals([draft.events, draft.isDeleted, draft.isChanged], [[], true, true]);
});
