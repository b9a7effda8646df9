import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "../../support/assert.ts";
import { Audits } from "../../../lib/world/store/audits.ts";
import { LongJobs } from "../../../lib/world/store/long_jobs.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import {
  createSample,
  SAMPLE_FILE,
  SAMPLE_NAME,
  sampleSetup,
} from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Runs a test with audits of the sample world, so many milliseconds after the last change of its file. */
function withAudits(
  ahead: number,
  use: (audits: Audits, count: () => number, path: string) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (data) => {
    createSample(data);
    const reader = new Reader(sampleSetup(data));
    const path = `${data}/${SAMPLE_FILE}`;
    let count = 0;
    const audits = new Audits({
      data,
      files: {
        audit: (name) => {
          count += 1;
          return reader.audit(name);
        },
      },
      jobs: new LongJobs({ running: 1, waiting: 1, waitingPerClient: 1 }),
      now: () => (Deno.statSync(path).ctime ?? new Date()).getTime() + ahead,
    });
    await use(audits, () => count, path);
  });
}

Deno.test("Audits.audit() keeps a result until the file of the world changes", () =>
  withAudits(5_000, async (audits, count, path) => {
    for (let i = 0; i < 3; i++) assertEquals((await audits.audit(SAMPLE_NAME, {}))?.ok, true);
    assertEquals(count(), 1);
    // Another program changes an old event: head and version stay the same.
    const db = new DatabaseSync(path);
    db.exec("UPDATE events SET payload = '{}' WHERE id = 2");
    db.close();
    const found = await audits.audit(SAMPLE_NAME, {});
    assertEquals([found?.ok, found?.chain.broken_at, count()], [false, 2, 2]);
  }));

Deno.test("Audits.audit() detects a change whose author restored size and modification time", () =>
  withAudits(5_000, async (audits, _count, path) => {
    // In a rollback journal, so that the file itself is written.
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = DELETE");
    db.close();
    const { mtime, size } = Deno.statSync(path);
    assertEquals((await audits.audit(SAMPLE_NAME, {}))?.ok, true);
    const { ctime } = Deno.statSync(path);
    while (Deno.statSync(path).ctime?.getTime() === ctime?.getTime()) {
      const edit = new DatabaseSync(path);
      edit.exec("UPDATE events SET timestamp = '2025' || substr(timestamp, 5) WHERE id = 2");
      edit.close();
      Deno.utimeSync(path, new Date(), mtime ?? new Date());
    }
    assertEquals([Deno.statSync(path).size, Deno.statSync(path).mtime], [size, mtime]);
    assertEquals((await audits.audit(SAMPLE_NAME, {}))?.chain.broken_at, 2);
  }));

Deno.test("Audits.audit() does not keep the result of a file that changed less than two seconds ago", () =>
  withAudits(0, async (audits, count) => {
    for (let i = 0; i < 2; i++) await audits.audit(SAMPLE_NAME, {});
    assertEquals(count(), 2);
    assertEquals(await audits.audit("home/none", {}), undefined);
  }));
