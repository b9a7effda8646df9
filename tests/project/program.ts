/**
 * Starts the program as a user does, as a process in its own folder, for tests of its output, of signals,
 * permissions and the ways to run it.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { fileURLToPath } from "node:url";

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
/**
 * Most milliseconds until the program listens. It takes 100 ms unless it downloads packages, or Deno reads
 * its sources for the first time while other tests use the processors.
 */
const MAX_START_MS = 180_000;

/** How a program is started. */
export interface StartOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called for each line that the program writes; only by {@link startProgram}. */
  onLine?(line: string): void;
}

/** A server that listens. */
export interface Program {
  /** The address that it printed. */
  readonly url: string;
  readonly pid: number;
  /** The text of both output streams so far. */
  output(): string;
  /** Waits until it ends. */
  ended(): Promise<Deno.CommandStatus>;
  /** Sends a signal, by default SIGTERM, and waits until it ends. */
  stop(signal?: Deno.Signal): Promise<Deno.CommandStatus>;
}

/** The environment of the tests without settings of another server. */
export function cleanEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  return { ...Object.fromEntries(own), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env };
}

/**
 * Starts a server and waits until it listens.
 *
 * @throws {Error} with its output, if it ends before
 */
export async function startProgram(start: StartOptions): Promise<Program> {
  const { command, args, cwd, env } = start;
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env: cleanEnv(env),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let written = "";
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const readLines = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> => {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      written += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) start.onLine?.(line);
      const url = /^elastik \S+ at (https?:\S+), worlds in .*\n/m.exec(written)?.[1];
      // This is the last line that is printed at start.
      if (url !== undefined && /^try: .*\n/m.test(written)) resolve(url);
    }
  };
  const outputs = Promise.all([readLines(child.stdout), readLines(child.stderr)]);
  const ended = child.status.then(async (status) => {
    await outputs;
    reject(new Error(`${command} ended with ${status.code} before it listened:\n${written}`));
    return status;
  });
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    reject(new Error(`${command} did not listen within ${MAX_START_MS} ms:\n${written}`));
  }, MAX_START_MS);
  try {
    const url = await listening;
    return {
      url,
      pid: child.pid,
      output: () => written,
      ended: () => ended,
      stop(signal = "SIGTERM") {
        child.kill(signal);
        return ended;
      },
    };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a program to its end. */
export async function runProgram(
  { command, args, cwd, env }: StartOptions,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    env: cleanEnv(env),
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** How to start the program of the repository, by default on a free port. */
export function fromCheckout(
  cwd: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): StartOptions {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, ...args],
    cwd,
    env: { ELASTIK_PORT: "0", ...env },
  };
}

/** An empty cache of Deno, with the packages that are cached already. */
export async function cacheIn(folder: string): Promise<Record<string, string>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(`${folder}/cache`);
  await Deno.mkdir(npmCache, { recursive: true });
  await Deno.symlink(npmCache, `${folder}/cache/npm`);
  return { DENO_DIR: `${folder}/cache` };
}

/** Sends a request and reads the response as text. */
export async function ask(
  url: string,
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(url, init);
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

/**
 * Returns the PATH of a computer with the same programs, but without Deno. A folder that has `deno` beside
 * other programs is replaced by one with links to the others.
 *
 * @param folder where the links are made
 */
export async function pathWithoutDeno(folder: string): Promise<string> {
  const paths = [...new Set((Deno.env.get("PATH") ?? "").split(":"))];
  return (await Promise.all(paths.map(async (path, at) => {
    try {
      await Deno.lstat(`${path}/deno`);
    } catch {
      return path; // not in this folder
    }
    const links = `${folder}/path-${at}`;
    await Deno.mkdir(links);
    for await (const { name } of Deno.readDir(path)) {
      if (name !== "deno") await Deno.symlink(`${path}/${name}`, `${links}/${name}`);
    }
    return links;
  }))).join(":");
}

/** Whether a program is on the PATH. */
export function onPath(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false; // not in this folder
    }
  });
}

/**
 * Asserts that a server works: it stores worlds, sends the shell and the manual, and runs a plugin in
 * its process.
 *
 * @param data its data folder, with the approve token
 */
export async function assertWorks({ url }: Program, data: string): Promise<void> {
  const put = await ask(`${url}/home/x`, { method: "PUT", body: "kept" });
  assert(put.status === 201 || put.status === 200, put.text);
  assertEquals((await ask(`${url}/home/x?raw`)).text, "kept");
  assertMatch((await ask(url, { headers: { accept: "text/html" } })).text, /<html/);
  for (const path of ["usr/share/doc/http.md", "usr/lib/shell/app.js", "usr/bin/boot.ts"]) {
    const { text } = await ask(`${url}/${path.replace(/\.ts$/, "")}?raw`);
    assertStrictEquals(text, await Deno.readTextFile(`${ROOT}/worlds/${path}`), path);
  }
  const token = (await Deno.readTextFile(`${data}/.approve-token`)).trim();
  const headers = { authorization: `Bearer ${token}` };
  const source = await Deno.readTextFile(`${ROOT}/plugins/example.ts`);
  await ask(`${url}/lib/example`, { method: "PUT", body: source, headers });
  const state = await ask(`${url}/lib/example/state`, { method: "PUT", body: "active", headers });
  assertEquals(state.status, 200, state.text);
  assertMatch(state.text, /"transport":"process"/);
  const answer = await ask(`${url}/example`, { method: "POST", body: "hi" });
  assertEquals(answer.text, '{"hello":"from example plugin","echo":"hi"}');
}
