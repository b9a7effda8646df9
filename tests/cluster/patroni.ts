/**
 * A real orchestrator: one etcd, and three Patroni with a PostgreSQL server each, on loopback, with
 * synchronous replication in its strict mode. Patroni promotes by itself. Debian's packages patroni,
 * python3-etcd, etcd-server and postgresql are needed. All run as user `postgres` if the tests run as
 * root, with their data in a temporary folder.
 *
 * A shell is the parent of each Patroni and of etcd. It ends them when its standard input ends.
 */

import { onPath } from "../project/program.ts";
import { freePort } from "../support/free_port.ts";
import {
  asPostgres,
  createServersFolder,
  killServer,
  postgresPrograms,
  signal,
} from "../support/postgres_servers.ts";

/** Why Patroni cannot run here, for the name of a test; empty if it can. */
export const patroniSkipped = postgresPrograms === undefined
  ? " (skipped: postgresql is not installed)"
  : ["patroni", "etcd"].every(onPath)
  ? ""
  : " (skipped: patroni or etcd is not installed)";

/**
 * Seconds after which the lock of a leader that does not renew it ends. Patroni recommends at least 20;
 * a shorter time makes a failover quick, and a busy computer can cause more of them.
 */
const TTL_SECONDS = 8;
/** Role of the nodes, which owns nothing. */
export const NODES = "nodes";
/** Most milliseconds for a step: the start, or a failover. */
const STEP_MS = 300_000;
const LOOK_MS = 100;
/** Most milliseconds of one question to a Patroni, which is asked again. */
const ANSWER_MS = 10_000;
/** The line on standard input of a program that runs again later. */
const AGAIN = "again";
/**
 * Runs a program until standard input ends: the folder of all data, the name, the program. Without the
 * line, its server ends, too, and the data is removed.
 */
const PARENT =
  `trap '' HUP INT TERM; root=$1; name=$2; shift 2; "$@" >>"$root/$name.log" 2>&1 & own=$!
read -r line
kill -KILL $own; wait $own
[ "$line" = ${AGAIN} ] || {
  kill -QUIT "$(head -n 1 "$root/data-$name/postmaster.pid")"
  rm -rf "$root"
}`;

/** One Patroni with its server. */
interface Member {
  readonly name: string;
  readonly port: number;
  readonly rest: number;
  /** The shell that is its parent. */
  parent: Deno.ChildProcess | undefined;
}

/** A cluster that Patroni runs. `await using` ends it and removes its data. */
export class PatroniCluster {
  readonly #root: string;
  readonly #bin: string;
  readonly #etcd: number;
  readonly #members: readonly Member[];
  #store: Deno.ChildProcess | undefined;

  private constructor(root: string, bin: string) {
    this.#root = root;
    this.#bin = bin;
    this.#etcd = freePort();
    this.#members = ["p1", "p2", "p3"].map((name) => ({
      name,
      port: freePort(),
      rest: freePort(),
      parent: undefined,
    }));
  }

  /** Starts everything, and waits for a leader with a synchronous standby. */
  static async start(): Promise<PatroniCluster> {
    if (postgresPrograms === undefined) throw new Error("postgresql is not installed");
    const cluster = new PatroniCluster(await createServersFolder(), postgresPrograms);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.wipe();
      throw error;
    }
  }

  /** The value of `ELASTIK_STORE` for its servers, with the role of the owner or of the nodes. */
  url(role: "postgres" | typeof NODES = NODES): string {
    const hosts = this.#members.map(({ port }) => `127.0.0.1:${port}`).join(",");
    return `postgres://${role}@${hosts}/postgres?sslmode=disable`;
  }

  /** The member that has the lock of the leader and accepts writes; undefined if none does now. */
  async leader(): Promise<string | undefined> {
    const states = await Promise.all(this.#members.map((member) => askMember(member, "primary")));
    return this.#members[states.indexOf(true)]?.name;
  }

  /**
   * Waits until a leader, another one than the last if that is given, has a synchronous standby. Only one
   * that etcd names can be promoted: a new leader first accepts the confirmation of any standby.
   *
   * @returns its name
   */
  async untilLeader(last?: string): Promise<string> {
    return await this.#until("a leader with a synchronous standby", async () => {
      const leader = await this.leader();
      if (leader === undefined || leader === last) return undefined;
      return await hasSynchronous(this.#member(leader)) ? leader : undefined;
    });
  }

  /** Waits until all members run, follow the leader, or lead. */
  async untilComplete(): Promise<void> {
    await this.#until("three healthy members", async () => {
      const states = await Promise.all(this.#members.map((member) => askMember(member, "health")));
      return states.every(Boolean) ? true : undefined;
    });
  }

  /**
   * Ends the PostgreSQL server of a member with SIGKILL, unless its Patroni has just ended it, as it does
   * if etcd is slow; its Patroni lives on.
   */
  async killServer(name: string): Promise<void> {
    const pid = this.#pidOfServer(name);
    if (pid !== undefined) await killServer(pid);
  }

  /** Ends a Patroni with SIGKILL; its PostgreSQL server lives on, also as an isolated primary. */
  killAgent(name: string): void {
    const pid = this.#agentPid(name);
    signal(pid, "SIGKILL");
  }

  /** Starts a Patroni again. */
  async startAgent(name: string): Promise<void> {
    const member = this.#member(name);
    await endParent(member.parent, AGAIN);
    member.parent = this.#launch(name, ["patroni", this.#file(`${name}.yml`)]);
  }

  /** Ends everything and removes the data. */
  async wipe(): Promise<void> {
    for (const { parent } of this.#members) await endParent(parent, AGAIN);
    await endParent(this.#store, AGAIN);
    // What a Patroni has started lives on: its server, and a program that copies or rewinds one. They
    // would write to the folder while it is removed.
    await this.#until("the end of the servers", () => {
      const left = this.#processes();
      for (const pid of left) signal(pid, "SIGKILL");
      return Promise.resolve(left.length === 0 ? true : undefined);
    });
    await Deno.remove(this.#root, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.wipe();
  }

  async #start(): Promise<void> {
    const [client, peer] = [this.#etcd, freePort()].map((port) => `http://127.0.0.1:${port}`);
    this.#store = this.#launch("etcd", [
      ...["etcd", "--name", "e", "--data-dir", this.#file("etcd")],
      ...["--listen-client-urls", `${client}`, "--advertise-client-urls", `${client}`],
      ...["--listen-peer-urls", `${peer}`, "--initial-advertise-peer-urls", `${peer}`],
      ...["--initial-cluster", `e=${peer}`, "--unsafe-no-fsync"],
    ]);
    await this.#until("etcd", async () => {
      return await fetch(`${client}/health`).then((answer) => answer.json())
        .then(({ health }) => health === "true" ? true : undefined, () => undefined);
    });
    for (const member of this.#members) {
      const file = this.#file(`${member.name}.yml`);
      await Deno.writeTextFile(file, this.#configuration(member));
      await this.startAgent(member.name);
    }
    const leader = await this.untilLeader();
    await this.untilComplete();
    // The last sessions of a server are for superusers, as Patroni is.
    const { code, stderr } = await new Deno.Command(`${this.#bin}/psql`, {
      args: [
        ...["-XAtq", "-h", "127.0.0.1", "-p", `${this.#member(leader).port}`, "-U", "postgres"],
        ...["-c", `CREATE ROLE ${NODES} LOGIN`],
      ],
      cwd: "/",
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  }

  #configuration({ name, port, rest }: Member): string {
    const user = (role: string) => `${role}: {username: postgres, password: x}`;
    return `scope: elastik
namespace: /db/
name: ${name}
restapi: {listen: "127.0.0.1:${rest}", connect_address: "127.0.0.1:${rest}"}
etcd3: {hosts: ["127.0.0.1:${this.#etcd}"]}
bootstrap:
  dcs:
    ttl: ${TTL_SECONDS}
    loop_wait: 1
    retry_timeout: 3
    master_start_timeout: 0
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters:
        {max_connections: 100, shared_buffers: 32MB, hot_standby_feedback: "off", wal_retrieve_retry_interval: 100ms}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, data-checksums, no-sync]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
postgresql:
  listen: 127.0.0.1:${port}
  connect_address: 127.0.0.1:${port}
  data_dir: ${this.#file(`data-${name}`)}
  bin_dir: ${this.#bin}
  basebackup: {checkpoint: fast}
  basebackup: {checkpoint: fast}
  pgpass: ${this.#file(`pass-${name}`)}
  authentication: {${["superuser", "replication", "rewind"].map(user).join(", ")}}
  parameters: {unix_socket_directories: ""}
`;
  }

  #launch(name: string, words: readonly string[]): Deno.ChildProcess {
    const [command = "", ...args] = asPostgres("sh", [
      ...["-c", PARENT, "sh", this.#root, name],
      ...words,
    ]);
    return new Deno.Command(command, {
      args,
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  #member(name: string): Member {
    const found = this.#members.find((member) => member.name === name);
    if (found === undefined) throw new RangeError(`There is no member ${name}`);
    return found;
  }

  #file(name: string): string {
    return `${this.#root}/${name}`;
  }

  #pidOfServer(name: string): number | undefined {
    try {
      const file = this.#file(`data-${name}/postmaster.pid`);
      return Number(Deno.readTextFileSync(file).split("\n", 1)[0]) || undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** Processes that run in the folder of the data, or were started with a path below it. */
  #processes(): number[] {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) =>
      pid > 0 && commandOf(pid).length > 0 &&
      (workingFolderOf(pid).startsWith(`${this.#root}/`) ||
        commandOf(pid).some((word) => word.includes(`${this.#root}/`)))
    );
  }

  #agentPid(name: string): number {
    const own = this.#file(`${name}.yml`);
    const found = [...Deno.readDirSync("/proc")].map((entry) => Number(entry.name))
      .filter((pid) => Number.isInteger(pid) && pid > 0)
      .find((pid) => {
        const words = commandOf(pid);
        return words.at(-1) === own && !words.includes("-c");
      });
    if (found === undefined) throw new Error(`The Patroni of ${name} does not run`);
    return found;
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const end = performance.now() + STEP_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > end) {
        throw new Error(`${what} took more than ${STEP_MS} ms\n${await this.#logs()}`);
      }
      await new Promise((resume) => setTimeout(resume, LOOK_MS));
    }
  }

  async #logs(): Promise<string> {
    const files = ["etcd", ...this.#members.map(({ name }) => name)];
    const texts = await Promise.all(
      files.map((name) => Deno.readTextFile(this.#file(`${name}.log`)).catch(() => "")),
    );
    return texts.map((text, i) => `${files[i]}: ${text.slice(-4_000)}`).join("\n");
  }
}

/** Whether the REST interface of a Patroni answers a question about its role with yes. */
async function askMember({ rest }: Member, question: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`http://127.0.0.1:${rest}/${question}`, { signal });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false; // it does not run, or it is busy
  }
}

/** Whether etcd names a synchronous standby of a leader. */
async function hasSynchronous({ rest }: Member): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`http://127.0.0.1:${rest}/cluster`, { signal });
    const { members }: { members: { role: string }[] } = await response.json();
    return members.some(({ role }) => role === "sync_standby");
  } catch {
    return false; // it does not run, or it is busy
  }
}

async function endParent(parent: Deno.ChildProcess | undefined, line: string): Promise<void> {
  if (parent === undefined) return;
  const writer = parent.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${line}\n`));
  await writer.close();
  await parent.status;
}

/** Empty if the process has ended, or is one of another user. */
function workingFolderOf(pid: number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

function commandOf(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0").filter((word) => word !== "");
  } catch {
    return []; // it has ended
  }
}
