/**
 * A network of Linux namespaces for tests of partitions: each host of the test has a namespace and an
 * address of its own, and the test process is one more host. A cut between two hosts drops every packet
 * between them without a word, as a broken cable or a firewall does; connections stay open.
 *
 * The namespaces have no names. Each ends with its last process, so nothing is left of a killed run.
 */

/** Where a process runs. */
export interface TestHost {
  /** Address at which the test and the other hosts reach it. */
  readonly address: string;
  /** Command that runs another command there. */
  readonly through: readonly string[];
}

/** The host of a test without a network of its own. */
export const LOOPBACK: TestHost = { address: "127.0.0.1", through: [] };
/** The address of a network card that does not exist: what is sent to it is lost. */
const LOST = "02:00:00:00:00:fe";
/** Tries to find a network that the computer does not use. */
const TRIES = 20;
/** Most milliseconds until a namespace exists. */
const NAMESPACE_MS = 60_000;

interface Place extends TestHost {
  readonly holder: Deno.ChildProcess;
}

/** A network. It must be closed. */
export class TestNetwork {
  /** The network and the length of its prefix. */
  readonly subnet: string;
  readonly #prefix: string;
  readonly #id = random(2 ** 32).toString(36);
  readonly #hub: Deno.ChildProcess;
  readonly #hosts = new Map<string, Place>();

  private constructor(prefix: string, hub: Deno.ChildProcess) {
    this.#prefix = prefix;
    this.subnet = `${prefix}.0/24`;
    this.#hub = hub;
  }

  /**
   * Creates a network of some hosts.
   *
   * @returns why the computer does not allow it, as a text, if it does not
   */
  static async create(names: readonly string[]): Promise<TestNetwork | string> {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
      return "network namespaces need Linux and root";
    }
    let hub: Deno.ChildProcess;
    try {
      hub = await hold();
    } catch (error) {
      return `no network namespace can be made: ${messageOf(error)}`;
    }
    const used = await run(["ip", "-o", "addr"]).catch(() => "");
    const prefix = Array.from({ length: TRIES }, () => `10.213.${random(256)}`)
      .find((one) => !used.includes(`${one}.`)) ?? "10.213.0";
    const network = new TestNetwork(prefix, hub);
    try {
      await run([...enter(hub), "ip", "link", "add", "hub", "type", "bridge"]);
      await run([...enter(hub), "ip", "link", "set", "hub", "up"]);
      await network.#connect(1);
      for (const [at, name] of names.entries()) {
        const holder = await hold();
        network.#hosts.set(name, {
          holder,
          address: `${prefix}.${at + 2}`,
          through: enter(holder),
        });
        await network.#connect(at + 2, holder);
      }
      return network;
    } catch (error) {
      await network.close();
      return `no network of namespaces can be made: ${messageOf(error)}`;
    }
  }

  /** A host by its name. @throws {RangeError} if there is none */
  host(name: string): TestHost {
    return this.#place(name);
  }

  /** Loses every packet between two hosts, in both directions. */
  async cut(one: string, other: string): Promise<void> {
    for (const [from, to] of [[one, other], [other, one]] as const) {
      const lost = ["ip", "neigh", "replace", this.#place(to).address, "lladdr", LOST];
      await run([...this.#place(from).through, ...lost, "dev", "net", "nud", "permanent"]);
    }
  }

  /** Connects two hosts again. What was lost is sent again by TCP. */
  async heal(one: string, other: string): Promise<void> {
    for (const [from, to] of [[one, other], [other, one]] as const) {
      const found = ["ip", "neigh", "del", this.#place(to).address, "dev", "net"];
      await run([...this.#place(from).through, ...found]);
    }
  }

  /** Removes it; processes that still run in it lose it when they end. */
  async close(): Promise<void> {
    for (const holder of [...this.#hosts.values().map((host) => host.holder), this.#hub]) {
      await holder.stdin.close();
      await holder.status;
    }
  }

  #place(name: string): Place {
    const found = this.#hosts.get(name);
    if (found === undefined) throw new RangeError(`There is no host ${name}`);
    return found;
  }

  /** Connects a namespace, or that of the test, with the hub. */
  async #connect(number: number, holder?: Deno.ChildProcess): Promise<void> {
    const place = holder === undefined ? [] : enter(holder);
    // The names of both ends are in the namespace of the test until they are moved.
    const [hubEnd, ownEnd] = [`h${number}-${this.#id}`, `e${number}-${this.#id}`];
    await run(["ip", "link", "add", hubEnd, "type", "veth", "peer", "name", ownEnd]);
    await run(["ip", "link", "set", hubEnd, "netns", `${this.#hub.pid}`]);
    await run([...enter(this.#hub), "ip", "link", "set", hubEnd, "master", "hub", "up"]);
    const device = holder === undefined ? ownEnd : "net";
    if (holder !== undefined) {
      await run(["ip", "link", "set", ownEnd, "netns", `${holder.pid}`]);
      await run([...place, "ip", "link", "set", ownEnd, "name", device]);
      await run([...place, "ip", "link", "set", "lo", "up"]);
    }
    await run([...place, "ip", "addr", "add", `${this.#prefix}.${number}/24`, "dev", device]);
    await run([...place, "ip", "link", "set", device, "up"]);
  }
}

/** Starts a process in a new namespace, which lives as long as its standard input is open. */
async function hold(): Promise<Deno.ChildProcess> {
  const own = Deno.readLinkSync("/proc/self/ns/net");
  const holder = new Deno.Command("unshare", {
    args: ["--net", "cat"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let hasEnded = false;
  const ended = holder.status.then(() => hasEnded = true);
  const end = performance.now() + NAMESPACE_MS;
  while (!hasEnded && performance.now() < end) {
    const found = namespaceOf(holder.pid);
    if (found !== undefined && found !== own) return holder;
    await new Promise((resume) => setTimeout(resume, 1));
  }
  await holder.stdin.close().catch(() => {}); // it has ended
  await ended;
  throw new Error("unshare --net failed");
}

function namespaceOf(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined; // it has ended
  }
}

function enter({ pid }: Deno.ChildProcess): readonly string[] {
  return ["nsenter", "--target", `${pid}`, "--net"];
}

async function run(words: readonly string[]): Promise<string> {
  const [program = "", ...args] = words;
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (code !== 0) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
