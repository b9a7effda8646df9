/**
 * Servers, nodes, network, disks and clocks for faults, as far as the computer allows them.
 */

import {
  PostgresServers,
  type ServerName,
  smallDisksSkipped,
} from "../support/postgres_servers.ts";
import { onPath } from "../project/program.ts";
import { Cluster, initClusterStore, type NodePlace } from "./cluster.ts";
import { nodeHost, serverHost } from "./faults.ts";
import { Operator } from "./operator.ts";
import { LOOPBACK, TestNetwork } from "./test_network.ts";

/** What is started. */
export interface FaultClusterOptions {
  /** Existing folder of the nodes. */
  readonly folder: string;
  /** Number of nodes. */
  readonly nodes: number;
  /** Number of servers; with three, two are synchronous standbys. */
  readonly servers: 1 | 3;
  /** Replaces `synchronous_standby_names`. */
  readonly synchronous?: string;
  /** Whether servers and nodes get hosts of their own in a network, and the servers small disks. */
  readonly isWhole?: boolean;
}

/** Role of the nodes, which owns nothing. */
const ROLE = "nodes";
/** Names of nodes. */
const NODES = "abcdefgh";
/** Megabytes of the disk of a server. */
const DISK_MEGABYTES = 1_024;

/** Servers and nodes that run. `await using` ends them. */
export class FaultCluster {
  readonly cluster: Cluster;
  readonly operator: Operator;
  readonly network: TestNetwork | undefined;
  readonly hasSmallDisks: boolean;
  readonly setClock: ((seconds: number) => void) | undefined;
  /** What the computer does not allow, and why. */
  readonly missing: readonly string[];

  private constructor(
    parts: Pick<
      FaultCluster,
      "cluster" | "operator" | "network" | "hasSmallDisks" | "setClock" | "missing"
    >,
  ) {
    this.cluster = parts.cluster;
    this.operator = parts.operator;
    this.network = parts.network;
    this.hasSmallDisks = parts.hasSmallDisks;
    this.setClock = parts.setClock;
    this.missing = parts.missing;
  }

  /** Starts servers and nodes. */
  static async start(options: FaultClusterOptions): Promise<FaultCluster> {
    const { folder, nodes, servers: size, synchronous, isWhole = false } = options;
    const missing: string[] = [];
    const names = [
      ...["a", "b", "c"].slice(0, size).map(serverHost),
      ...NODES.slice(0, nodes).split("").map((name) => nodeHost({ name })),
    ];
    const network = isWhole ? await TestNetwork.create(names) : undefined;
    if (typeof network === "string") missing.push(network);
    const disks = isWhole ? await smallDisksSkipped() : "none";
    if (isWhole && disks !== "") missing.push(disks);
    const found = network instanceof TestNetwork ? network : undefined;
    const clock = isWhole ? await Clock.create(folder) : undefined;
    if (isWhole && clock === undefined) missing.push("faketime is not installed");
    const close: (() => Promise<void>)[] = found === undefined ? [] : [() => found.close()];
    try {
      const servers = await PostgresServers.start({
        servers: size,
        fsync: true,
        ...(synchronous === undefined ? {} : { synchronous }),
        ...(disks === "" ? { diskMegabytes: DISK_MEGABYTES } : {}),
        ...(found === undefined ? {} : {
          hosts: (name: ServerName) => found.host(serverHost(name)),
          subnet: found.subnet,
        }),
      });
      close.unshift(() => servers.wipe());
      const database = await servers.createDatabase();
      // The last sessions of a server are for superusers, as the operator is.
      await servers.sql(`CREATE ROLE ${ROLE} LOGIN`);
      await initClusterStore(servers.url(database), folder, ROLE);
      const store = servers.url(database, undefined, ROLE);
      const cluster = await Cluster.start({
        folder,
        count: nodes,
        store,
        place: (at) => {
          const name = NODES[at] ?? "";
          const { address, through } = found?.host(nodeHost({ name })) ?? LOOPBACK;
          const isLast = at === nodes - 1;
          const env = { ELASTIK_HOST: address, ...(isLast ? clock?.env : {}) };
          return { through, env } satisfies NodePlace;
        },
      });
      return new FaultCluster({
        cluster,
        operator: new Operator(servers),
        network: found,
        hasSmallDisks: disks === "",
        setClock: clock === undefined ? undefined : (seconds) => clock.set(seconds),
        missing,
      });
    } catch (error) {
      for (const one of close) await one();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.close();
    await this.operator.servers.wipe();
    await this.network?.close();
  }
}

/** The clock of a process, by faketime(1): the wall clock only, as a clock that is set. */
class Clock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  private constructor(file: string, library: string) {
    this.#file = file;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
    this.set(0);
  }

  /** @returns undefined if faketime is not installed */
  static async create(folder: string): Promise<Clock | undefined> {
    if (!onPath("faketime")) return undefined;
    // It sets the path of its library, which differs.
    const { stdout } = await new Deno.Command("faketime", {
      args: ["-m", "-f", "+0", "sh", "-c", 'echo "$LD_PRELOAD"'],
    }).output();
    return new Clock(`${folder}/clock`, new TextDecoder().decode(stdout).trim());
  }

  set(seconds: number): void {
    Deno.writeTextFileSync(this.#file, `${seconds < 0 ? "" : "+"}${seconds}\n`);
  }
}
