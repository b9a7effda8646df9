/**
 * A long run by hand: `deno run -A tests/cluster/run.ts --seconds 60 --kills 10 --seed 1`. Starts nodes,
 * kills them one after the other under load, prints the figures, and exits 1 if a rule was broken.
 *
 * `--nodes 3 --servers 1` starts PostgreSQL servers, one or three, and nodes over them; `--store` names a
 * database that exists. Without both, one node has a data folder. `--route path` sends all requests of a
 * path to one node. `--explain 3` shows the calls around the first violations.
 */

import { withTempFolder } from "../support/temp_folder.ts";
import { PostgresServers } from "../support/postgres_servers.ts";
import { Cluster, initClusterStore } from "./cluster.ts";
import { explain, runUnderLoad, showViolations } from "./fault_run.ts";

function text(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function option(name: string, fallback: number): number {
  const value = Number(text(name) ?? fallback);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} must be a number`);
  return value;
}

if (import.meta.main) {
  const seed = option("seed", crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
  const [seconds, kills] = [option("seconds", 30), option("kills", 3)];
  const [count, clients] = [option("nodes", 1), option("clients", 8)];
  const route = text("route") === "path" ? "path" : "random";
  console.log(`${count} nodes, ${clients} clients, ${seconds} s, ${kills} kills, seed ${seed}`);
  const size = option("servers", 0);
  const servers = size === 0
    ? undefined
    : await PostgresServers.start({ servers: size === 3 ? 3 : 1, fsync: true });
  const isRight = await withTempFolder(async (folder) => {
    const store = servers === undefined
      ? text("store")
      : servers.url(await servers.createDatabase());
    if (servers !== undefined && store !== undefined) await initClusterStore(store, folder);
    const cluster = await Cluster.start({
      folder,
      count,
      ...(store === undefined ? {} : { store }),
    });
    try {
      const { report, violations, history } = await runUnderLoad(
        {
          seed,
          clients,
          route,
          urls: () => cluster.urls,
          headers: cluster.approval,
          prefix: "home/run/",
          hasDurableLocks: store !== undefined,
        },
        async () => {
          for (let i = 0; i <= kills; i++) {
            await new Promise((resume) => setTimeout(resume, seconds * 1000 / (kills + 1)));
            if (i === kills) break;
            await cluster.node(i % count).kill();
            await cluster.node(i % count).start();
          }
        },
      );
      console.log(report);
      console.log(showViolations(violations) || "no rule was broken");
      for (const violation of violations.slice(0, option("explain", 0))) {
        console.log(`\n${violation.text}\n${explain(violation, history)}`);
      }
      return violations.length === 0 && report.unexpected.length === 0;
    } finally {
      await cluster.close();
    }
  }).finally(() => servers?.wipe());
  Deno.exit(isRight ? 0 : 1);
}
