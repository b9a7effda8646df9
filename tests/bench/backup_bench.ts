/**
 * Backups of a data folder: the first, which copies and verifies every world, and the next, after 1 % of
 * the worlds have changed.
 *
 * `deno run -A --no-lock tests/bench/backup_bench.ts [worlds]`
 */

import { backupData } from "../../lib/archive/backup_data.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { appendJob, putJob, testWriter } from "../testdata/test_writer.ts";
import { report } from "./report.ts";

const WORLDS = Number(Deno.args[0] ?? 20_000);
const CHANGED = Math.ceil(WORLDS / 100);
/** Worlds of one transaction group of the writer. */
const GROUP = 200;
const KEY = "ab".repeat(32);
/** From here on, a change of a file gives another state. */
const SETTLE_MS = 2100;

await withTempFolder(async (folder) => {
  const data = `${folder}/data`;
  Deno.mkdirSync(data);
  Deno.writeTextFileSync(`${data}/.key`, `${KEY}\n`);
  const writer = testWriter(data, { key: KEY, sync: "normal" });
  for (let at = 0; at < WORLDS; at += GROUP) {
    const count = Math.min(GROUP, WORLDS - at);
    writer.apply(
      Array.from({ length: count }, (_, i) => putJob(`home/w${at + i}`, "text ".repeat(100))),
    );
  }
  writer.close();
  await settle();
  const full = await backUp(folder);
  const before = testWriter(data, { key: KEY, sync: "normal" });
  before.apply(Array.from({ length: CHANGED }, (_, i) => appendJob(`home/w${i * 100}`, "more")));
  before.close();
  await settle();
  const next = await backUp(folder);
  report({ what: `first backup of ${WORLDS} worlds`, found: full.seconds, unit: "s" });
  report({
    what: `next backup, ${next.copied} worlds changed`,
    found: next.seconds,
    unit: "s",
    limit: full.seconds,
    aim: "<= 0.05",
  });
});

function settle(): Promise<void> {
  return new Promise((resume) => setTimeout(resume, SETTLE_MS));
}

async function backUp(folder: string): Promise<{ seconds: number; copied: number }> {
  const start = performance.now();
  const { copied } = await backupData({
    data: `${folder}/data`,
    into: `${folder}/backup`,
    key: KEY,
    withKey: false,
    versions: 100,
  });
  return { seconds: (performance.now() - start) / 1000, copied };
}
