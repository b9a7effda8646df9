/**
 * The cold start and the idle server: milliseconds from the start of the process to the first
 * response, as a multiple of `deno eval 0` in the same run, and the resident memory after 10 s
 * without requests. The starts alternate with those of the reference, so that both see the same load.
 *
 * `deno run -A tests/bench/start_bench.ts [number of starts]`
 */

import { bundle } from "../../lib/tools/bundle.ts";
import { freePort } from "../support/free_port.ts";
import { type Server, start } from "./process.ts";
import { median, report } from "./report.ts";

const STARTS = Number(Deno.args[0] ?? 9);
const IDLE_MS = 10_000;
const ROOT = new URL("../../", import.meta.url).pathname;
const PATH = "/proc/version";

const folder = await Deno.makeTempDir({ prefix: "elastik-start-bench-" });
try {
  const script = `${folder}/elastik.js`;
  await bundle(script);
  const ways: Readonly<Record<string, readonly string[]>> = {
    checkout: ["run", "-A", "--config", `${ROOT}deno.json`, `${ROOT}main.ts`],
    bundle: ["run", "-A", "--no-check", "--unstable-worker-options", script],
  };
  for (const [name, args] of Object.entries(ways)) {
    await startIn(args).then((server) => server.stop()); // fills the cache of compiled code
    const reference: number[] = [];
    const starts: number[] = [];
    for (let at = 0; at < STARTS; at++) {
      reference.push(await measureEval());
      const server = await startIn(args);
      starts.push(server.startMs);
      await server.stop();
    }
    report({
      what: `${name}: start to first response`,
      found: median(starts),
      unit: "ms",
      limit: median(reference),
      aim: "<= 5",
    });
    report({
      what: `${name}: fastest start`,
      found: Math.min(...starts),
      unit: "ms",
      aim: "<= 100",
    });
    await using server = await startIn(args);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    report({
      what: `${name}: resident memory when idle, all Workers`,
      found: server.rss() / 1e6,
      unit: "MB",
      aim: "<= 85",
    });
    report({
      what: `${name}: processor time of the start and 10 s idle`,
      found: server.cpu(),
      unit: "s",
    });
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** Starts the server on a new data folder, and waits for its first response. */
async function startIn(args: readonly string[]): Promise<Server> {
  const port = freePort();
  return await start(port, PATH, {
    args: [...args],
    env: {
      ELASTIK_PORT: String(port),
      ELASTIK_DATA: await Deno.makeTempDir({ dir: folder }),
    },
  });
}

/** Milliseconds of a start of Deno that does nothing. */
async function measureEval(): Promise<number> {
  const begin = performance.now();
  await new Deno.Command(Deno.execPath(), { args: ["eval", "0"], stdin: "null" }).output();
  return performance.now() - begin;
}
