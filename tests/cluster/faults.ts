/**
 * The faults of a run, each by its name. A fault waits for what it causes, such as a node that is not
 * healthy any more, and ends when everything runs again and writes are acknowledged.
 */

import { LEASE_MS } from "../../lib/cluster_limits.ts";
import type { Cluster, ClusterNode } from "./cluster.ts";
import type { Load } from "./load.ts";
import type { Operator } from "./operator.ts";
import type { TestNetwork } from "./test_network.ts";

/** What faults happen to. */
export interface FaultTarget {
  readonly cluster: Cluster;
  readonly operator: Operator;
  readonly load: Load;
  readonly random: () => number;
  /** The network of the servers and the nodes; undefined where the computer does not allow it. */
  readonly network?: TestNetwork;
  /** Whether the servers have small disks. */
  readonly hasSmallDisks?: boolean;
  /** Sets the clock of the last node this many seconds forward or back. */
  readonly setClock?: (seconds: number) => void;
  /** Acknowledged writes that a fault waits for before it is healed, and afterwards; by default 100. */
  readonly writes?: number;
}

/** A fault. */
interface Fault {
  /** What happens, for the help of the command. */
  readonly about: string;
  /** What it needs that a computer may not have. */
  readonly needs?: "network" | "disks" | "clock";
  run(target: FaultTarget): Promise<void>;
}

/** Milliseconds after which a load balancer finds that a node hangs. */
const NOTICED_MS = 200;
/** Milliseconds for which a node is stopped: longer than its lease. */
const STOPPED_MS = LEASE_MS + 500;
/** Sessions that are ended by one fault. */
const TERMINATED = 8;
/** Seconds by which a clock is wrong. */
const CLOCK_SECONDS = 3_600;
/** Begins the next file of the WAL, which must have something new for that. */
const NEXT_WAL = `SET synchronous_commit = local;
SELECT pg_logical_emit_message(false, 'elastik', repeat('x', 100000));
SELECT pg_switch_wal()`;
/** Most milliseconds until a full disk is noticed. */
const FULL_MS = 300_000;
const LOOK_MS = 50;

/** All faults. */
export const FAULTS = {
  "kill-node": {
    about: "kill -9 of a node; it starts again",
    async run({ cluster, load, random, writes }) {
      const node = pick(cluster.nodes, random);
      await node.kill();
      await load.untilAcknowledged(writes ?? WRITES);
      await node.start();
    },
  },
  "stop-node": {
    about: "SIGSTOP of a node for longer than its lease",
    async run({ cluster, random }) {
      const node = pick(cluster.nodes, random);
      node.stop();
      await delay(NOTICED_MS);
      node.withdraw();
      await delay(STOPPED_MS);
      node.cont();
      node.offer();
    },
  },
  "kill-primary": {
    about: "kill -9 of the primary; the standby with most WAL is promoted",
    async run({ operator, load, writes }) {
      await operator.servers.kill(operator.primary);
      const lost = await operator.failOver();
      await load.untilAcknowledged(writes ?? WRITES);
      await operator.rejoin(lost);
    },
  },
  "stop-primary": {
    about: "SIGSTOP of the primary and promotion; the old one continues as an isolated primary",
    async run({ operator, load, writes }) {
      const { servers } = operator;
      servers.stop(operator.primary);
      const lost = await operator.failOver();
      await load.untilAcknowledged(writes ?? WRITES);
      servers.cont(lost);
      await load.untilAcknowledged(writes ?? WRITES);
      await operator.rejoin(lost);
    },
  },
  "pause-standbys": {
    about: "no standby confirms a commit, until no node is healthy",
    async run({ cluster, operator }) {
      for (const name of operator.standbys) await operator.servers.pause(name);
      await Promise.all(cluster.nodes.map((node) => node.untilHealthy(503)));
      for (const name of operator.standbys) operator.servers.resume(name);
    },
  },
  "terminate-backends": {
    about: "random sessions of the nodes are terminated, or their statement is cancelled",
    async run({ operator, load, random }) {
      for (let i = 0; i < TERMINATED; i++) {
        const end = random() < 0.7 ? "pg_terminate_backend" : "pg_cancel_backend";
        await operator.servers.sql(
          `SELECT ${end}(pid) FROM pg_stat_activity WHERE application_name LIKE 'elastik/%'
           AND (state <> 'idle' OR ${random()} < 0.3) ORDER BY random() LIMIT 2`,
          operator.primary,
        );
        await load.untilAcknowledged(5);
      }
    },
  },
  "partition-node": {
    about: "no packet passes between a node and the servers, until the node is not healthy",
    needs: "network",
    async run({ cluster, operator, network, load, random, writes }) {
      if (network === undefined) return;
      const node = pick(cluster.nodes, random);
      const { names } = operator.servers;
      for (const name of names) await network.cut(nodeHost(node), serverHost(name));
      await node.untilHealthy(503);
      node.withdraw();
      await load.untilAcknowledged(writes ?? WRITES);
      for (const name of names) await network.heal(nodeHost(node), serverHost(name));
      node.offer();
    },
  },
  "partition-primary": {
    about: "the primary reaches no standby and one node only; another server is promoted",
    needs: "network",
    async run({ cluster, operator, network, load, random, writes }) {
      if (network === undefined) return;
      const { primary, standbys } = operator;
      const near = pick(cluster.nodes, random);
      const far = [
        ...standbys.map(serverHost),
        ...cluster.nodes.filter((node) => node !== near).map(nodeHost),
      ];
      for (const host of far) await network.cut(serverHost(primary), host);
      const lost = await operator.failOver();
      await load.untilAcknowledged(writes ?? WRITES);
      for (const host of far) await network.heal(serverHost(lost), host);
      await load.untilAcknowledged(writes ?? WRITES);
      await operator.rejoin(lost);
    },
  },
  "clock": {
    about: "the clock of a node jumps an hour forward, then an hour back, then is right again",
    needs: "clock",
    async run({ setClock, load, writes }) {
      for (const seconds of [CLOCK_SECONDS, -CLOCK_SECONDS, 0]) {
        setClock?.(seconds);
        await load.untilAcknowledged(writes ?? WRITES);
      }
    },
  },
  "full-disk": {
    about:
      "the disk of the primary is full until writes are refused; then its WAL cannot grow either",
    needs: "disks",
    async run({ operator, load, writes }) {
      const { servers, primary } = operator;
      const fill = async () => {
        // The first session after a start writes a file. Without it, all sessions would be refused.
        await servers.sql("SELECT 1", primary);
        await servers.fillDisk(primary);
      };
      await fill();
      const before = load.full;
      await until("a write that is refused with 507", () => load.full > before);
      await servers.freeDisk(primary);
      await load.untilAcknowledged(writes ?? WRITES);
      await fill();
      // The server crashes when it cannot create the next file of its WAL.
      const { length } = await servers.log(primary);
      await until("the crash of the server", async () => {
        await servers.sql(NEXT_WAL, primary).catch(() => {}); // it crashes, or it has crashed
        if ((await servers.log(primary)).slice(length).includes("PANIC")) return true;
        await servers.freeDisk(primary);
        await fill().catch(() => {}); // it has just crashed
        return false;
      });
      await servers.freeDisk(primary);
      await servers.down(primary);
      await servers.restart(primary);
    },
  },
} as const satisfies Record<string, Fault>;

/** Name of a fault. */
export type FaultName = keyof typeof FAULTS;

/** Acknowledged writes that a fault waits for. */
const WRITES = 100;

/** Whether a text names a fault. */
export function isFaultName(text: string): text is FaultName {
  return Object.hasOwn(FAULTS, text);
}

/** Why a fault cannot happen to a target; undefined if it can. */
export function missingFor(name: FaultName, target: FaultTarget): string | undefined {
  const fault: Fault = FAULTS[name];
  if (fault.needs === "network" && target.network === undefined) {
    return "the computer allows no network namespaces";
  }
  if (fault.needs === "disks" && target.hasSmallDisks !== true) {
    return "the computer allows no small disk to be mounted";
  }
  if (fault.needs === "clock" && target.setClock === undefined) return "faketime is not installed";
  return undefined;
}

/** Lets a fault happen, and waits until all nodes are healthy and writes are acknowledged. */
export async function runFault(name: FaultName, target: FaultTarget): Promise<void> {
  await FAULTS[name].run(target);
  await Promise.all(target.cluster.nodes.map((node) => node.untilHealthy()));
  await target.load.untilAcknowledged(target.writes ?? WRITES);
}

/** Host of a node in a test network. */
export function nodeHost({ name }: Pick<ClusterNode, "name">): string {
  return `node-${name}`;
}

/** Host of a server in a test network. */
export function serverHost(name: string): string {
  return `server-${name}`;
}

function pick<T>(values: readonly T[], random: () => number): T {
  const found = values[Math.floor(random() * values.length)];
  if (found === undefined) throw new RangeError("there is nothing to pick");
  return found;
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + FULL_MS;
  while (!await isTrue()) {
    if (performance.now() > end) throw new Error(`${what} took more than ${FULL_MS} ms`);
    await delay(LOOK_MS);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}
