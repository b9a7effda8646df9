/** What a batch writes for jobs on worlds as a node knows them. */

import { assert, assertEquals } from "../../support/assert.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { UNUSED_NAME, type WorldRow } from "../../../lib/world/postgres/records.ts";
import {
  type CachedName,
  estimateSize,
  type StagedUnit,
  stageUnit,
  type StoreJob,
} from "../../../lib/world/postgres/stage_batch.ts";

const NOW = "2026-01-02T00:00:00.000Z";
const BEFORE = "2026-01-01T00:00:00.000Z";
const CONTEXT = {
  sign: createChainSigner("k"),
  history: { versions: 8, bytes: 1000 },
  maxWorldBytes: 1000,
  now: () => NOW,
  createTrashId: () => "trash-1",
  isRestricted: (name: string) => name.startsWith("etc/"),
  newContent: () => 1,
  uploadOf: () => undefined,
};

function rowOf(id: number, name: string, version = 1): WorldRow {
  return {
    ...{ id, name, version, ext: "txt", headers: "[]", state: "", updatedAt: BEFORE, len: 3 },
    ...{ sha256: "s", eventId: version, eventHmac: `h${id}`, eventAt: BEFORE, by: "T2" },
    ...{ keptFrom: 0, keptVersions: 0, keptBytes: 0, body: new TextEncoder().encode("one") },
  };
}

const known = (...rows: readonly WorldRow[]): Map<string, CachedName> =>
  new Map(rows.map((row) => [row.name ?? "", { world: { row }, last: UNUSED_NAME }]));

function putOf(name: string, more: Partial<StoreJob> = {}): StoreJob {
  const body = new TextEncoder().encode("two");
  const job = { kind: "put" as const, name, by: "T3", body, ext: "txt", meta: [], state: "" };
  return { ...job, eventFields: {}, ...more } as StoreJob; // tests replace fields of a put only
}

function renameOf(from: string, name: string, replace = false): StoreJob {
  return {
    ...{ kind: "rename", name, from, by: "T3", ext: "md", state: "", replace, contentOnly: false },
  };
}

const eventsOf = ({ worlds }: StagedUnit) =>
  worlds.map(({ batch }) =>
    batch.events.map(({ kind, name, also }) => `${kind} ${name} ${also ?? ""}`)
  );
const namesOf = ({ worlds }: StagedUnit) =>
  worlds.map(({ batch }) => batch.names.map(({ name, use, isFree }) => `${use} ${name} ${isFree}`));

Deno.test("stageUnit() touches no name for a change of a world that keeps its name", () => {
  const staged = stageUnit(
    { names: ["home/a"], jobs: [putOf("home/a"), putOf("home/a")] },
    known(rowOf(1, "home/a")),
    undefined,
    CONTEXT,
  );
  assertEquals([eventsOf(staged), namesOf(staged)], [[["update home/a ", "update home/a "]], [[]]]);
  const [world] = staged.worlds;
  assertEquals(world?.batch.seen, { id: 1, name: "home/a", eventHmac: "h1" });
  assertEquals([world?.batch.version, world?.batch.by, world?.after.row.version], [3, "T3", 3]);
});

Deno.test("stageUnit() marks only the last event of a change as the change", () => {
  const staged = stageUnit(
    { names: ["lib/a"], jobs: [putOf("lib/a", { state: "pending" } as Partial<StoreJob>)] },
    known(rowOf(1, "lib/a")),
    undefined,
    CONTEXT,
  );
  assertEquals(eventsOf(staged), [["note lib/a ", "update lib/a "]]);
});

Deno.test("stageUnit() creates a world after the last use of its name", () => {
  const last = { version: 7, updatedAt: BEFORE, trash: "t" };
  const staged = stageUnit(
    { names: ["etc/a"], jobs: [putOf("etc/a")] },
    new Map([["etc/a", { last }]]),
    undefined,
    CONTEXT,
  );
  const [world] = staged.worlds;
  assertEquals([world?.batch.seen, world?.batch.version], [undefined, 8]);
  assertEquals(world?.batch.names, [{ name: "etc/a", isFree: true, floor: 7, use: "given" }]);
  assertEquals(world?.batch.events.map(({ restricted }) => restricted), [true]);
});

Deno.test("stageUnit() returns a refusal next to the changes of the other jobs", () => {
  const precondition = { match: [{ version: 9 }] };
  const staged = stageUnit(
    { names: ["home/a"], jobs: [putOf("home/a", { precondition }), putOf("home/a")] },
    known(rowOf(1, "home/a")),
    undefined,
    CONTEXT,
  );
  const [refused, done] = staged.outcomes;
  assert(refused !== undefined && "error" in refused && done !== undefined && "result" in done);
  assertEquals(done.changes.map(({ world, events }) => [world, events.length]), [[0, 1]]);
});

Deno.test("stageUnit() stages nothing for jobs that are all refused", () => {
  const job: StoreJob = { kind: "remove", name: "home/a", by: "T2" };
  const staged = stageUnit({ names: ["home/a"], jobs: [job] }, new Map(), undefined, CONTEXT);
  assertEquals(staged.worlds, []);
});

Deno.test("stageUnit() ends the name of a removed world with its last use", () => {
  const job: StoreJob = { kind: "remove", name: "home/a", by: "T3" };
  const row = rowOf(1, "home/a", 4);
  const staged = stageUnit({ names: ["home/a"], jobs: [job] }, known(row), undefined, CONTEXT);
  const [world] = staged.worlds;
  assertEquals(world?.batch.names, [{
    ...{ name: "home/a", isFree: false, use: "ended" },
    last: { version: 4, updatedAt: BEFORE, trash: "trash-1" },
  }]);
  assertEquals([world?.batch.name, world?.batch.trash], [null, {
    id: "trash-1",
    restricted: false,
  }]);
  assertEquals(eventsOf(staged), [["delete home/a "]]);
  const [outcome] = staged.outcomes;
  assert(outcome !== undefined && "result" in outcome);
  assertEquals(outcome.result.trashBytes, estimateSize(row));
});

Deno.test("stageUnit() moves one world with its chain, or two if only the content moves", () => {
  const names = ["home/b", "home/a"];
  const carried = stageUnit(
    { names, jobs: [renameOf("home/a", "home/b")] },
    known(rowOf(1, "home/a")),
    undefined,
    CONTEXT,
  );
  assertEquals(eventsOf(carried), [["move home/b home/a"]]);
  assertEquals(namesOf(carried), [["ended home/a false", "given home/b true"]]);
  const replaced = stageUnit(
    { names, jobs: [renameOf("home/a", "home/b", true)] },
    known(rowOf(1, "home/a"), rowOf(2, "home/b")),
    undefined,
    CONTEXT,
  );
  const [outcome] = replaced.outcomes;
  assert(outcome !== undefined && "result" in outcome);
  const order = outcome.changes.map(({ world }) => replaced.worlds[world]?.batch.name);
  assertEquals(order, ["home/b", null]);
});

Deno.test("stageUnit() restores above the version of a world that has the old name now", () => {
  const job: StoreJob = {
    ...{ kind: "restore", name: "home/b", from: "home/a", trash: "t", by: "T3", ext: "txt" },
    ...{ state: "", floor: 0 },
  };
  const { body, ...row } = rowOf(1, "home/a", 2);
  const trashed = { row: { ...row, name: null, ...(body && { body }) } };
  const staged = stageUnit(
    { names: ["home/b", "home/a"], jobs: [job] },
    known(rowOf(2, "home/a", 9)),
    trashed,
    CONTEXT,
  );
  const [world] = staged.worlds;
  assertEquals([world?.batch.version, world?.batch.seen?.name], [10, null]);
  assertEquals(namesOf(staged), [["given home/b true", "compared home/a false"]]);
});

Deno.test("stageUnit() gives the routes of a job to its world", () => {
  const job: StoreJob = {
    ...{ kind: "transition", name: "lib/a", by: "T3", to: "active", eventFields: {} },
    claims: ["/x"],
  };
  const staged = stageUnit(
    { names: ["lib/a"], jobs: [job] },
    known(rowOf(1, "lib/a")),
    undefined,
    CONTEXT,
  );
  assertEquals(staged.worlds[0]?.batch.routes, { plugin: "lib/a", paths: ["/x"] });
});
