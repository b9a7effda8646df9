/**
 * Appends of 1 KB over HTTP to a world of 5 MB and to one that starts empty, alternating in one run. The
 * commits are synced, and all folds and checkpoints are in the time. Then the size of the files of a
 * world after many short appends, while the server runs and after it has stopped.
 *
 * `deno run -A --no-lock tests/bench/append_bench.ts [rounds]`
 */

import { withTempFolder } from "../support/temp_folder.ts";
import { type Server, startServer } from "./process.ts";
import { report } from "./report.ts";

const ROUNDS = Number(Deno.args[0] ?? 12);
/** Appends of one turn; a turn takes several seconds together, so that folds by time are in it. */
const APPENDS = 200;
const ADDED = "x".repeat(1023) + "\n";
const LONG = 5_000_000;
const SHORT_APPENDS = 1_500;
/** Length of a short append in bytes. */
const SHORT = 307;

await withTempFolder(async (folder) => {
  await using server = await startServer(`${folder}/data`);
  const seconds = { empty: 0, long: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [world, length] of [["empty", 0], ["long", LONG]] as const) {
      await send(server, "PUT", world, new Uint8Array(length).fill(97));
      const start = performance.now();
      for (let i = 0; i < APPENDS; i++) await send(server, "POST", world, ADDED);
      seconds[world] += (performance.now() - start) / 1000;
    }
  }
  const count = ROUNDS * APPENDS;
  const empty = count / seconds.empty;
  report({ what: "append of 1 KB to an empty world", found: empty, unit: "/s" });
  report({
    what: "append of 1 KB to a world of 5 MB",
    found: count / seconds.long,
    unit: "/s",
    limit: empty,
    aim: ">= 0.5",
  });
});

await withTempFolder(async (folder) => {
  const server = await startServer(`${folder}/data`);
  await send(server, "PUT", "log", "");
  for (let i = 0; i < SHORT_APPENDS; i++) await send(server, "POST", "log", "y".repeat(SHORT));
  const path = `${folder}/data/home%2Flog/universe.db`;
  for (const end of ["", "-wal", "-shm"]) {
    const what = `universe.db${end} after ${SHORT_APPENDS} appends of ${SHORT} B, running`;
    report({ what, found: sizeOf(`${path}${end}`), unit: "B" });
  }
  await server.stop();
  report({ what: "universe.db after the stop", found: sizeOf(path), unit: "B" });
});

async function send(server: Server, method: string, world: string, body: BodyInit): Promise<void> {
  const response = await fetch(`${server.url}/home/${world}`, { method, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} /home/${world}: ${response.status} ${text}`);
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
