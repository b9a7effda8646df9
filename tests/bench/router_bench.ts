/**
 * What the router costs those who have no use for it, and how soon it answers those who have: 404s a
 * second with and without it, on machines of the same program and in turn, then the time of a redirect
 * that needs no model, among few worlds and many. A checkout of an earlier program, named as the second
 * argument, is measured beside them. It prints; it asserts nothing.
 *
 * `deno run -A tests/bench/router_bench.ts [seconds a measurement] [folder of an earlier checkout]`
 */

import { type Program, ROOT, startProgram } from "../project/program.ts";
import { load } from "./load.ts";
import { median, report } from "./report.ts";

const SECONDS = Number(Deno.args[0] ?? 3);
const EARLIER = Deno.args[1];
const ROUNDS = 3;
const APPROVE = { authorization: "Bearer bench-approve-token" };
/** Every request for another path, so that nothing that is remembered helps. */
const EACH_ANOTHER = (folder: string) =>
  `local n = 0
request = function() n = n + 1
  return wrk.format("GET", "${folder}/q" .. os.time() .. "x" .. n .. "zz")
end`;

/** A kind of request for what is not there. */
interface Miss {
  readonly what: string;
  readonly path: string;
  readonly script?: string;
  readonly aim?: string;
}

const MISSES: readonly Miss[] = [
  { what: "an absent world, again and again", path: "/home/qqqq", aim: ">= 0.9" },
  { what: "an absent world's bytes, again and again", path: "/home/qqqq?raw", aim: ">= 0.9" },
  { what: "a path that is nobody's, again and again", path: "/qqqq", aim: ">= 0.9" },
  { what: "what no fallback is asked for", path: "/proc/qqqq", aim: ">= 0.95" },
  { what: "absent worlds, each another", path: "/home/", script: EACH_ANOTHER("/home") },
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
  const without = await machine("without", ROOT);
  const installed = await machine("installed", ROOT);
  await install(installed.url);
  const servers: [string, string][] = [["without", without.url], ["installed", installed.url]];
  if (EARLIER !== undefined) servers.push(["earlier", (await machine("earlier", EARLIER)).url]);
  for (const [, url] of servers) await fill(url, 100);
  for (const miss of MISSES) await misses(miss, servers);
  for (const worlds of [100, 1000, 5000]) {
    await fill(installed.url, worlds);
    await redirects(installed.url, worlds);
  }
}

async function misses({ what, path, script, aim }: Miss, servers: readonly [string, string][]) {
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
  report({ what: `${what}, router up`, found: of("installed"), unit, limit, ...(aim && { aim }) });
  if (EARLIER !== undefined) {
    const earlier = { limit: of("earlier"), aim: ">= 0.95" };
    report({ what: `${what}, none, beside earlier`, found: limit, unit, ...earlier });
  }
}

/** The time of a redirect, one after another. */
async function redirects(url: string, worlds: number): Promise<void> {
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

async function machine(name: string, root: string): Promise<Program> {
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

/** Worlds whose names are far from what is asked, and one that is near. */
async function fill(url: string, worlds: number): Promise<void> {
  await send(`${url}/home/sale/report-of-alpha`, "near");
  let next = 1;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < worlds) await send(`${url}/home/far/${next % 50}/thing-${next++}`, "x");
  }));
}

async function send(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: "PUT", body, headers: APPROVE });
  const words = await answer.text();
  if (!answer.ok) throw new Error(`Cannot put ${url}: ${words}`);
}
