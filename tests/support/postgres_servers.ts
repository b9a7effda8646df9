/**
 * Real PostgreSQL servers for tests: one server, or a primary `a` with the streaming standbys `b` and `c`,
 * on free ports of loopback, with their data in a temporary folder. PostgreSQL refuses to run as root, so
 * the servers run as user `postgres` then.
 *
 * A shell is the parent of each server. It ends the server when its standard input ends, so no server
 * outlives the tests, not even those of a killed run.
 */

import type { Certificate } from "./certificate.ts";
import { freePort } from "./free_port.ts";
import { onPath } from "../project/program.ts";

/** Name of a server. */
export type ServerName = "a" | "b" | "c";

/** What to start. */
export interface PostgresOptions {
  /** Servers: the primary `a`, then the standbys `b` and `c`; by default 1. */
  readonly servers?: 1 | 2 | 3;
  /**
   * Whether the servers call fsync; by default false, which is quick. Tests of faults need true, as a
   * cluster in production does.
   */
  readonly fsync?: boolean;
  /** `synchronous_standby_names` of `a`; by default `ANY 1 (b,c)`, or nothing without a standby. */
  readonly synchronous?: string;
  /** Further settings of every server, in the syntax of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Certificate and key of the servers, by their paths; without one there is no TLS. */
  readonly tls?: Certificate;
  /** Lines of `pg_hba.conf` that precede those that trust every local connection. */
  readonly access?: readonly string[];
  /** Where each server runs, such as in a namespace of a test network; by default on loopback. */
  readonly hosts?: (name: ServerName) => ServerHost;
  /** The addresses, as in `pg_hba.conf`, of these hosts and of their clients. */
  readonly subnet?: string;
  /** Megabytes of a small disk (tmpfs) for the data of each server; needs root. */
  readonly diskMegabytes?: number;
}

/** Where a server runs. */
export interface ServerHost {
  readonly address: string;
  /** Command that runs another command there. */
  readonly through: readonly string[];
}

/** Most milliseconds for one step: the start of a server, a promotion, a change of a setting. */
const STEP_MS = 180_000;
/** Milliseconds between two looks at the state of a server; some of them start psql. */
const LOOK_MS = 25;
const NAMES: readonly ServerName[] = ["a", "b", "c"];

/** Settings of every server. */
const SETTINGS: Readonly<Record<string, string>> = {
  max_connections: "100",
  shared_buffers: "32MB",
  max_wal_senders: "10",
  max_replication_slots: "10",
  wal_keep_size: "1GB",
  max_wal_size: "4GB",
  hot_standby_feedback: "off",
  wal_retrieve_retry_interval: "100ms",
};
/**
 * A line of the log of a server that does not start. Refused sessions are none, nor is a primary that
 * starts later than its standby.
 */
const START_FAILED =
  /FATAL: {2}(?!the database system is|could not (?:connect|receive|send)|terminating)/;
/** The line on standard input that keeps the data of a server that ends. */
const KEEP = "keep";
/**
 * Runs a server until standard input ends: the program, the data folder. A stopped server continues
 * first, because it would not end. Without the line, the run was killed: the data is removed.
 */
const PARENT = `trap '' HUP INT TERM; "$0" -D "$1" >>"$1.log" 2>&1 & server=$!
read -r line
kill -CONT $server; kill -QUIT $server; wait $server
[ "$line" = ${KEEP} ] || { rm -rf "$1" "$1.log"; rmdir "\${1%/*}"; }`;

/** Mounts a small disk, and removes it when standard input ends: the folder, the options. */
const DISK = `trap '' HUP INT TERM; mount -t tmpfs -o "$1" tmpfs "$0" || exit 1
chown postgres: "$0"; chmod 700 "$0"; echo mounted; cat >/dev/null
umount -l "$0"; rmdir "$0" "\${0%/*}" 2>/dev/null`;

/** The folder of the newest installed PostgreSQL of Debian, or of the one on PATH; undefined without one. */
function findPrograms(): string | undefined {
  try {
    const versions = [...Deno.readDirSync("/usr/lib/postgresql")]
      .map(({ name }) => Number(name)).filter(Number.isFinite).sort((a, b) => b - a);
    for (const version of versions) {
      const folder = `/usr/lib/postgresql/${version}/bin`;
      // Debian installs the client programs of a version without its server, too.
      if (Deno.statSync(`${folder}/psql`).isFile && existsSync(`${folder}/postgres`)) return folder;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (!onPath("postgres") || !onPath("psql")) return undefined;
  return (Deno.env.get("PATH") ?? "").split(":").find((folder) => existsSync(`${folder}/postgres`));
}

function existsSync(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The folder of the programs of PostgreSQL; undefined if it is not installed. */
export const postgresPrograms = Deno.build.os === "linux" ? findPrograms() : undefined;

/** Why the servers cannot run here, for the name of a test; empty if they can. */
export const postgresSkipped = postgresPrograms === undefined
  ? " (skipped: postgresql is not installed)"
  : "";

/** Registers a test that is skipped, with the reason in its name, where PostgreSQL is not installed. */
export function postgresTest(name: string, run: (t: Deno.TestContext) => void | Promise<void>) {
  Deno.test({ name: `${name}${postgresSkipped}`, ignore: postgresSkipped !== "", fn: run });
}

/** Registers a test with servers of its own, which end with it. */
export function serversTest(
  name: string,
  options: PostgresOptions,
  run: (servers: PostgresServers) => void | Promise<void>,
) {
  postgresTest(name, async () => {
    await using servers = await PostgresServers.start(options);
    await run(servers);
  });
}

/**
 * One server without fsync that all tests of a file share. Call it at the top level of the file; it
 * starts before the first test and ends after the last one. Each test creates its own database.
 *
 * @returns the server, for use inside of tests
 */
export function sharedServer(): () => PostgresServers {
  if (postgresPrograms !== undefined) {
    Deno.test.beforeAll(async () => {
      sharers += 1;
      shared ??= PostgresServers.start();
      running = await shared;
    });
    Deno.test.afterAll(async () => {
      sharers -= 1;
      if (sharers > 0 || shared === undefined) return;
      const last = await shared;
      shared = running = undefined;
      await last.wipe();
    });
  }
  return () => {
    if (running === undefined) throw new Error("the shared server runs only during tests");
    return running;
  };
}
let shared: Promise<PostgresServers> | undefined;
let running: PostgresServers | undefined;
let sharers = 0;

/** Servers that run. `await using` stops them and removes their data. */
export class PostgresServers {
  readonly #root: string;
  readonly #bin: string;
  readonly #options: PostgresOptions;
  readonly #ports = new Map<ServerName, number>();
  /** Standard input of the shells: its end stops the server. */
  readonly #parents = new Map<ServerName, Deno.ChildProcess>();
  /** Standard input of the shells that keep the small disks. */
  readonly #disks = new Map<ServerName, Deno.ChildProcess>();
  #databases = 0;

  private constructor(root: string, bin: string, options: PostgresOptions) {
    this.#root = root;
    this.#bin = bin;
    this.#options = options;
  }

  /** Starts servers and waits until they accept connections and, with standbys, until they replicate. */
  static async start(options: PostgresOptions = {}): Promise<PostgresServers> {
    if (postgresPrograms === undefined) throw new Error("postgresql is not installed");
    const root = await createServersFolder();
    const servers = new PostgresServers(root, postgresPrograms, options);
    try {
      await servers.#start();
      return servers;
    } catch (error) {
      await servers.wipe();
      throw error;
    }
  }

  /** Names of the servers, also of those that do not run. */
  get names(): readonly ServerName[] {
    return NAMES.slice(0, this.#options.servers ?? 1);
  }

  /** Port of a server. */
  port(name: ServerName = "a"): number {
    return this.#ports.get(name) ?? 0;
  }

  /**
   * The value of `ELASTIK_STORE` for these servers.
   *
   * @param database name of a database
   * @param query further parameters, `a=b&c=d`
   */
  url(database = "postgres", query = "sslmode=disable", user = "postgres"): string {
    const hosts = this.names.map((name) => `${this.#host(name).address}:${this.port(name)}`)
      .join(",");
    return `postgres://${user}@${hosts}/${database}?${query}`;
  }

  /** Runs SQL with psql on one server, each statement in a transaction of its own. Returns its lines. */
  async sql(text: string, name: ServerName = "a", database = "postgres"): Promise<string[]> {
    const { code, stdout, stderr } = await runWith(text, `${this.#bin}/psql`, {
      args: [
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        this.#host(name).address,
        "-p",
        `${this.port(name)}`,
        "-f-",
      ],
      env: { PGUSER: "postgres", PGDATABASE: database, PGCONNECT_TIMEOUT: "60" },
    });
    if (code !== 0) throw new Error(`psql at ${name}: ${stderr.trim()}`);
    return stdout.trimEnd() === "" ? [] : stdout.trimEnd().split("\n");
  }

  /**
   * Makes a database that {@link createDatabase} can copy, and returns its name.
   *
   * @param prepare fills it: SQL, or a function of the value of `ELASTIK_STORE`
   */
  async prepareTemplate(prepare: string | ((url: string) => Promise<void>)): Promise<string> {
    const name = `template_${++this.#databases}`;
    await this.sql(`CREATE DATABASE ${name}`);
    if (typeof prepare === "string") await this.sql(prepare, "a", name);
    else await prepare(this.url(name));
    return name;
  }

  /**
   * Creates a database and returns its name.
   *
   * @param template the database that it is a copy of; an empty one without it
   */
  async createDatabase(template?: string): Promise<string> {
    const name = `test_${++this.#databases}`;
    const copied = template === undefined ? "" : ` TEMPLATE ${template}`;
    await this.#whenUnused(`CREATE DATABASE ${name}${copied}`);
    return name;
  }

  /** Removes a database, and ends its sessions. */
  async dropDatabase(name: string): Promise<void> {
    await this.#whenUnused(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }

  /** Runs a statement about a database, for whose sessions the server waits for 5 s at most to end. */
  async #whenUnused(statement: string): Promise<void> {
    await until(statement, () =>
      this.sql(statement).then(() => true, (error) => {
        if (/is being accessed by other users/.test(String(error))) return false;
        throw error;
      }));
  }

  /** Sets `synchronous_standby_names`; '' for asynchronous replication. It is in effect afterwards. */
  async sync(setting: string, name: ServerName = "a"): Promise<void> {
    await this.configure({ synchronous_standby_names: setting }, name);
    if (setting !== "") await this.#synchronous(name);
  }

  /** Changes settings that do not need a new start, and waits until every process has them. */
  async configure(settings: Readonly<Record<string, string>>, name: ServerName = "a") {
    const entries = Object.entries(settings);
    await this.sql(
      entries.map(([key, value]) => `ALTER SYSTEM SET ${key} = ${quote(value)};\n`).join("") +
        "SELECT pg_reload_conf()",
      name,
    );
    await until(`the settings of ${name}`, async () => {
      const shown = await this.sql(entries.map(([key]) => `SHOW ${key};\n`).join(""), name);
      return entries.every(([, value], i) => (shown[i] ?? "") === value);
    });
    // The checkpointer tells waiting commits of new standby names. It has the settings when it has made
    // the checkpoint, because the signal of the change came first.
    await this.sql("CHECKPOINT", name);
  }

  /** Ends a server with SIGKILL, as a crash of its computer does, except for what the kernel still writes. */
  async kill(name: ServerName): Promise<void> {
    await killServer(this.#pid(name));
    await this.#end(name);
  }

  /** Suspends a server and all its processes with SIGSTOP; its connections stay open. */
  stop(name: ServerName): void {
    const pid = this.#pid(name);
    signal(pid, "SIGSTOP");
    for (const one of childrenOf(pid)) signal(one, "SIGSTOP");
  }

  /** Continues a server that {@link stop} suspended. */
  cont(name: ServerName): void {
    const pid = this.#pid(name);
    for (const one of [...childrenOf(pid), pid]) signal(one, "SIGCONT");
  }

  /**
   * Suspends the WAL receiver of a standby: no commit is confirmed by it. Waits until there is one, because
   * a standby has none while it connects again.
   */
  async pause(name: ServerName): Promise<void> {
    await until(`the receiver of ${name}`, async () => {
      const receivers = this.#receivers(name);
      for (const pid of receivers) await stopProcess(pid);
      // One that has ended in the meantime was not suspended.
      return receivers.length > 0 && receivers.every(isStopped);
    });
  }

  /** Continues the WAL receiver of a standby. */
  resume(name: ServerName): void {
    for (const pid of this.#receivers(name)) signal(pid, "SIGCONT");
  }

  /**
   * Ends the WAL receiver of a standby with SIGKILL, and so discards what its socket still holds. The
   * standby restarts its other processes; they run again afterwards.
   */
  async drop(name: ServerName): Promise<void> {
    const before = childrenOf(this.#pid(name));
    for (const pid of this.#receivers(name)) signal(pid, "SIGKILL");
    await until(
      `the restart of ${name}`,
      () =>
        childrenOf(this.#pid(name)).every((pid) => !before.includes(pid)) && this.#answers(name),
    );
  }

  /** Bytes of WAL that a standby has received. */
  async received(name: ServerName): Promise<number> {
    const [bytes] = await this.sql(
      "SELECT coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'",
      name,
    );
    return Number(bytes);
  }

  /**
   * Promotes a standby. A paused receiver continues first.
   *
   * @param synchronous its `synchronous_standby_names` from the start; by default it waits for no standby
   */
  async promote(name: ServerName, synchronous = ""): Promise<void> {
    this.resume(name);
    await this.configure({ synchronous_standby_names: synchronous }, name);
    await this.sql(`SELECT pg_promote(true, ${STEP_MS / 1000})`, name);
    await until(`the promotion of ${name}`, async () => {
      const [recovering] = await this.sql("SELECT pg_is_in_recovery()", name);
      return recovering === "f";
    });
  }

  /** Lets a standby follow another primary. */
  async follow(name: ServerName, primary: ServerName): Promise<void> {
    await this.configure({ primary_conninfo: this.#connection(name, primary) }, name);
  }

  /** Lets a standby receive from no server any more; what it has received stays. */
  async detach(name: ServerName): Promise<void> {
    this.resume(name);
    await this.configure({ primary_conninfo: "" }, name);
    await until(`the end of the receiver of ${name}`, () => this.#receivers(name).length === 0);
  }

  /** Makes a new standby of a primary from a server, in whatever state it is: its data is replaced. */
  async rejoin(name: ServerName, primary: ServerName): Promise<void> {
    if (this.#parents.has(name) && existsSync(this.#pidFile(name))) this.cont(name);
    await this.#end(name);
    const folder = this.#folder(name);
    for await (const { name: entry } of Deno.readDir(folder)) {
      await Deno.remove(`${folder}/${entry}`, { recursive: true });
    }
    const { address } = this.#host(primary);
    await runAs(`${this.#bin}/pg_basebackup`, [
      ...["-h", address, "-p", `${this.port(primary)}`, "-U", "postgres"],
      ...["-D", folder, "-c", "fast", "-X", "stream", "--no-sync"],
    ]);
    await Deno.remove(`${folder}/postgresql.auto.conf`);
    await this.#write(name, primary);
    await this.restart(name);
  }

  /** Number of standbys that receive from a server. */
  async standbys(name: ServerName): Promise<number> {
    const [count] = await this.sql(
      "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
      name,
    );
    return Number(count);
  }

  /** Takes all free space of the small disk of a server: every allocation fails from now on. */
  async fillDisk(name: ServerName): Promise<void> {
    await this.#resizeDisk(name, async () => {
      const { stdout } = await runWith("", "df", {
        args: ["-B1", "--output=used", this.#folder(name)],
        cwd: "/",
      });
      return stdout.split("\n")[1]?.trim() ?? "";
    });
  }

  /** Gives the space back. */
  async freeDisk(name: ServerName): Promise<void> {
    await this.#resizeDisk(name, () => `${this.#options.diskMegabytes ?? 0}m`);
  }

  /** Whether the process of a server runs. */
  runs(name: ServerName): boolean {
    return this.#parents.has(name) && existsSync(this.#pidFile(name)) &&
      existsSync(`/proc/${this.#pid(name)}`);
  }

  /** Starts a server again that was killed. */
  async restart(name: ServerName): Promise<void> {
    const before = (await readIfExists(`${this.#root}/${name}.log`)).length;
    await this.#launch(name);
    await this.#ready(name, before);
  }

  /** Stops a server at once; `restart` starts it again. */
  async down(name: ServerName): Promise<void> {
    await this.#end(name);
  }

  /** Stops every server and removes the data. */
  async wipe(): Promise<void> {
    for (const name of this.names) {
      // A suspended process would not end.
      if (this.#parents.has(name) && existsSync(this.#pidFile(name))) this.cont(name);
    }
    await Promise.all(this.names.map((name) => this.#end(name)));
    for (const disk of this.#disks.values()) {
      await disk.stdin.close();
      await disk.status;
    }
    await Deno.remove(this.#root, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.wipe();
  }

  /** The log of a server. */
  async log(name: ServerName = "a"): Promise<string> {
    return await Deno.readTextFile(`${this.#root}/${name}.log`);
  }

  async #start(): Promise<void> {
    const [first = "a", ...standbys] = this.names;
    for (const name of this.names) await this.#createFolder(name);
    await runAs(`${this.#bin}/initdb`, [
      ...["-D", this.#folder(first), "-U", "postgres", "--auth=trust", "-E", "UTF8"],
      ...["--locale=C.UTF-8", "--no-sync", "--no-instructions"],
    ]);
    for (const name of this.names) this.#ports.set(name, freePort());
    // A copy of a server that has not run yet is a base backup.
    for (const name of standbys) {
      await runAs("cp", ["-R", `${this.#folder(first)}/.`, this.#folder(name)]);
    }
    await this.#write(first, undefined);
    for (const name of standbys) await this.#write(name, first);
    await Promise.all(this.names.map((name) => this.restart(name)));
    await this.#replicating(standbys.length);
    if (standbys.length > 0 && this.#synchronousNames() !== "") await this.#synchronous("a");
  }

  async #createFolder(name: ServerName): Promise<void> {
    const folder = this.#folder(name);
    await runAs("mkdir", ["-m", "700", folder]);
    const { diskMegabytes } = this.#options;
    if (diskMegabytes !== undefined) this.#disks.set(name, await mountDisk(folder, diskMegabytes));
  }

  async #resizeDisk(name: ServerName, size: () => Promise<string> | string): Promise<void> {
    const end = performance.now() + STEP_MS;
    for (;;) {
      const words = ["-o", `remount,size=${await size()}`, this.#folder(name)];
      const { code, stderr } = await runWith("", "mount", { args: words, cwd: "/" });
      if (code === 0) return;
      // The kernel refuses a size below what is in use by now.
      if (performance.now() > end) throw new Error(`mount: ${stderr}`);
    }
  }

  #synchronousNames(): string {
    const { synchronous } = this.#options;
    if (synchronous !== undefined) return synchronous;
    const standbys = this.names.slice(1);
    return standbys.length === 0 ? "" : `ANY 1 (${standbys.join(",")})`;
  }

  #connection(name: ServerName, primary: ServerName): string {
    const { address } = this.#host(primary);
    return `host=${address} port=${this.port(primary)} user=postgres application_name=${name}`;
  }

  #host(name: ServerName): ServerHost {
    return this.#options.hosts?.(name) ?? { address: "127.0.0.1", through: [] };
  }

  /** Writes the settings of a server; of a standby with a primary. */
  async #write(name: ServerName, primary: ServerName | undefined): Promise<void> {
    const { fsync = false, settings = {}, access = [], tls, subnet } = this.#options;
    const all: Record<string, string> = {
      ...SETTINGS,
      listen_addresses: quote(this.#host(name).address),
      port: String(this.port(name)),
      unix_socket_directories: "''",
      fsync: fsync ? "on" : "off",
      synchronous_standby_names: quote(primary === undefined ? this.#synchronousNames() : ""),
      ...(primary === undefined
        ? {}
        : { primary_conninfo: quote(this.#connection(name, primary)) }),
      ...(tls === undefined ? {} : { ssl: "on" }),
      ...settings,
    };
    const folder = this.#folder(name);
    if (tls !== undefined) {
      await runAs("cp", [tls.cert, `${folder}/server.crt`], false);
      await runAs("cp", [tls.key, `${folder}/server.key`], false);
      // The server refuses a key that others can read.
      await Deno.chmod(`${folder}/server.key`, 0o600);
      if (Deno.uid() === 0) await runAs("chown", ["postgres:", `${folder}/server.key`], false);
    }
    const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}\n`);
    await Deno.writeTextFile(`${folder}/postgresql.conf`, lines.join(""), { append: true });
    const trustedHosts = subnet === undefined
      ? []
      : [`host all all ${subnet} trust`, `host replication all ${subnet} trust`];
    const trusted = await Deno.readTextFile(`${folder}/pg_hba.conf`);
    await Deno.writeTextFile(
      `${folder}/pg_hba.conf`,
      [...access, ...trustedHosts, "host all all ::1/128 trust", ""].join("\n") + trusted,
    );
    if (primary !== undefined) await runAs("touch", [`${folder}/standby.signal`]);
  }

  #launch(name: ServerName): void {
    const [command = "", ...args] = [
      ...this.#host(name).through,
      ...asPostgres("sh", ["-c", PARENT, `${this.#bin}/postgres`, this.#folder(name)]),
    ];
    const parent = new Deno.Command(command, {
      args,
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#parents.set(name, parent);
  }

  /** @param before length of its log before this start */
  async #ready(name: ServerName, before: number): Promise<void> {
    await until(`the start of ${name}`, async () => {
      // The last line of the file has the state, as pg_ctl reads it.
      if (/^ready\s*$/m.test(await readIfExists(this.#pidFile(name)))) return true;
      const log = (await readIfExists(`${this.#root}/${name}.log`)).slice(before);
      if (START_FAILED.test(log)) throw new Error(log);
      return false;
    });
  }

  async #answers(name: ServerName): Promise<boolean> {
    // It refuses sessions while it restarts.
    return await this.sql("SELECT 1", name).then(() => true, () => false);
  }

  async #synchronous(name: ServerName): Promise<void> {
    await until(`a synchronous standby of ${name}`, async () => {
      const states = await this.sql("SELECT sync_state FROM pg_stat_replication", name);
      return states.some((state) => state === "sync" || state === "quorum");
    });
  }

  async #replicating(standbys: number): Promise<void> {
    await until("the standbys", async () => {
      const states = await this.sql(
        "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'",
      );
      return states.length >= standbys;
    });
  }

  #folder(name: ServerName): string {
    return `${this.#root}/${name}`;
  }

  #pidFile(name: ServerName): string {
    return `${this.#folder(name)}/postmaster.pid`;
  }

  #pid(name: ServerName): number {
    return Number(Deno.readTextFileSync(this.#pidFile(name)).split("\n", 1)[0]);
  }

  #receivers(name: ServerName): number[] {
    return childrenOf(this.#pid(name)).filter((pid) =>
      readProcess(pid, "cmdline").includes("walreceiver")
    );
  }

  async #end(name: ServerName): Promise<void> {
    const parent = this.#parents.get(name);
    if (parent === undefined) return;
    this.#parents.delete(name);
    const writer = parent.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${KEEP}\n`));
    await writer.close();
    await parent.status;
    // A killed server leaves it, and a new process may have the number.
    await runAs("rm", ["-f", this.#pidFile(name)], false);
  }
}

/** Mounts a small disk at a folder; it stays until the standard input of the process ends. */
async function mountDisk(folder: string, megabytes: number): Promise<Deno.ChildProcess> {
  const holder = new Deno.Command("sh", {
    args: ["-c", DISK, folder, `size=${megabytes}m`],
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = holder.stdout.getReader();
  const { done } = await reader.read();
  await reader.cancel();
  if (!done) return holder;
  await holder.stdin.close().catch(() => {}); // it has ended
  await holder.status;
  throw new Error("the computer does not allow to mount a small disk");
}

/** Whether small disks can be mounted here; the reason if they cannot. */
export async function smallDisksSkipped(): Promise<string> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "small disks need Linux and root";
  const folder = await Deno.makeTempDir({ prefix: "elastik-disk-" });
  try {
    const holder = await mountDisk(folder, 1);
    await holder.stdin.close();
    await holder.status;
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    // The shell of a disk removes it when it ends; a disk that was not mounted leaves its folder.
    await Deno.remove(folder).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/**
 * Creates the folder of the servers where their user can reach it: the folder for temporary files can be
 * below one that only root can enter.
 */
export async function createServersFolder(): Promise<string> {
  const prefix = "elastik-postgres-";
  for (const options of [{ prefix }, { prefix, dir: "/tmp" }, { prefix, dir: "/var/tmp" }]) {
    const root = await Deno.realPath(await Deno.makeTempDir(options));
    if (Deno.uid() !== 0) return root;
    await runAs("chown", ["postgres:", root], false);
    const [command = "", ...args] = asPostgres("test", ["-w", root]);
    if ((await runWith("", command, { args, cwd: "/" })).code === 0) return root;
    await Deno.remove(root);
  }
  throw new Error("user postgres can reach no folder for temporary files");
}

/** The command and arguments that run a program as a user that PostgreSQL accepts. */
export function asPostgres(program: string, args: readonly string[]): string[] {
  return Deno.uid() === 0
    ? ["runuser", "-u", "postgres", "--", program, ...args]
    : [program, ...args];
}

async function runAs(program: string, args: readonly string[], asUser = true): Promise<void> {
  const [command = "", ...rest] = asUser ? asPostgres(program, args) : [program, ...args];
  const { code, stderr } = await runWith("", command, { args: rest, cwd: "/" });
  if (code !== 0) throw new Error(`${program}: ${stderr}`);
}

async function runWith(
  input: string,
  program: string,
  options: Deno.CommandOptions,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command(program, {
    ...options,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A program that ends early closes its input; its output says why.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {}); // closed by the end of the program
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function readIfExists(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** A file of /proc about a process; empty if the process has ended. */
function readProcess(pid: number, file: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return ""; // it has ended
  }
}

/** The processes that a process has started itself. */
export function childrenOf(parent: number): number[] {
  try {
    const text = Deno.readTextFileSync(`/proc/${parent}/task/${parent}/children`);
    return text.split(" ").filter((pid) => pid !== "").map(Number);
  } catch (error) {
    // It has ended, or the kernel has no such file.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) =>
    // The name of the program, in brackets, may contain spaces.
    Number.isInteger(pid) &&
    / \S (\d+) /.exec(readProcess(pid, "stat").replace(/^.*\)/s, ")"))?.[1] ===
      String(parent)
  );
}

/**
 * Ends a server and all its processes with SIGKILL, and waits until they have ended: one that the kernel
 * still writes for keeps the shared memory, which a new start of the server refuses.
 */
export async function killServer(pid: number): Promise<void> {
  // A stopped server starts no further process.
  await stopProcess(pid);
  const processes = [...childrenOf(pid), pid];
  for (const one of processes) signal(one, "SIGKILL");
  await until(`the end of server ${pid}`, () => processes.every(hasEnded));
}

/** Suspends a process with SIGSTOP, and waits until it stands still or has ended. */
async function stopProcess(pid: number): Promise<void> {
  signal(pid, "SIGSTOP");
  await until(`the stop of process ${pid}`, () => isStopped(pid) || hasEnded(pid));
}

/** State of a process by /proc, such as R, S or T; empty if there is no such process. */
function stateOf(pid: number): string {
  return / (\S) /.exec(readProcess(pid, "stat").replace(/^.*\)/s, ")"))?.[1] ?? "";
}

function isStopped(pid: number): boolean {
  return stateOf(pid) === "T";
}

/** Whether a process has ended, also if its parent has not noticed yet. */
function hasEnded(pid: number): boolean {
  return ["", "Z", "X"].includes(stateOf(pid));
}

/** Sends a signal to a process that may have ended. */
export function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    // It has ended.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + STEP_MS;
  while (!await isTrue()) {
    if (performance.now() > end) throw new Error(`${what} took more than ${STEP_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
