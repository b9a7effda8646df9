/**
 * A machine in this process for a test: a folder of its own, a free port, secrets that are easy to
 * find again, and a witness that reads every answer for them. It leaves nothing behind.
 */

import { assert, assertEquals } from "./assert.ts";
import { setTimeout as delay } from "node:timers/promises";
import { mint } from "../../lib/auth/capability.ts";
import { readConfig, type SettingName } from "../../lib/config.ts";
import { type RunningServer, startServer } from "../../lib/server/start.ts";
import { MACHINE_PROGRAM, startServerProcess } from "./server_process.ts";
import { type Reply, type Sent, Wire } from "./wire.ts";

/** The secrets of every test machine; no answer and no log line may ever hold one. */
export const TOKEN = "t2-5ecret-0f-the-test-machine";
export const APPROVE = "t3-5ecret-0f-the-test-machine";
export const KEY = "k3y-5ecret-0f-the-test-machine";

const MAIN = import.meta.resolve("../../main.ts");
const WORKER = import.meta.resolve("../../lib/world/worker/worker_main.ts");

/** A small lower layer: the shell's page, a note, and a program. */
export const BIRTH: Readonly<Record<string, string>> = {
  "usr/lib/shell/index.html": "<!doctype html><title>the shell</title>",
  "usr/lib/shell/app.js": "export {};",
  "usr/share/doc/note.md": "# A note\n",
  "home/boot.ts": "console.log('boot');\n",
};

/** How a test machine differs from an open one. */
export interface TestServerOptions {
  /** Settings beside the port and the folder. */
  readonly env?: { readonly [S in SettingName]?: string | undefined };
  /** Texts of the lower layer; {@link BIRTH} unless given. */
  readonly birth?: Readonly<Record<string, string>>;
  /** Takes what the machine writes to its access log. */
  readonly write?: (bytes: Uint8Array) => Promise<number>;
  /** A data folder to start on, which then stays; a temporary one otherwise. */
  readonly data?: string;
}

/** Settings of a machine that has tokens. */
export const CLOSED: Partial<Record<SettingName, string>> = {
  ELASTIK_TOKEN: TOKEN,
  ELASTIK_APPROVE_TOKEN: APPROVE,
  ELASTIK_KEY: KEY,
};
/** Settings of a machine without a T2 token, where loopback callers hold T2. */
export const OPEN: Partial<Record<SettingName, string>> = {
  ELASTIK_APPROVE_TOKEN: APPROVE,
  ELASTIK_KEY: KEY,
};

/** `Authorization` with a bearer token. */
export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** `Authorization` with a user and a password (RFC 7617, UTF-8). */
export function basic(user: string, password: string): Record<string, string> {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return { authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** A machine that is up. */
export class TestServer {
  readonly data: string;
  readonly port: number;
  /** What T3 sends here. */
  readonly approveToken: string;
  /** Whether this start made that token, and so told the operator. */
  readonly fresh: boolean;
  /** Every line the machine wrote for its operator. */
  readonly log: string[];
  /** What must never leave the machine; tests add the secrets they make. */
  readonly secrets: Set<string>;
  /** Every answer, head and body, that came through {@link send}. */
  readonly answers: string[] = [];
  readonly #running: RunningServer;
  readonly #wire: Wire;
  readonly #own: string | undefined;

  constructor(
    running: RunningServer,
    approveToken: string,
    data: string,
    own: string | undefined,
    log: string[],
  ) {
    this.#running = running;
    this.#own = own;
    this.data = data;
    this.log = log;
    this.port = Number(new URL(running.url).port);
    this.fresh = running.newApproveToken !== undefined;
    this.approveToken = approveToken;
    this.secrets = new Set([TOKEN, APPROVE, KEY, approveToken]);
    this.#wire = new Wire(this.port);
  }

  /** Sends one request; an answer that holds a secret fails the test there and then. */
  async send(sent: Sent, reveals = false): Promise<Reply> {
    const reply = await this.#wire.send(sent);
    if (!reveals) this.witness(`${reply.head}\n${reply.text}`, `${sent.method} ${sent.target}`);
    return reply;
  }

  /** Sends as T3. */
  approve(method: string, target: string, body?: string | Uint8Array): Promise<Reply> {
    const sent = { method, target, headers: bearer(this.approveToken) };
    return this.send(body === undefined ? sent : { ...sent, body });
  }

  /** Waits until the machine has written what it writes at its start, which nobody waits for. */
  async booted(): Promise<void> {
    const end = Date.now() + 10_000;
    while (Date.now() < end) {
      if ((await this.approve("HEAD", "/boot/plugins")).status === 200) return;
      await delay(5);
    }
    throw new Error("/boot was not written");
  }

  /** Fails when a text holds a secret of this machine. */
  witness(text: string, where: string): void {
    this.answers.push(text);
    for (const secret of this.secrets) assert(!text.includes(secret), `${where} shows a secret`);
  }

  /** A capability as the machine would mint it, without asking the machine. */
  capability(prefix: string, mode: "r" | "rw", seconds = 600): string {
    const token = mint({ key: KEY, prefix, mode, exp: Math.floor(Date.now() / 1000) + seconds });
    this.secrets.add(token);
    return token;
  }

  /** Stops the machine and keeps its folder. */
  async stop(): Promise<void> {
    this.#wire.close();
    await this.#running.close();
    for (const line of this.log) this.witness(line, "the log");
  }

  /** Stops the machine and takes its folder away. */
  async close(): Promise<void> {
    await this.stop();
    if (this.#own !== undefined) await Deno.remove(this.#own, { recursive: true });
  }

  /** Deletes every world that a test made, so that the next one finds the machine as it was born. */
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
  }

  /** Checks the receipt of every world, as nothing a test does through HTTP may break one. */
  async audit(): Promise<void> {
    const { text } = await this.approve("GET", "/proc/worlds");
    for (const name of text.split("\n").filter((line) => line !== "")) {
      const path = name.split("/").map(encodeURIComponent).join("/");
      const verdict: unknown = JSON.parse((await this.approve("GET", `/proc/audit/${path}`)).text);
      assert(typeof verdict === "object" && verdict !== null && "ok" in verdict, name);
      assertEquals(verdict.ok, true, `${name}: ${JSON.stringify(verdict)}`);
    }
  }
}

/** Starts a machine. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const own = options.data === undefined
    ? await Deno.makeTempDir({ prefix: "elastik-test-" })
    : undefined;
  const data = options.data ?? `${own}/data`;
  const settings: Record<string, string | undefined> = {
    ...OPEN,
    ELASTIK_PORT: "0",
    // No test cuts the power, and the disk is what a test waits for most.
    ELASTIK_SYNC: "normal",
    ELASTIK_DATA: data,
    ...options.env,
  };
  const log: string[] = [];
  const program = Deno.env.get(MACHINE_PROGRAM);
  const running = program !== undefined
    ? await startServerProcess(program, settings, log)
    : await startServer({
      config: readConfig((name) => settings[name]),
      env: (name) => settings[name],
      lowerWorlds: options.birth ?? BIRTH,
      storeWorkerUrl: WORKER,
      main: MAIN,
      ...(options.write === undefined ? {} : { write: options.write }),
      log: (line) => void log.push(line),
      onStoreFailure: (reason) => void log.push(`the store died: ${reason}`),
    });
  const approveToken = settings.ELASTIK_APPROVE_TOKEN ??
    (await Deno.readTextFile(`${data}/.approve-token`)).trim();
  const server = new TestServer(running, approveToken, data, own, log);
  await server.booted();
  return server;
}

/** Runs a test on a machine of its own. */
export async function withServer(
  options: TestServerOptions,
  test: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await startTestServer(options);
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

/** Adds one case to a suite. */
export type AddCase = (
  title: string,
  run: (server: TestServer, t: Deno.TestContext) => Promise<void>,
) => void;

/**
 * Makes a test whose cases take turns on one machine, each finding it empty: to start a machine costs
 * more than most cases do.
 *
 * @param title the test's name
 */
export function suite(title: string, options: TestServerOptions): AddCase {
  const cases: [title: string, run: Parameters<AddCase>[1]][] = [];
  Deno.test(title, async (t) => {
    await withServer(options, async (server) => {
      for (const [i, [name, run]] of cases.entries()) {
        if (i > 0) await server.clear();
        await t.step(name, (step) => run(server, step));
      }
    });
  });
  return (name, run) => void cases.push([name, run]);
}
