/**
 * Nodes of the real program (`main.ts`) for tests: any number over one PostgreSQL database, or one over
 * a data folder. A test can kill a node, stop it, let it continue and start it again. The test must
 * close the cluster; the test runner reports a process that is left.
 */

import { inherited, ServerProcess } from "../faults/server_process.ts";

/** How a cluster is started. */
export interface ClusterOptions {
  /** Existing folder for data folders and as the working folder of the nodes. */
  readonly folder: string;
  /** Number of nodes, by default 1. */
  readonly count?: number;
  /** `ELASTIK_STORE`: the URL of the database. Without it, one node has a data folder. */
  readonly store?: string;
  /** Further settings of every node. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where and how a node runs, by its index; by default on loopback. */
  readonly place?: (index: number) => NodePlace;
}

/** Where and how one node runs. */
export interface NodePlace {
  /** Command that runs the node, such as one that enters a namespace. */
  readonly through?: readonly string[];
  /** Further environment of this node. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The secrets of every cluster. */
const SECRETS = {
  ELASTIK_KEY: "k3y-5ecret-of-the-test-cluster",
  ELASTIK_TOKEN: "t2-5ecret-of-the-test-cluster",
  ELASTIK_APPROVE_TOKEN: "t3-5ecret-of-the-test-cluster",
} as const;
/** The checks at the end read every version of every world. */
const SETTINGS = { ELASTIK_HISTORY: "1000000:1000000000" } as const;
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** Most milliseconds until a node is healthy. */
const HEALTHY_MS = 300_000;
/** Milliseconds between two looks at a node. */
const LOOK_MS = 50;

/** One node. */
export class ClusterNode {
  readonly name: string;
  readonly #start: () => Promise<ServerProcess>;
  #process: ServerProcess | undefined;
  #isWithdrawn = false;

  /** @param start starts its process */
  constructor(name: string, start: () => Promise<ServerProcess>) {
    this.name = name;
    this.#start = start;
  }

  /** Its address; undefined while it does not run. A new start has another address. */
  get url(): string | undefined {
    return this.#process?.url;
  }

  /** Whether clients get its address. */
  get isOffered(): boolean {
    return this.url !== undefined && !this.#isWithdrawn;
  }

  /** Gives its address to no client any more, as a load balancer does that finds it not healthy. */
  withdraw(): void {
    this.#isWithdrawn = true;
  }

  /** Gives its address to clients again. */
  offer(): void {
    this.#isWithdrawn = false;
  }

  /** Starts it, and waits until it is healthy. */
  async start(): Promise<void> {
    this.#process = await this.#start();
    await this.untilHealthy();
  }

  /** Waits until `/proc/health` answers 200, or another status. */
  async untilHealthy(status = 200): Promise<void> {
    const end = performance.now() + HEALTHY_MS;
    for (let last = "not running";;) {
      try {
        const found = await this.#process?.ask("/proc/health");
        if (found?.status === status) return;
        last = found?.text ?? last;
      } catch (error) {
        last = String(error);
      }
      if (performance.now() > end) {
        throw new Error(`Node ${this.name} does not answer ${status}: ${last}`);
      }
      await new Promise((resume) => setTimeout(resume, LOOK_MS));
    }
  }

  /** Ends it with a signal, by default SIGKILL; waits for the end. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.end(signal);
  }

  /** Stops it with SIGSTOP; its connections stay open. */
  stop(): void {
    if (this.#process !== undefined) Deno.kill(this.#process.pid, "SIGSTOP");
  }

  /** Lets it continue. */
  cont(): void {
    if (this.#process !== undefined) Deno.kill(this.#process.pid, "SIGCONT");
  }
}

/**
 * Prepares a database for the nodes of a cluster, as an operator does: `elastik store init`.
 *
 * @param store value of `ELASTIK_STORE`
 * @param folder working folder of the command
 * @param role the role of the nodes, if it is another one
 * @throws {Error} with its standard error if it fails
 */
export async function initClusterStore(
  store: string,
  folder: string,
  role?: string,
): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", MAIN, "store", "init"],
      ...(role === undefined ? [] : ["--role", role]),
    ],
    clearEnv: true,
    env: { ...inherited(), ...SECRETS, ELASTIK_STORE: store },
    cwd: folder,
  }).output();
  if (code !== 0) throw new Error(`store init: ${new TextDecoder().decode(stderr)}`);
}

/** Nodes that serve the same worlds. */
export class Cluster {
  readonly nodes: readonly ClusterNode[];

  private constructor(nodes: readonly ClusterNode[]) {
    this.nodes = nodes;
  }

  /**
   * Starts the nodes `a`, `b`, … and waits until they are healthy.
   *
   * @throws {RangeError} if there are several nodes without a database
   * @throws {Error} with the standard error of a node that does not start
   */
  static async start(
    { folder, count = 1, store, env = {}, place }: ClusterOptions,
  ): Promise<Cluster> {
    if (store === undefined && count !== 1) {
      throw new RangeError(`${count} nodes need a database; one data folder has one node`);
    }
    const nodes = Array.from({ length: count }, (_, i) => {
      const name = String.fromCharCode("a".charCodeAt(0) + i);
      const shared = store === undefined ? {} : { ELASTIK_STORE: store, ELASTIK_NODE: name };
      const { through = [], env: own = {} } = place?.(i) ?? {};
      const settings = { ...SETTINGS, ...SECRETS, ...shared, ...env, ...own };
      const options = { data: `${folder}/node-${name}`, env: settings, through };
      return new ClusterNode(name, () => ServerProcess.start(options));
    });
    const cluster = new Cluster(nodes);
    try {
      await Promise.all(nodes.map((node) => node.start()));
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** A node by its index. */
  node(index: number): ClusterNode {
    const found = this.nodes[index];
    if (found === undefined) throw new RangeError(`There is no node ${index}`);
    return found;
  }

  /** Addresses of the nodes by their index; undefined for one that does not run or is withdrawn. */
  get urls(): readonly (string | undefined)[] {
    return this.nodes.map((node) => node.isOffered ? node.url : undefined);
  }

  /** The address of a random node that runs. */
  randomUrl(random: () => number = Math.random): string {
    const urls = this.urls.filter((url) => url !== undefined);
    const url = urls[Math.floor(random() * urls.length)];
    if (url === undefined) throw new Error("No node of the cluster runs");
    return url;
  }

  /** Headers of a caller that can do everything. */
  get approval(): Record<string, string> {
    return { authorization: `Bearer ${SECRETS.ELASTIK_APPROVE_TOKEN}` };
  }

  /** Ends all nodes, also stopped ones. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }
}
