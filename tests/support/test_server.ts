/**
 * A server in this process for a test, with its own folder and a free port. Its secrets have texts that
 * occur nowhere else: a response or a log line that contains one fails the test. After the test the
 * folder is removed.
 */

import { assert, assertEquals } from "./assert.ts";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { mint } from "../../lib/auth/capability.ts";
import type { CapabilityMode } from "../../lib/auth/caller.ts";
import { readConfig } from "../../lib/config.ts";
import type { SettingName } from "../../lib/settings.ts";
import {
  type RunningServer,
  startServer,
  type StartServerOptions,
} from "../../lib/server/start.ts";
import { startServerProcess, TEST_PROGRAM } from "./server_process.ts";
import { type Reply, Wire, type WireRequest } from "./wire.ts";
import { createRandom } from "./random.ts";
import { RandomProxy } from "./random_proxy.ts";
import { STORE_WORKER } from "./store_worker.ts";
import { startTestCluster, TEST_CLUSTER, type TestCluster } from "./test_cluster.ts";

/** The secrets of every test server. No response and no log line may contain one. */
export const TOKEN = "t2-5ecret-0f-the-test-server";
export const APPROVE = "t3-5ecret-0f-the-test-server";
export const KEY = "k3y-5ecret-0f-the-test-server";

/** A test gives up waiting for the worlds below /boot after this time, in milliseconds. It limits no speed. */
const BOOT_WAIT_MS = 60_000;

/** Chooses the server of each request. Its seed is in TEST_SEED, which the run of a cluster prints. */
const random = createRandom(Number(Deno.env.get("TEST_SEED") ?? 1));
const MAIN = import.meta.resolve("../../main.ts");
/**
 * How long requests wait for the plugins of a server that has just started, in milliseconds. A computer that
 * is slow or busy needs longer than they wait by default, and then the request gets 503.
 */
const START_WAIT_MS = 60_000;

/** A small lower layer: the shell's page, a note, and a program. */
export const LOWER_TEXTS: Readonly<Record<string, string>> = {
  "usr/lib/shell/index.html": "<!doctype html><title>the shell</title>",
  "usr/lib/shell/app.js": "export {};",
  "usr/share/doc/note.md": "# A note\n",
  "usr/bin/boot.ts": "console.log('boot');\n",
};

/** Options of a test server. */
export interface TestServerOptions {
  /** Settings in addition to the port and the folder. {@link OPEN} applies unless they override it. */
  readonly env?: { readonly [S in SettingName]?: string | undefined };
  /** Texts of the lower layer; by default {@link LOWER_TEXTS}. */
  readonly lowerTexts?: Readonly<Record<string, string>>;
  /** Receives what the server writes to its access log. */
  readonly write?: (bytes: Uint8Array) => Promise<number>;
  /** Replaces the clock of the schedules of plugins, and the pause after a failed call. */
  readonly pluginEvents?: StartServerOptions["pluginEvents"];
  /** A data folder, which is kept. By default a temporary one, which is removed. */
  readonly data?: string;
  /** Why a cluster gets all requests at one of its servers; by default each goes to a random one. */
  readonly atOneNode?: string;
}

/** Settings of a server with tokens. */
export const CLOSED: Partial<Record<SettingName, string>> = {
  ELASTIK_TOKEN: TOKEN,
  ELASTIK_APPROVE_TOKEN: APPROVE,
  ELASTIK_KEY: KEY,
};
/** Settings of a server without a T2 token, where loopback callers have T2. */
export const OPEN: Partial<Record<SettingName, string>> = {
  ELASTIK_APPROVE_TOKEN: APPROVE,
  ELASTIK_KEY: KEY,
};

/** As many writers as a server has unless it is configured, for tests of changes of several worlds at once. */
export const TWO_WRITERS: Partial<Record<SettingName, string>> = { ELASTIK_WRITERS: "2" };

/** `Authorization` with a bearer token. */
export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** `Authorization` with a user and a password (RFC 7617, UTF-8). */
export function basic(user: string, password: string): Record<string, string> {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return { authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** A test is about something that the servers of a cluster do not have. The message is the reason. */
class NotInCluster extends Error {
  override readonly name = "NotInCluster";
}

/** Whether the test servers are clusters. */
const isCluster = Deno.env.has(TEST_CLUSTER);

/**
 * Leaves a test of {@link withServer} or a case of {@link suite} that cannot hold for a cluster.
 *
 * @param reason why, for the output
 */
export function requireOneServer(reason: string): void {
  if (isCluster) throw new NotInCluster(reason);
}

/**
 * Defines a test that cannot hold for a cluster, where it is skipped.
 *
 * @param reason why, for the output
 */
export function oneServerTest(
  title: string,
  reason: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  const name = isCluster ? `${title} (skipped in a cluster: ${reason})` : title;
  Deno.test({ name, ignore: isCluster, fn });
}

/** Runs a test or a step, and leaves it if it cannot hold for a cluster; see {@link requireOneServer}. */
export async function skipInCluster(title: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof NotInCluster)) throw error;
    console.log(`skipped in a cluster: ${title}: ${error.message}`);
  }
}

/** A running server. */
export class TestServer {
  readonly port: number;
  /** The token of T3. */
  readonly approveToken: string;
  /** Whether this start generated that token. */
  readonly hasNewToken: boolean;
  /** All lines that the server wrote for its operator. */
  readonly log: string[];
  /** Texts that no response and no log line may contain; tests add the secrets that they create. */
  readonly secrets: Set<string>;
  /** Head and body of every response that {@link send} received. */
  readonly answers: string[] = [];
  readonly #running: Pick<RunningServer, "url" | "close">;
  readonly #data: string;
  readonly #wires: readonly Wire[];
  #proxy: RandomProxy | undefined;
  readonly #cluster: TestCluster | undefined;
  /** The folder to remove at the end. */
  readonly #tempFolder: string | undefined;

  constructor(
    running: Pick<RunningServer, "url" | "newApproveToken" | "close">,
    approveToken: string,
    data: string,
    tempFolder: string | undefined,
    log: string[],
    cluster?: TestCluster,
    isPinned = false,
  ) {
    this.#running = running;
    this.#cluster = cluster;
    this.#tempFolder = tempFolder;
    this.#data = data;
    this.log = log;
    this.port = Number(new URL(running.url).port);
    this.hasNewToken = running.newApproveToken !== undefined;
    this.approveToken = approveToken;
    this.secrets = new Set([TOKEN, APPROVE, KEY, approveToken]);
    this.#wires = (isPinned ? [running] : cluster?.nodes ?? [running]).map(({ url }) =>
      new Wire(Number(new URL(url).port), this.port)
    );
  }

  /**
   * Sends one request. Fails if the response contains a secret.
   *
   * @param reveals the caller may know a secret that the response contains
   */
  async send(request: WireRequest, reveals = false): Promise<Reply> {
    const reply = await this.#anyWire().send(request);
    if (!reveals) {
      this.assertNoSecret(`${reply.head}\n${reply.text}`, `${request.method} ${request.target}`);
    }
    return reply;
  }

  /** The data folder. A test that uses it is left in a cluster. */
  get data(): string {
    requireOneServer("it is about files of the data folder");
    return this.#data;
  }

  /** Whether it is a cluster. */
  get isCluster(): boolean {
    return this.#cluster !== undefined;
  }

  /** The folders of the worlds that the servers write at their start. */
  get bootFolders(): readonly [string, ...string[]] {
    return this.#cluster === undefined ? ["/boot"] : ["/boot/n0", "/boot/n1", "/boot/n2"];
  }

  /** A port for clients that are programs: of the server, or of a proxy of the cluster. */
  get clientPort(): number {
    const { nodes } = this.#cluster ?? {};
    if (nodes === undefined) return this.port;
    this.#proxy ??= new RandomProxy(() => Number(new URL(chooseOf(nodes).url).port));
    return this.#proxy.port;
  }

  /** The server, or a random one of the cluster. */
  #anyWire(): Wire {
    return chooseOf(this.#wires);
  }

  /**
   * Reads `/proc/metrics` as T3. Of a cluster, the samples of counters are the sums of all servers; the
   * others are those of one.
   */
  async metrics(): Promise<string> {
    const headers = bearer(this.approveToken);
    const texts: string[] = [];
    for (const wire of this.#wires) {
      const { text } = await wire.send({ method: "GET", target: "/proc/metrics", headers });
      this.assertNoSecret(text, "the metrics");
      texts.push(text);
    }
    const [first = [], ...others] = texts.map((text) => text.split("\n"));
    return first.map((line) => {
      const [, sample, value] = /^(\w+_total(?:\{.*\})?) (\d+)$/.exec(line) ?? [];
      if (sample === undefined) return line;
      const more = others.flat().filter((other) => other.startsWith(`${sample} `));
      return `${sample} ${
        more.reduce((sum, other) => sum + Number(other.split(" ").at(-1)), Number(value))
      }`;
    }).join("\n");
  }

  /** Sends as T3. */
  approve(method: string, target: string, body?: string | Uint8Array): Promise<Reply> {
    const request = { method, target, headers: bearer(this.approveToken) };
    return this.send(body === undefined ? request : { ...request, body });
  }

  /** Waits until the server has written its worlds below /boot, which it does after it listens. */
  async untilBooted(folder = this.bootFolders[0]): Promise<void> {
    const end = Date.now() + BOOT_WAIT_MS;
    while (Date.now() < end) {
      if ((await this.approve("HEAD", `${folder}/plugins`)).status === 200) return;
      await delay(5);
    }
    throw new Error("/boot was not written");
  }

  /** Fails if a text contains a secret of this server. */
  assertNoSecret(text: string, where: string): void {
    this.answers.push(text);
    for (const secret of this.secrets) assert(!text.includes(secret), `${where} shows a secret`);
  }

  /** Returns a capability as the server would mint it, without a request. */
  capability(prefix: string, mode: CapabilityMode, seconds = 600): string {
    const token = mint({ key: KEY, prefix, mode, exp: Math.floor(Date.now() / 1000) + seconds });
    this.secrets.add(token);
    return token;
  }

  /** Stops the server and keeps its folder. */
  async stop(): Promise<void> {
    for (const wire of this.#wires) wire.close();
    await this.#proxy?.close();
    await (this.#cluster ?? this.#running).close();
    for (const line of this.log) this.assertNoSecret(line, "the log");
  }

  /** Stops the server and removes its folder, if it is a temporary one. */
  async close(): Promise<void> {
    await this.stop();
    if (this.#tempFolder !== undefined) await Deno.remove(this.#tempFolder, { recursive: true });
  }

  /**
   * Deletes all worlds of the upper layer except those below /boot, for the next test, and what the
   * server remembers of their names, so that their versions start at 1 again.
   */
  async clear(): Promise<void> {
    for (const space of ["home", "etc", "usr", "var", "lib"]) {
      const headers = { ...bearer(this.approveToken), accept: "application/json" };
      const { text } = await this.send({ method: "GET", target: `/${space}/`, headers });
      const rows: readonly { name: string; dir: boolean; version?: number }[] = JSON.parse(text);
      for (const { name, dir, version } of rows) {
        const target = `/${space}/${encodeURIComponent(name)}`;
        if (dir) await this.approve("DELETE", `${target}/`);
        if (version !== undefined && version > 0) await this.approve("DELETE", target);
      }
    }
    if (this.#cluster !== undefined) return await this.#cluster.forgetNames();
    if (!await exists(`${this.data}/.names.db`)) return;
    const ledger = new DatabaseSync(`${this.data}/.names.db`);
    ledger.exec("PRAGMA busy_timeout = 60000; DELETE FROM names");
    ledger.close();
  }

  /** Audits every world: no request may break an event chain. */
  async audit(): Promise<void> {
    const { text } = await this.approve("GET", "/proc/worlds");
    const rows: readonly { name: string }[] = JSON.parse(text);
    for (const { name } of rows) {
      const path = name.split("/").map(encodeURIComponent).join("/");
      const verdict: unknown = JSON.parse((await this.approve("GET", `/proc/audit/${path}`)).text);
      assert(typeof verdict === "object" && verdict !== null && "ok" in verdict, name);
      assertEquals(verdict.ok, true, `${name}: ${JSON.stringify(verdict)}`);
    }
  }
}

function chooseOf<T>(servers: readonly T[]): T {
  const server = servers[Math.floor(random() * servers.length)];
  if (server === undefined) throw new Error("no server");
  return server;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

/** Starts a server. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const tempFolder = options.data === undefined
    ? await Deno.makeTempDir({ prefix: "elastik-test-" })
    : undefined;
  const data = options.data ?? `${tempFolder}/data`;
  const template = Deno.env.get(TEST_CLUSTER);
  const settings: Record<string, string | undefined> = {
    ...OPEN,
    // Each writer is one more Worker to start.
    ELASTIK_WRITERS: "1",
    ELASTIK_PORT: "0",
    // No test cuts the power, and without a flush of each write the tests are faster.
    ELASTIK_SYNC: "normal",
    // A computer that is slow or busy needs longer to start a plugin than a server allows by default.
    ELASTIK_CELL_START: "60000",
    ELASTIK_DATA: data,
    ...options.env,
  };
  const log: string[] = [];
  const program = Deno.env.get(TEST_PROGRAM);
  const common = {
    lowerWorlds: options.lowerTexts ?? LOWER_TEXTS,
    storeWorkerUrl: STORE_WORKER,
    main: MAIN,
    ...(options.write === undefined ? {} : { write: options.write }),
    pluginEvents: { startWaitMs: START_WAIT_MS, ...options.pluginEvents },
    log: (line: string) => void log.push(line),
    onStoreFailure: (reason: string) => void log.push(`the store failed: ${reason}`),
  };
  if (template !== undefined) {
    const secrets = { key: KEY, token: TOKEN, approveToken: APPROVE };
    const { atOneNode } = options;
    if (atOneNode !== undefined) console.log(`at one server of a cluster: ${atOneNode}`);
    const cluster = await startTestCluster(template, settings, secrets, common, options.data);
    const [first] = cluster.nodes;
    if (first === undefined) throw new Error("no server");
    const token = settings.ELASTIK_APPROVE_TOKEN ?? APPROVE;
    return new TestServer(first, token, data, tempFolder, log, cluster, atOneNode !== undefined);
  }
  const running = program !== undefined
    ? await startServerProcess(program, settings, log)
    : await startServer({
      ...common,
      config: readConfig((name) => settings[name]),
      env: (name) => settings[name],
    });
  const approveToken = settings.ELASTIK_APPROVE_TOKEN ??
    (await Deno.readTextFile(`${data}/.approve-token`)).trim();
  // A folder that is used again has the worlds of the start before it.
  if ("booted" in running) await running.booted;
  const server = new TestServer(running, approveToken, data, tempFolder, log);
  const { ELASTIK_STORE: store, ELASTIK_NODE: node } = settings;
  await server.untilBooted(store === undefined ? "/boot" : `/boot/${node}`);
  return server;
}

/** Runs a test on its own server. */
export async function withServer(
  options: TestServerOptions,
  test: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await startTestServer(options);
  try {
    await skipInCluster("a test of its own server", () => test(server));
  } finally {
    await server.close();
  }
}

/** Adds a case to a suite. */
export type AddCase = (
  title: string,
  run: (server: TestServer, t: Deno.TestContext) => Promise<void>,
) => void;

/**
 * Defines a test whose cases run in order on one server, because its start takes longer than most cases.
 * Worlds of earlier cases are deleted before each case.
 *
 * @param title name of the test
 * @returns a function that adds a case, which is a step of the test
 */
export function suite(title: string, options: TestServerOptions): AddCase {
  const cases: [title: string, run: Parameters<AddCase>[1]][] = [];
  Deno.test(title, async (t) => {
    await withServer(options, async (server) => {
      for (const [i, [name, run]] of cases.entries()) {
        if (i > 0) await server.clear();
        await t.step(name, (step) => skipInCluster(name, () => run(server, step)));
      }
    });
  });
  return (name, run) => void cases.push([name, run]);
}
