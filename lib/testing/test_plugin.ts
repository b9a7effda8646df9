/**
 * Runs a plugin on a server of its own, for the tests of its author: it starts this program in a process
 * with an empty data folder, stores and approves the source, and calls it over HTTP. It imports
 * nothing of the server, so that what is tested is what users run.
 */

import { fileURLToPath } from "node:url";

/** The program that is started. */
const MAIN = new URL("../../main.ts", import.meta.url).href;
/** Arguments with which Deno starts it. */
const RUN = ["run", "-A", "--no-prompt", "--unstable-worker-options", MAIN] as const;
/** Longest start in milliseconds. It takes 0.2 s unless packages are downloaded. */
const START_TIMEOUT_MS = 60_000;

/** What a server gets before the plugin is approved. */
export interface TestPluginOptions {
  /** The name of the plugin; `tested` if absent. */
  readonly name?: string;
  /** Worlds by path: `{ "/home/data.csv": "a,b\n" }`. */
  readonly worlds?: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>;
  /** The configuration worlds of the plugin by path: `{ "/etc/x.conf": "key=1\n" }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Settings of the server, such as `ELASTIK_CELL_ANSWER`, and variables that the plugin may read. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A request to the server of the test. */
export interface TestRequest extends RequestInit {
  /** The tier of the caller: T1 has no credential. T1 if absent. */
  readonly as?: "T1" | "T2" | "T3";
}

/** A plugin that runs. */
export interface TestedPlugin extends AsyncDisposable {
  readonly name: string;
  /** Address of the server without a trailing slash. */
  readonly url: string;
  /** Sends a request to a path of the server, such as a route of the plugin. */
  fetch(path: string, init?: TestRequest): Promise<Response>;
  /** Reads the text of a world; undefined if it does not exist. */
  read(path: string): Promise<string | undefined>;
  /** Replaces a world as T3. */
  write(path: string, content: string | Uint8Array<ArrayBuffer>): Promise<void>;
  /** Reads what the plugin has written to its log, oldest first. */
  log(): Promise<string[]>;
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a server with a plugin.
 *
 * @param source the text of the plugin, or the URL of its file or folder, which may import packages
 * and other files: `elastik install` bundles it
 * @returns the running plugin; stop it, or declare it with `await using`
 * @throws {Error} with the reason, if the server refuses the source, a world, or does not start
 *
 * @example
 * ```ts ignore
 * await using plugin = await testPlugin(new URL("./hello.ts", import.meta.url));
 * const response = await plugin.fetch("/hello");
 * assertEquals(await response.json(), { hello: "/hello" });
 * ```
 */
export async function testPlugin(
  source: string | URL,
  options: TestPluginOptions = {},
): Promise<TestedPlugin> {
  const { name = "tested", worlds = {}, config = {}, env = {} } = options;
  const server = await startServer(env);
  try {
    const tested = new Tested(name, server);
    for (const [path, content] of Object.entries({ ...worlds, ...config })) {
      await tested.write(path, content);
    }
    await tested.install(source);
    return tested;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

interface TestServer {
  readonly url: string;
  readonly tokens: Readonly<Record<"T2" | "T3", string>>;
  stop(): Promise<void>;
}

class Tested implements TestedPlugin {
  readonly #server: TestServer;

  constructor(readonly name: string, server: TestServer) {
    this.#server = server;
  }

  get url(): string {
    return this.#server.url;
  }

  fetch(path: string, { as = "T1", ...init }: TestRequest = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (as !== "T1") headers.set("authorization", `Bearer ${this.#server.tokens[as]}`);
    return fetch(this.url + path, { ...init, headers });
  }

  async read(path: string): Promise<string | undefined> {
    const response = await this.fetch(`${path}?raw`, { as: "T3" });
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (response.ok) return text;
    throw new Error(`Cannot read ${path}: ${text}`);
  }

  async write(path: string, content: string | Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#send("PUT", path, content);
  }

  /** Stores the source as T2, and approves it as T3. */
  async install(source: string | URL): Promise<void> {
    if (source instanceof URL) return await this.#installFile(source);
    await this.#send("PUT", `/lib/${this.name}`, source, "T2");
    await this.#send("PUT", `/lib/${this.name}/state`, "active");
  }

  /** Installs a file or folder as its author does, with the command of the program. */
  async #installFile(source: URL): Promise<void> {
    const { tokens, url } = this.#server;
    const words = ["install", fileURLToPath(source), "--name", this.name, "--url", url];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...RUN, ...words],
      clearEnv: true,
      env: {
        ...childEnvironment(),
        ELASTIK_TOKEN: tokens.T2,
        ELASTIK_APPROVE_TOKEN: tokens.T3,
      },
      stdin: "null",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  }

  async log(): Promise<string[]> {
    const response = await this.fetch(`/proc/plugins/${this.name}/log`, {
      as: "T3",
      headers: { accept: "application/json" },
    });
    const lines: unknown = await response.json();
    if (!Array.isArray(lines)) throw new Error(`Cannot read the log: ${JSON.stringify(lines)}`);
    return lines.map((line: unknown) => {
      const text = typeof line === "object" && line !== null ? Reflect.get(line, "text") : line;
      return String(text);
    });
  }

  async #send(
    method: string,
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    as: "T2" | "T3" = "T3",
  ): Promise<void> {
    const response = await this.fetch(path, { method, body, as });
    const text = await response.text();
    if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${detailOf(text)}`);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The reason in a problem (RFC 9457), and the lines of the source that it is about. */
function detailOf(text: string): string {
  try {
    const { detail = text, excerpt } = JSON.parse(text);
    return excerpt === undefined ? String(detail) : `${detail}\n${excerpt}`;
  } catch {
    return text;
  }
}

async function startServer(env: Readonly<Record<string, string>>): Promise<TestServer> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-plugin-" });
  const tokens = { T2: randomToken(), T3: randomToken() };
  const child = new Deno.Command(Deno.execPath(), {
    args: [...RUN],
    cwd: folder,
    clearEnv: true,
    env: {
      ...childEnvironment(),
      ELASTIK_DATA: "data",
      ELASTIK_PORT: "0",
      ELASTIK_SYNC: "normal",
      ELASTIK_TOKEN: tokens.T2,
      ELASTIK_APPROVE_TOKEN: tokens.T3,
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let written = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const follow = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      written += part;
      const url = /^elastik \S+ at (https?:\S+), /m.exec(written)?.[1];
      if (url !== undefined) resolve(url);
    }
  };
  const ended = Promise.all([follow(child.stdout), follow(child.stderr), child.status]);
  ended.then(() => reject(new Error(`The server did not start:\n${written}`)), reject);
  const timer = setTimeout(
    () =>
      reject(new Error(`The server did not start in ${START_TIMEOUT_MS / 1000} s:\n${written}`)),
    START_TIMEOUT_MS,
  );
  const stop = async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await ended;
    await Deno.remove(folder, { recursive: true });
  };
  try {
    return { url: await promise, tokens, stop: once(stop) };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The environment of a child process, without settings that were meant for another server. */
function childEnvironment(): Record<string, string> {
  const own = Object.entries(Deno.env.toObject()).filter(([key]) => !key.startsWith("ELASTIK_"));
  return { ...Object.fromEntries(own), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
}

function randomToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toHex();
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => done ??= action();
}
