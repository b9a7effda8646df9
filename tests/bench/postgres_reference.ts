/**
 * The limits of PostgreSQL for the benchmarks: `pgbench` (Debian's package postgresql-contrib or
 * postgresql-15) with scripts that do what a request needs at least, and the processor time of servers.
 */

import type { PostgresServers } from "../support/postgres_servers.ts";

/** What `pgbench` repeats. */
export type RawKind = "write" | "read";

/** Result of one run of `pgbench`. */
export interface RawResult {
  /** Transactions of `write`, or reads of `read`, a second. */
  readonly perSecond: number;
  /** How many there were. */
  readonly count: number;
}

const DATABASE = "raw";
const TABLES = `
CREATE TABLE raw_world (id int PRIMARY KEY, version bigint, body text) WITH (fillfactor = 50);
CREATE TABLE raw_event (id bigserial PRIMARY KEY, world int, payload text);
CREATE TABLE raw_long (id bigserial PRIMARY KEY, body bytea);
ALTER TABLE raw_long ALTER COLUMN body SET STORAGE EXTERNAL;
INSERT INTO raw_world SELECT g, 1, repeat('x', 200) FROM generate_series(1, 50) g;
`;
const SCRIPTS: Readonly<Record<RawKind, string>> = {
  // The least that a PUT of 200 bytes needs: the world and its event in one transaction.
  write: `\\set k random(1, 50)
BEGIN;
UPDATE raw_world SET version = version + 1, body = repeat('x', 200) WHERE id = :k;
INSERT INTO raw_event (world, payload) VALUES (:k, repeat('x', 200));
COMMIT;
`,
  // The least that a linearizable read needs: a replicated commit, then the row.
  read: `\\set k random(1, 50)
SELECT pg_logical_emit_message(true, 'raw', '');
SELECT body FROM raw_world WHERE id = :k;
`,
};

/** `pgbench` against one group of servers. */
export class PostgresReference {
  readonly #servers: PostgresServers;

  private constructor(servers: PostgresServers) {
    this.#servers = servers;
  }

  /** Creates the tables of the scripts in a database of their own. */
  static async create(servers: PostgresServers): Promise<PostgresReference> {
    await servers.sql(`CREATE DATABASE ${DATABASE}`);
    await servers.sql(TABLES, "a", DATABASE);
    return new PostgresReference(servers);
  }

  /** The value of `ELASTIK_STORE` for the database with the tables. */
  get url(): string {
    return this.#servers.url(DATABASE);
  }

  /**
   * Runs a script with 32 clients.
   *
   * @param seconds how long
   * @throws {Error} if `pgbench` is not installed or fails
   */
  async run(kind: RawKind, seconds: number): Promise<RawResult> {
    const file = await Deno.makeTempFile({ suffix: ".sql" });
    try {
      await Deno.writeTextFile(file, SCRIPTS[kind]);
      const { stdout, stderr, success } = await new Deno.Command("pgbench", {
        args: [
          ...["-h", "127.0.0.1", "-p", String(this.#servers.port()), "-U", "postgres"],
          ...["-n", "-M", "prepared", "-c", "32", "-j", "1", "-T", String(seconds), "-f", file],
          DATABASE,
        ],
      }).output();
      const text = new TextDecoder().decode(stdout);
      if (!success) throw new Error(`pgbench failed: ${new TextDecoder().decode(stderr)}`);
      const perSecond = Number(/^tps = ([\d.]+)/m.exec(text)?.[1]);
      const count = Number(/actually processed: (\d+)/.exec(text)?.[1]);
      return { perSecond, count };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new Error(
          "Cannot measure: pgbench is missing; install the Debian package postgresql",
        );
      }
      throw error;
    } finally {
      await Deno.remove(file);
    }
  }
}

/** Reads the processor time of the servers of a group. */
export class PostgresCpu {
  readonly #pids: readonly number[];

  private constructor(pids: readonly number[]) {
    this.#pids = pids;
  }

  static async of(servers: PostgresServers): Promise<PostgresCpu> {
    const pids = await Promise.all(servers.names.map(async (name) => {
      const [folder = ""] = await servers.sql("SHOW data_directory", name);
      return Number((await Deno.readTextFile(`${folder}/postmaster.pid`)).split("\n", 1)[0]);
    }));
    return new PostgresCpu(pids);
  }

  /** Seconds of processor time used so far by all processes of all servers. */
  seconds(): number {
    const parents = new Set(this.#pids);
    let ticks = 0;
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const [, parent, ...times] = readStat(name);
      const isServer = parents.has(Number(name));
      if (!isServer && !parents.has(Number(parent))) continue;
      // A server counts its processes that have ended.
      const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = times.slice(9).map(Number);
      ticks += user + system + (isServer ? endedUser + endedSystem : 0);
    }
    return ticks / 100;
  }
}

/** The fields of a process from its state on; none if it has ended. */
function readStat(pid: string): string[] {
  try {
    // The name of the program, in brackets, can contain spaces.
    return Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  } catch {
    return []; // it has ended
  }
}
