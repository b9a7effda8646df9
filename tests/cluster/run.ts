/**
 * A long run by hand: starts servers and nodes, sends load, causes faults, prints the figures, and exits 1
 * if a rule was broken. `--help` prints the options.
 *
 * ```text
 * deno run -A tests/cluster/run.ts --nodes 3 --servers 3 --faults all --seconds 300 --seed 1
 * ```
 */

import { createRandom } from "../support/random.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Cluster } from "./cluster.ts";
import { FaultCluster } from "./fault_cluster.ts";
import { explain, type RunResult, runUnderLoad, showViolations } from "./fault_run.ts";
import {
  type FaultName,
  FAULTS,
  type FaultTarget,
  isFaultName,
  missingFor,
  runFault,
} from "./faults.ts";
import type { Load } from "./load.ts";

const HELP = `Usage: deno run -A tests/cluster/run.ts [options]

Starts nodes, sends load, causes faults, and judges every call, every chain and every stream.
Exits 1 if a rule was broken or an answer was unexpected. Partitions, small disks and clocks need
Linux, root and the packages iproute2 and faketime; the run says what the computer does not allow.

  --nodes N        nodes, by default 3
  --servers N      PostgreSQL servers: 3 (by default), 1, or 0 for one node over a data folder
  --store URL      a database that is prepared with "elastik store init", instead of own servers
  --faults LIST    names with commas, or "all"; each happens once, then in random order
  --seconds N      begin faults for so long; by default each happens once
  --kills N        as --faults kill-node, N times (the only fault without own servers)
  --clients N      clients, by default 8
  --pause N        most milliseconds that a client pauses after each call, by default 0
  --route path     all requests of a path go to one node; by default each goes to a random one
  --seed N         repeats the choices of a run
  --explain N      show the calls around the first violations

Faults:
${Object.entries(FAULTS).map(([name, { about }]) => `  ${name.padEnd(19)}${about}`).join("\n")}`;

/** Most versions of each world that are read at the end. */
const TEXTS = 200;

function text(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function option(name: string, fallback: number): number {
  const value = Number(text(name) ?? fallback);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} must be a number`);
  return value;
}

function readFaults(): FaultName[] {
  const given = text("faults");
  if (given === undefined) return Array.from({ length: option("kills", 0) }, () => "kill-node");
  if (given === "all") return Object.keys(FAULTS).filter(isFaultName);
  return given.split(",").map((name) => {
    if (!isFaultName(name)) throw new Error(`--faults: there is no fault ${name}`);
    return name;
  });
}

/** Causes faults until the time is over; returns how often each one happened. */
async function causeFaults(
  faults: readonly FaultName[],
  target: FaultTarget,
): Promise<Map<FaultName, number>> {
  const counts = new Map<FaultName, number>();
  const end = performance.now() + option("seconds", 0) * 1000;
  for (let at = 0; at < faults.length || performance.now() < end; at++) {
    const name = faults[at] ?? faults[Math.floor(target.random() * faults.length)];
    if (name === undefined) {
      await new Promise((resume) => setTimeout(resume, 100));
      continue;
    }
    const missing = missingFor(name, target);
    if (missing !== undefined) {
      if (at < faults.length) console.log(`${name}: left out, ${missing}`);
      if (faults.every((one) => missingFor(one, target) !== undefined)) break;
      continue;
    }
    const [began, before] = [performance.now(), target.load.acknowledged];
    target.load.takeLongestPause();
    await runFault(name, target);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `${name}: ${target.load.acknowledged - before} acknowledged in ${seconds} s, ` +
        `longest pause ${target.load.takeLongestPause()} ms`,
    );
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Kills nodes one after the other, evenly over the time. */
async function killNodes(cluster: Cluster, kills: number): Promise<void> {
  for (let i = 0; i <= kills; i++) {
    const ms = option("seconds", 30) * 1000 / (kills + 1);
    await new Promise((resume) => setTimeout(resume, ms));
    if (i === kills) break;
    const node = cluster.node(i % cluster.nodes.length);
    await node.kill();
    await node.start();
  }
}

function report({ report, violations, history }: RunResult): boolean {
  console.log(report);
  console.log(
    `${report.acknowledged} acknowledged writes, longest pause ${report.longestPauseMs} ms`,
  );
  console.log(showViolations(violations) || "no rule was broken");
  for (const violation of violations.slice(0, option("explain", 0))) {
    console.log(`\n${violation.text}\n${explain(violation, history)}`);
  }
  return violations.length === 0 && report.unexpected.length === 0;
}

async function main(): Promise<boolean> {
  const seed = option("seed", crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
  const store = text("store");
  const size = store === undefined ? option("servers", 3) : 0;
  const count = option("nodes", size === 0 && store === undefined ? 1 : 3);
  const clients = option("clients", 8);
  console.log(`${count} nodes, ${size} servers, ${clients} clients, seed ${seed}`);
  const run = (cluster: Cluster, faults: (load: Load) => Promise<void>) =>
    runUnderLoad({
      seed,
      clients,
      pauseMs: option("pause", 0),
      route: text("route") === "path" ? "path" : "random",
      urls: () => cluster.urls,
      headers: cluster.approval,
      prefix: "home/run/",
      hasDurableLocks: size > 0 || store !== undefined,
      texts: TEXTS,
    }, faults);
  return await withTempFolder(async (folder) => {
    if (size === 0) {
      const shared = store === undefined ? {} : { store };
      const cluster = await Cluster.start({ folder, count, ...shared });
      try {
        return report(await run(cluster, () => killNodes(cluster, option("kills", 3))));
      } finally {
        await cluster.close();
      }
    }
    await using whole = await FaultCluster.start({
      folder,
      nodes: count,
      servers: size === 1 ? 1 : 3,
      isWhole: true,
    });
    for (const missing of whole.missing) console.log(`not possible here: ${missing}`);
    const { cluster, operator, network, hasSmallDisks, setClock } = whole;
    const counts = new Map<FaultName, number>();
    const result = await run(cluster, async (load) => {
      const found = await causeFaults(readFaults(), {
        ...{ cluster, operator, load, hasSmallDisks, random: createRandom(seed) },
        ...(network === undefined ? {} : { network }),
        ...(setClock === undefined ? {} : { setClock }),
      });
      for (const [name, times] of found) counts.set(name, times);
    });
    const total = [...counts.values()].reduce((sum, times) => sum + times, 0);
    console.log(`${total} faults: ${[...counts].map(([name, n]) => `${n} ${name}`).join(", ")}`);
    return report(result);
  });
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) console.log(HELP);
  else Deno.exit(await main() ? 0 : 1);
}
