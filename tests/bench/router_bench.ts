/**
 * The cost of the router for requests that it cannot resolve, and the time of those that it can: 404s
 * per second with and without the router, on two servers in turn, then the time of a redirect without
 * a model among few and many worlds. The second argument names an earlier checkout to compare with.
 * Prints figures, asserts nothing.
 *
 * `deno run -A tests/bench/router_bench.ts [seconds per measurement] [folder of an earlier checkout]`
 */

import { type Program, ROOT, startProgram } from "../project/program.ts";
import { load } from "./load.ts";
import { median, report } from "./report.ts";

const SECONDS = Number(Deno.args[0] ?? 3);
const EARLIER = Deno.args[1];
const ROUNDS = 3;
const APPROVE = { authorization: "Bearer bench-approve-token" };
/** Lua for wrk: requests another path each time, so that no cache has the answer. */
const NEW_PATHS = (folder: string) =>
  `local n = 0
request = function() n = n + 1
  return wrk.format("GET", "${folder}/q" .. os.time() .. "x" .. n .. "zz")
end`;

/** Requests for a path that does not exist. */
interface Miss {
  readonly what: string;
  readonly path: string;
  readonly script?: string;
  readonly aim?: string;
}

const MISSES: readonly Miss[] = [
  { what: "an absent world, one path", path: "/home/qqqq", aim: ">= 0.9" },
  { what: "an absent world with ?raw, one path", path: "/home/qqqq?raw", aim: ">= 0.9" },
  { what: "a path without a route, one path", path: "/qqqq", aim: ">= 0.9" },
  { what: "a path that the fallback is not asked for", path: "/proc/qqqq", aim: ">= 0.95" },
  { what: "absent worlds, new paths", path: "/home/", script: NEW_PATHS("/home") },
];

const folder = await Deno.makeTempDir({ prefix: "elastik-router-bench-" });
const programs: Program[] = [];
try {
  await measure();
} finally {
  for (const program of programs) await program.stop("SIGKILL");
  await Deno.remove(folder, { recursive: true });
}

async function measure(): Promise<void> {
  const without = await startBenchServer("without", ROOT);
  const installed = await startBenchServer("installed", ROOT);
  await install(installed.url);
  const servers: [string, string][] = [["without", without.url], ["installed", installed.url]];
  if (EARLIER !== undefined) {
    servers.push(["earlier", (await startBenchServer("earlier", EARLIER)).url]);
  }
  for (const [, url] of servers) await fill(url, 100);
  for (const miss of MISSES) await measureMisses(miss, servers);
  for (const worlds of [100, 1000, 5000]) {
    await fill(installed.url, worlds);
    await measureRedirects(installed.url, worlds);
  }
}

/** Measures the 404s per second of each server in turn. */
async function measureMisses(
  { what, path, script, aim }: Miss,
  servers: readonly [string, string][],
) {
  const found = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, url] of servers) {
      const { perSecond } = await load(`${url}${path}`, {
        seconds: SECONDS,
        ...(script === undefined ? {} : { script }),
      });
      found.set(name, [...found.get(name) ?? [], perSecond]);
    }
  }
  const of = (name: string) => median(found.get(name) ?? []);
  const limit = of("without");
  const unit = "404/s";
  report({
    what: `${what}, router active`,
    found: of("installed"),
    unit,
    limit,
    ...(aim && { aim }),
  });
  if (EARLIER !== undefined) {
    const earlier = { limit: of("earlier"), aim: ">= 0.95" };
    report({
      what: `${what}, without router, compared with earlier`,
      found: limit,
      unit,
      ...earlier,
    });
  }
}

/** Measures redirects, one after the other. */
async function measureRedirects(url: string, worlds: number): Promise<void> {
  const { p50, p99, errors } = await load(`${url}/home/slae/reprot-of-alpha`, {
    connections: 1,
    seconds: SECONDS,
  });
  if (errors > 0) console.log(`${errors} errors`);
  const first = await fetch(`${url}/home/slae/reprot-of-alpha`, { redirect: "manual" });
  await first.body?.cancel();
  if (first.status !== 303) console.log(`answered ${first.status}`);
  report({ what: `a redirect without a model, ${worlds} worlds, p50`, found: p50, unit: "ms" });
  report({ what: `a redirect without a model, ${worlds} worlds, p99`, found: p99, unit: "ms" });
}

async function startBenchServer(name: string, root: string): Promise<Program> {
  const home = `${folder}/${name}`;
  await Deno.mkdir(home);
  const program = await startProgram({
    command: Deno.execPath(),
    args: ["run", "-A", "--config", `${root}/deno.json`, `${root}/main.ts`],
    cwd: home,
    env: {
      ELASTIK_PORT: "0",
      ELASTIK_DATA: `${home}/data`,
      ELASTIK_SYNC: "normal",
      ELASTIK_APPROVE_TOKEN: "bench-approve-token",
    },
  });
  programs.push(program);
  return program;
}

async function install(url: string): Promise<void> {
  const body = await Deno.readTextFile(`${ROOT}/plugins/router.ts`);
  await send(`${url}/lib/router`, body);
  await send(`${url}/lib/router/state`, "active");
}

/** Stores worlds with names unlike the requested ones, and one with a similar name. */
async function fill(url: string, worlds: number): Promise<void> {
  await send(`${url}/home/sale/report-of-alpha`, "near");
  let next = 1;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < worlds) await send(`${url}/home/far/${next % 50}/thing-${next++}`, "x");
  }));
}

async function send(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: "PUT", body, headers: APPROVE });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Cannot PUT ${url}: ${text}`);
}
