import { assertEquals } from "../../support/assert.ts";
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
    assertEquals([ledger.moves(), pathExists(`${data}/.trash`)], [[], false]);
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
      if (pathExists(`${data}/.trash/${LEDGER_FILE}${end}`)) {
        Deno.removeSync(`${data}/.trash/${LEDGER_FILE}${end}`);
      }
    }
    Deno.mkdirSync(`${data}/.trash/x/home%2Fempty`, { recursive: true });
    const ledger = new NameLedger(data);
    assertEquals(ledger.recover(), undefined);
    assertEquals(ledger.lastUse("home/a")?.version, 2);
    assertEquals(ledger.lastUse("home/a")?.trash, trashIds(data)[0]);
    assertEquals(ledger.lastUse("home/empty"), undefined);
    ledger.close();
    const second = testWriter(data);
    const jobs = [putJob("home/a", "3")];
    assertEquals(versionsOf(second.apply(jobs), jobs), [3]);
    second.close();
  }));
