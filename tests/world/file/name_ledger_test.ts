import { assertEquals, assertMatch } from "../../support/assert.ts";
import { LEDGER_FILE, pathExists } from "../../../lib/world/file/durable_fs.ts";
import { NameLedger } from "../../../lib/world/file/name_ledger.ts";
import { putJob, removeJob, testWriter, trashIds, versionsOf } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const [T1, T2] = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"];
const MOVE = {
  from: "home/a",
  to: "home/b",
  carry: true,
  sourceVersion: 3,
  version: 4,
  by: "T3",
  trash: "",
};

function withLedger(use: (ledger: NameLedger, data: string) => void): Promise<void> {
  return withTempFolder((data) => {
    const ledger = new NameLedger(data);
    try {
      use(ledger, data);
    } finally {
      ledger.close();
    }
  });
}

Deno.test("NameLedger.lastUse() creates no file, and returns undefined for an unknown name", () =>
  withLedger((ledger, data) => {
    assertEquals(ledger.lastUse("home/a"), undefined);
    assertEquals([ledger.moves(), pathExists(`${data}/${LEDGER_FILE}`)], [[], false]);
  }));

Deno.test("NameLedger.recordEnd() keeps the highest version and the latest time of a name", () =>
  withLedger((ledger, data) => {
    ledger.recordEnd("home/a", { version: 5, updatedAt: T2, trash: "one" });
    ledger.recordEnd("home/a", { version: 2, updatedAt: T1, trash: "two" });
    const expected = { version: 5, updatedAt: T2, trash: "two" };
    assertEquals(ledger.lastUse("home/a"), expected);
    const other = new NameLedger(data);
    assertEquals([other.lastUse("home/a"), other.lastUse("home/b")], [expected, undefined]);
    other.close();
  }));

Deno.test("NameLedger has a move from beginMove() to endMove()", () =>
  withLedger((ledger, data) => {
    ledger.beginMove(MOVE, T1);
    const other = new NameLedger(data);
    assertEquals(other.moves(), [MOVE]);
    assertEquals(other.lastUse("home/a"), { version: 3, updatedAt: T1, trash: "" });
    ledger.endMove("home/a");
    assertEquals(other.moves(), []);
    other.close();
  }));

Deno.test("NameLedger.recover() reads the worlds in the trash", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/a", "1"), putJob("home/a", "2"), removeJob("home/a")]);
    writer.close();
    for (const end of ["", "-wal", "-shm"]) {
      if (pathExists(`${data}/${LEDGER_FILE}${end}`)) {
        Deno.removeSync(`${data}/${LEDGER_FILE}${end}`);
      }
    }
    Deno.mkdirSync(`${data}/.trash/x/home%2Fempty`, { recursive: true });
    const ledger = new NameLedger(data);
    assertMatch(ledger.recover() ?? "", /^it was missing/);
    assertEquals(ledger.lastUse("home/a")?.version, 2);
    assertEquals(ledger.lastUse("home/a")?.trash, trashIds(data)[0]);
    assertEquals(ledger.lastUse("home/empty"), undefined);
    ledger.close();
    const second = testWriter(data);
    const jobs = [putJob("home/a", "3")];
    assertEquals(versionsOf(second.apply(jobs), jobs), [3]);
    second.close();
  }));

Deno.test("NameLedger.recover() takes over a ledger from the trash, and merges one that remains", () =>
  withTempFolder((data) => {
    const old = `${data}/.trash/${LEDGER_FILE}`;
    const write = (version: number, more: (ledger: NameLedger) => void = () => {}) => {
      // An earlier version had the ledger in the trash.
      Deno.mkdirSync(`${data}/old`);
      const ledger = new NameLedger(`${data}/old`);
      ledger.recordEnd("home/a", { version, updatedAt: T1, trash: `${version}` });
      more(ledger);
      ledger.close();
      Deno.mkdirSync(`${data}/.trash`, { recursive: true });
      Deno.renameSync(`${data}/old/${LEDGER_FILE}`, old);
      Deno.removeSync(`${data}/old`, { recursive: true });
    };
    write(5, (ledger) => ledger.beginMove(MOVE, T1));
    const ledger = new NameLedger(data);
    assertEquals(ledger.recover(), undefined);
    assertEquals([ledger.lastUse("home/a")?.version, ledger.moves()], [5, [MOVE]]);
    assertEquals(pathExists(old), false);
    ledger.endMove("home/a");
    write(4, (older) => older.recordEnd("home/b", { version: 9, updatedAt: T2, trash: "b" }));
    assertEquals(ledger.recover(), undefined);
    assertEquals(ledger.lastUse("home/a"), { version: 5, updatedAt: T1, trash: "" });
    assertEquals(ledger.lastUse("home/b"), { version: 9, updatedAt: T2, trash: "b" });
    ledger.close();
    assertEquals((Deno.statSync(`${data}/${LEDGER_FILE}`).mode ?? 0) & 0o77, 0);
  }));

Deno.test("NameLedger.recover() reports a missing ledger only if worlds exist", () =>
  withTempFolder((data) => {
    const ledger = new NameLedger(data);
    assertEquals([ledger.recover(), ledger.recover()], [undefined, undefined]);
    const writer = testWriter(data);
    writer.apply([putJob("home/a", "1")]);
    writer.close();
    assertEquals(ledger.recover(), undefined);
    ledger.close();
    for (const end of ["", "-wal", "-shm"]) {
      if (pathExists(`${data}/${LEDGER_FILE}${end}`)) {
        Deno.removeSync(`${data}/${LEDGER_FILE}${end}`);
      }
    }
    assertMatch(ledger.recover() ?? "", /^it was missing/);
    assertEquals(ledger.recover(), undefined);
    ledger.close();
  }));
