/**
 * The index of changes: what it costs a PUT, and how long the first page of a log takes. The cost is the
 * processor time of the index for one change, in transactions as long as under this load, as a part of
 * the processor time of a PUT in the same run. Needs `wrk`.
 */

import { ChangeFile } from "../../lib/world/worker/change_file.ts";
import { INDEX_BATCH_PAUSE_MS } from "../../lib/limits.ts";
import { packEntry } from "../../lib/world/packed_entry.ts";
import { load } from "./load.ts";
import { startServer } from "./process.ts";
import { median, report } from "./report.ts";

const PUT_50 = `local n = 0
request = function() n = n + 1
  return wrk.format("PUT", "/home/p/n" .. (n % 50), {["Content-Type"] = "text/plain"}, string.rep("x", 200))
end`;
const PAYLOAD = JSON.stringify({
  op: "put",
  len: 200,
  ext: "txt",
  version_after: 1,
  meta_headers: [],
  body_sha256_after: "0".repeat(64),
  by: "T2:local",
});
const WORLDS = 50;
const EVENTS = 100_000;

/** Appends changes of 50 worlds in turn; returns microseconds for each. */
function append(file: ChangeFile, ids: Map<number, number>, count: number, batch: number): number {
  let spent = 0;
  for (let done = 0; done < count; done += batch) {
    const entries = Array.from({ length: batch }, (_, at) => {
      const world = (done + at) % WORLDS;
      const id = (ids.get(world) ?? 0) + 1;
      ids.set(world, id);
      const timestamp = new Date().toISOString();
      const event = { id, timestamp, type: "stage_written", payload: PAYLOAD };
      const events = [id === 1 ? { ...event, hmac: `h${world}` } : event];
      return packEntry({ name: `home/p/n${world}`, restricted: false, by: "T2:local", events });
    });
    const begin = performance.now();
    file.append(entries);
    spent += performance.now() - begin;
  }
  return spent / count * 1000;
}

/** Milliseconds of the first page of a log. */
function firstPage(file: ChangeFile, name: string): number {
  const begin = performance.now();
  const within = [{ name, part: "below", restricted: true }] as const;
  const steps = file.page({ within, order: "newest", limit: 100 });
  while (!steps.next().done);
  return performance.now() - begin;
}

const data = Deno.makeTempDirSync({ dir: Deno.env.get("BENCH_DIR") ?? "/tmp" });
let microsecondsOfPut = 0;
let batch = 1;
{
  await using server = await startServer(`${data}/server`);
  await load(server.url, { seconds: 1, script: PUT_50 });
  const before = server.cpu();
  const { perSecond } = await load(server.url, { seconds: 4, script: PUT_50 });
  microsecondsOfPut = (server.cpu() - before) / (perSecond * 4) * 1e6;
  batch = Math.max(1, Math.round(perSecond * INDEX_BATCH_PAUSE_MS / 1000));
}
Deno.mkdirSync(`${data}/index`);
const file = new ChangeFile(`${data}/index`, "key", () => "0000000a");
if (!file.open()) [...file.complete()];
const ids = new Map<number, number>();
append(file, ids, 10 * batch, batch);
report({
  what: "index of changes, processor time for a PUT",
  found: append(file, ids, Math.ceil(20_000 / batch) * batch, batch),
  unit: "us",
  limit: microsecondsOfPut,
  aim: "<= 0.05",
});
append(file, ids, EVENTS, 500);
report({
  what: "log of a prefix, first page of 100 of 120,000",
  found: median(Array.from({ length: 21 }, () => firstPage(file, "home/p"))),
  unit: "ms",
  aim: "<= 10",
});
file.close();
await Deno.remove(data, { recursive: true });
