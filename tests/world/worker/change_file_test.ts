import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  type ChangeQuery,
  type CommittedEvent,
  GAP,
  type IndexEntry,
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
  const file = new ChangeFile(data, "k", run);
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

Deno.test("ChangeFile.append() refuses an entry after a gap, and the later ones of its name only", () =>
  withTempFolder((data) => {
    const file = openFile(data);
    const results = file.append([
      entry("home/a", [event(1)]),
      entry("home/a", [event(3)]),
      entry("home/a", [event(4)]),
      entry("home/b", [event(1)]),
    ]);
    assertEquals(results.map((result) => result === GAP), [false, true, true, false]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/b 1"]);
    file.append([entry("home/a", [event(2), event(3)]), entry("home/a", [event(3), event(4)])]);
    assertEquals(idsOf(read(file)), ["home/a 1", "home/b 1", "home/a 2", "home/a 3", "home/a 4"]);
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
