/**
 * Program for the benchmarks: the store of one node without HTTP, and callers that put to it. It reads a run
 * as a line of JSON from standard input, and answers with a line.
 */

import { openPostgresStore } from "../../lib/world/postgres/open_postgres_store.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { readLines } from "../faults/server_process.ts";

/** What the callers of a run do. */
export interface PutRun {
  readonly callers: number;
  readonly seconds: number;
  /** The worlds, which the callers take in turn. */
  readonly names: readonly string[];
  /** Whether a caller takes any of them instead. */
  readonly isRandom: boolean;
  readonly bytes: number;
}

/** What a run has found. */
export interface PutResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p99: number;
}

async function runCallers(
  put: (name: string, body: Uint8Array<ArrayBuffer>) => Promise<unknown>,
  { callers, seconds, names, isRandom, bytes }: PutRun,
): Promise<PutResult> {
  const body = new Uint8Array(bytes).fill(0x78);
  const spans: number[] = [];
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let next = 0;
  await Promise.all(Array.from({ length: callers }, async () => {
    for (let at = performance.now(); at < end;) {
      const pick = isRandom ? Math.floor(Math.random() * names.length) : next++ % names.length;
      await put(names[pick] ?? "", body);
      const now = performance.now();
      spans.push(now - at);
      at = now;
    }
  }));
  spans.sort((a, b) => a - b);
  return {
    perSecond: spans.length / (performance.now() - begin) * 1000,
    p99: spans[Math.floor(spans.length * 0.99)] ?? 0,
  };
}

if (import.meta.main) {
  const [url = "", node = "", key = ""] = Deno.args;
  const store = await openPostgresStore({
    url: parseStoreUrl(url),
    node,
    key,
    lower: new Map(),
    workerUrl: import.meta.resolve("../../lib/world/worker/worker_main.ts"),
  });
  const put = (name: string, body: Uint8Array<ArrayBuffer>) =>
    store.put({ name, by: "T2", ext: "txt", meta: [], body });
  console.log("ready");
  await readLines(Deno.stdin.readable, (line) => {
    const run: PutRun = JSON.parse(line);
    runCallers(put, run).then((result) => console.log(JSON.stringify(result)));
  });
  await store.close();
}
