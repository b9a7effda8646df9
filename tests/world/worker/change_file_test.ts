import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import {
  type ChangeQuery,
  type CommittedEvent,
  GAP,
  type IndexEntry,
  toChainId,
} from "../../../lib/world/changes.ts";
import { ChangeFile, CHANGES_FILE } from "../../../lib/world/worker/change_file.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const ROOT = [{ name: "", part: "tree", restricted: false }] as const;
const RUN = "0000000a";

function event(id: number, more: Partial<CommittedEvent> = {}): CommittedEvent {
  const timestamp = `2026-01-01T00:00:00.${String(id).padStart(3, "0")}Z`;
  const first = id === 1 ? { hmac: "first" } : {};
  return { id, timestamp, type: "stage_written", payload: '{"by":"T2"}', ...first, ...more };
}

function entry(name: string, events: readonly CommittedEvent[], more: Partial<IndexEntry> = {}) {
  return { name, restricted: false, events, ...more };
}

function openFile(data: string, run = RUN): ChangeFile {
  const file = new ChangeFile(data, "k", () => run);
  if (!file.open()) [...file.complete()];
  return file;
}

/** Reads a page to its end. */
function read(file: ChangeFile, query: Partial<ChangeQuery> = {}) {
  const steps = file.page({ within: ROOT, order: "oldest", limit: 100, ...query });
  let count = 0;
  for (;;) {
    const { done, value } = steps.next();
    if (done) return { ...value, steps: count };
    count++;
  }
}

function idsOf(page: ReturnType<typeof read>): string[] {
  return page.events.map(({ name, id }) => `${name} ${id}`);
}

Deno.test("ChangeFile.append() refuses an entry after a gap, and all later ones", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const results = file.append([
      entry("home/a", [event(1)]),
      entry("home/a", [event(3)]),
      entry("home/a", [event(4)]),
      entry("home/b", [event(1)]),
    ]);
    assertEquals(results.map((result) => result === GAP), [false, true, true, true]);
    assertEquals(idsOf(read(file)), ["home/a 1"]);
    file.append([entry("home/a", [event(2), event(3)]), entry("home/a", [event(3), event(4)])]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/a 2", "home/a 3", "home/a 4"]);
    file.close();
  }));

Deno.test("ChangeFile.append() changes nothing if one entry fails", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    file.append([entry("home/a", [event(1)])]);
    const before = file.cursor;
    const broken = { ...event(2), payload: undefined } as unknown as CommittedEvent;
    assertThrows(() => file.append([entry("home/b", [event(1)]), entry("home/a", [broken])]));
    assertEquals(file.cursor, before);
    assertEquals(idsOf(read(file)), ["home/a 1"]);
    file.append([entry("home/b", [event(1)])]);
    assertEquals(idsOf(read(file, { from: before })), ["home/b 1"]);
    file.close();
  }));

Deno.test("ChangeFile.page() refuses a position that a lost run published", () =>
  withTempFolder((data) => {
    let file = openFile(data);
    file.append([entry("home/a", [event(1)])]);
    const kept = file.cursor;
    file.close();
    const saved = Deno.readFileSync(`${data}/${CHANGES_FILE}`);
    file = openFile(data);
    file.append([entry("home/a", [event(2)])]);
    const lost = file.cursor;
    file.close();
    Deno.writeFileSync(`${data}/${CHANGES_FILE}`, saved);
    file = openFile(data, "0000000b");
    file.append([entry("home/a", [event(2)])]);
    assertEquals(file.cursor === lost, false);
    assertThrows(() => read(file, { from: lost }), { code: "gone" });
    assertEquals(idsOf(read(file, { from: kept })), ["home/a 2"]);
    file.close();
  }));

Deno.test("ChangeFile.page() reads a long list in steps and stops at its limit", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    for (let at = 1; at <= 5000; at += 500) {
      file.append(
        Array.from({ length: 500 }, (_, i) => entry(`home/${at + i}`, [event(1)])),
      );
    }
    file.append([entry("home/last", [event(1, { payload: '{"by":"x"}' })])]);
    const found = read(file, { by: "x" });
    assertEquals(idsOf(found), ["home/last 1"]);
    assert(found.steps > 2, `${found.steps} steps`);
    assertEquals(found.more, false);
    const page = read(file, { order: "newest", limit: 3 });
    assertEquals(idsOf(page), ["home/last 1", "home/5000 1", "home/4999 1"]);
    assertEquals([page.more, page.steps], [true, 1]);
    file.close();
  }));

Deno.test("ChangeFile.page() returns each position once when pages are continued", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    for (let id = 1; id <= 30; id++) {
      file.append([
        entry("home/a/x", [event(id)]),
        entry("home/b", [event(id, { payload: `{"by":"${id % 3}"}` })]),
      ]);
    }
    const within = [
      { name: "home/a", part: "tree", restricted: false },
      { name: "home/a/x", part: "exact", restricted: false },
      { name: "home", part: "below", restricted: false },
    ] as const;
    for (const order of ["oldest", "newest"] as const) {
      const all = read(file, { within, order });
      assertEquals(all.events.length, 60);
      for (const by of [undefined, "1"]) {
        const filter = by === undefined ? {} : { by };
        const seen: string[] = [];
        let from: string | undefined;
        for (let pages = 0; pages < 100; pages++) {
          const start = from === undefined ? {} : { from };
          const page = read(file, { within, order, limit: 7, ...filter, ...start });
          seen.push(...idsOf(page));
          from = page.cursor;
          if (!page.more) break;
        }
        assertEquals(seen, idsOf(read(file, { within, order, ...filter })));
      }
    }
    file.close();
  }));

Deno.test("ChangeFile.page() with a time has no earlier event, also after a clock stepped back", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const at = (second: number) => ({ timestamp: `2026-01-01T00:00:0${second}.000Z` });
    file.append([
      entry("home/a", [event(1, at(1))]),
      entry("boot/a", [event(1, at(9))], { restricted: true }),
      entry("home/b", [event(1, at(3))]),
      entry("home/c", [event(1, at(6))]),
    ]);
    const since = at(5).timestamp;
    for (const order of ["oldest", "newest"] as const) {
      assertEquals(idsOf(read(file, { order, since })), ["home/c 1"]);
    }
    file.close();
  }));

Deno.test("ChangeFile.append() tells worlds apart whose chains begin with the same event", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    file.append([entry("home/a", [event(1), event(2)])]);
    const chain = toChainId("first", "home/b");
    file.append([entry("home/b", [event(1), event(2)], { chain })]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/a 2", "home/b 1", "home/b 2"]);
    file.close();
  }));

Deno.test("ChangeFile.append() gives late events of a deleted world to no later world of its name", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const late = [event(2), event(3, { type: "world_deleted" })];
    file.append([
      entry("home/a", [event(1)]),
      entry("home/a", late, { ended: true }),
      entry("home/a", [event(1, { hmac: "second", timestamp: "2026-01-01T00:00:02.000Z" })]),
    ]);
    assertEquals(file.append([entry("home/a", late, { ended: true })]), [GAP]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/a 2", "home/a 3", "home/a 1"]);
    assertEquals(file.headOf("home/a")?.ended, false);
    file.close();
  }));

Deno.test("ChangeFile.append() accepts events of a deleted world that were read from its chain before", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const late = [event(2), event(3, { type: "world_deleted" })];
    const chain = toChainId("first", "home/a");
    file.append([entry("home/a", [event(1), ...late], { chain, ended: true })]);
    const again = [entry("home/a", [event(1)]), entry("home/a", late, { ended: true })];
    assertEquals(file.append(again), [0, 0]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/a 2", "home/a 3"]);
    const head = { chain, event: 3, at: late[1]?.timestamp, ended: true, hmac: "" };
    assertEquals(file.headOf("home/a"), head);
    file.close();
  }));

/** The event of a move. */
function moved(id: number, from: string, to: string): CommittedEvent {
  const payload = JSON.stringify({ from: `/${from}`, to: `/${to}`, by: "T3" });
  return event(id, { type: "world_moved", payload });
}

Deno.test("ChangeFile.append() adds a world with several names once if two readers send its events", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    file.append([entry("home/a", [event(1)])]);
    const chain = toChainId("first", "home/a");
    const end = event(4, { type: "world_deleted" });
    const found = [
      entry("home/b", [moved(2, "home/a", "home/b")], { chain, ended: true }),
      entry("home/c", [moved(3, "home/b", "home/c"), end], { chain, ended: true }),
    ];
    assertEquals(file.append(found), [2, 4]);
    assertEquals(file.append(found), [0, 0]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/b 2", "home/c 3", "home/c 4"]);
    assertEquals(["home/a", "home/b", "home/c"].map((name) => file.headOf(name)?.ended), [
      true,
      true,
      true,
    ]);
    file.close();
  }));

Deno.test("ChangeFile.append() adds a world that was moved and deleted once if it was read from the trash before", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const at = (second: number) => ({ timestamp: `2026-01-01T00:00:0${second}.000Z` });
    const earlier = [event(1, { ...at(1), hmac: "other" }), event(2, at(1))];
    file.append([entry("home/c", earlier)]);
    // The server was just started: it reads the chains while changes wait.
    const leaving = { ...moved(3, "home/c", "home/d"), ...at(3) };
    const arriving = { ...moved(2, "home/a", "home/c"), ...at(4) };
    const end = event(3, { type: "world_deleted", ...at(5) });
    const first = event(1, at(2));
    const chain = toChainId("first", "home/a");
    file.append([entry("home/d", [leaving], { chain: toChainId("other", "home/c") })]);
    file.append([
      entry("home/a", [first], { chain, ended: true }),
      entry("home/c", [arriving, end], { chain, ended: true }),
    ]);
    const waiting = [
      entry("home/a", [first]),
      entry("home/d", [leaving]),
      entry("home/c", [], { ended: true }),
      entry("home/c", [arriving]),
      entry("home/a", [], { ended: true }),
      entry("home/c", [end], { ended: true }),
    ];
    const results = file.append(waiting);
    assertEquals(results, [0, 0, 0, 0, 0, 0]);
    const all = ["home/c 1", "home/c 2", "home/d 3", "home/a 1", "home/c 2", "home/c 3"];
    assertEquals(idsOf(read(file)), all);
    file.close();
  }));

Deno.test("ChangeFile.append() adds a restored world once if it was read from its chain before", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const chain = toChainId("first", "home/a");
    const deleted = event(2, { type: "world_deleted" });
    const back = [moved(3, "home/a", "home/b"), event(4, { type: "world_restored" })];
    const gone = event(5, { type: "world_deleted" });
    file.append([
      entry("home/a", [event(1), deleted], { chain, ended: true }),
      entry("home/b", [...back, gone], { chain, ended: true }),
    ]);
    const live = back.map((one, at) => at === 0 ? { ...one, chain } : one);
    const results = file.append([
      entry("home/a", [event(1)]),
      entry("home/a", [deleted], { ended: true }),
      entry("home/b", live),
      entry("home/b", [gone], { ended: true }),
    ]);
    assertEquals(results, [0, 0, 0, 0]);
    const all = ["home/a 1", "home/a 2", "home/b 3", "home/b 4", "home/b 5"];
    assertEquals(idsOf(read(file)), all);
    file.close();
  }));

Deno.test("ChangeFile.stage() orders the events of a chain, and tells of one that was read before", () =>
  withTempFolder((data) => {
    const file = new ChangeFile(data, "k", () => RUN);
    assertEquals(file.open(), false);
    const chain = toChainId("first", "home/z");
    const at = (second: number) => ({ timestamp: `2026-01-01T00:00:0${second}.000Z` });
    // The clock stepped back; the world was moved in the same millisecond, and then deleted.
    const before = entry("home/z", [event(1, at(5)), event(2, at(3))], { chain });
    const moved = entry("home/a", [event(3, at(3))], { chain });
    const other = entry("home/b", [event(1, at(4))], { chain: toChainId("first", "home/b") });
    assertEquals(file.stage([before], true), []);
    assertEquals(file.stage([{ ...moved, ended: true }], false), []);
    const heads = file.stage([before, moved], true);
    assertEquals(heads.map(({ name, event }) => [name, event]), [["home/a", 3], ["home/z", 2]]);
    assertEquals(file.stage([other], true), []);
    [...file.complete()];
    assertEquals(idsOf(read(file)), ["home/b 1", "home/z 1", "home/z 2", "home/a 3"]);
    const head = { chain, event: 3, at: at(3).timestamp, ended: true, hmac: "" };
    assertEquals(file.headOf("home/a"), head);
    file.close();
  }));

Deno.test("ChangeFile.stage() ends the name that a world had before, also if a page ends there", () =>
  withTempFolder((data) => {
    const file = new ChangeFile(data, "k", () => RUN);
    file.open();
    const chain = toChainId("first", "home/a");
    file.stage([entry("home/a", [event(1)], { chain })], true);
    file.stage([entry("home/b", [moved(2, "home/a", "home/b")], { chain })], false);
    [...file.complete()];
    assertEquals([file.headOf("home/a")?.ended, file.headOf("home/b")?.ended], [true, false]);
    file.close();
  }));

Deno.test("ChangeFile.replace() removes the later events of a chain from all lists, and uses no number again", () =>
  withTempFolder((data) => {
    let file = openFile(data);
    const chain = toChainId("first", "home/a");
    const key = "k".repeat(22);
    const keyed = { payload: JSON.stringify({ by: "T2", idem: `${key}.${"m".repeat(22)}` }) };
    file.append([
      entry("home/a", [event(1), event(2)]),
      entry("home/b", [event(1, { hmac: "b" })]),
      entry("home/a", [event(3, keyed), event(4, { hmac: "four" })]),
    ]);
    const head = file.headsOfChain(chain)[0];
    if (head === undefined) throw new Error("no head");
    const used = new Set(read(file).events.map(({ cursor }) => cursor));
    const other = entry("home/a", [event(3, { hmac: "other" })], { chain });
    const since = event(2).timestamp;
    assertEquals(file.replace({ ...head, event: 3 }, 2, since, [other]), undefined);
    assertEquals(idsOf(read(file)).length, 5);
    assertEquals(file.replace(head, 2, since, [other]), [6]);
    const expected = ["home/a 1", "home/a 2", "home/b 1", "home/a 3"];
    const within = [{ name: "home/a", part: "exact", restricted: false }] as const;
    assertEquals(idsOf(read(file)), expected);
    assertEquals(idsOf(read(file, { within })), ["home/a 1", "home/a 2", "home/a 3"]);
    assertEquals(file.keyed(key), []);
    assertEquals(file.headOf("home/a")?.hmac, "other");
    // All changes after a position are gone, also the one with the highest number.
    const last = file.headsOfChain(chain)[0];
    if (last === undefined) throw new Error("no head");
    assertEquals(file.replace(last, 1, since, [entry("home/c", [], { chain })]), [0]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/b 1"]);
    file.close();
    file = openFile(data, "0000000b");
    file.append([entry("home/b", [event(2)])]);
    const { events } = read(file);
    assertEquals(events.map(({ id, cursor }) => [id, used.has(cursor)]).at(-1), [2, false]);
    for (const cursor of used) read(file, { from: cursor });
    file.close();
  }));

Deno.test("ChangeFile.open() keeps the cursors of an index without HMACs", () =>
  withTempFolder((data) => {
    let file = openFile(data);
    file.append([entry("home/a", [event(1)])]);
    const { cursor } = file;
    file.close();
    using db = new DatabaseSync(`${data}/${CHANGES_FILE}`);
    db.exec("ALTER TABLE heads DROP COLUMN hmac");
    db.close();
    file = openFile(data, "0000000b");
    assertEquals(file.headOf("home/a")?.hmac, "");
    file.append([entry("home/a", [event(2, { hmac: "two" })])]);
    assertEquals(file.headOf("home/a")?.hmac, "two");
    assertEquals(idsOf(read(file, { from: cursor })), ["home/a 2"]);
    file.close();
  }));
