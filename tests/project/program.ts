/**
 * The program as its users start it: a process of its own in a folder of its own. For tests of what
 * only shows there, such as greetings, signals, permissions and ways to run.
 */

import { equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
/** Most milliseconds a program may take to greet; it needs a tenth of a second unless it downloads. */
const GREETING_MS = 60_000;

/** How a program is started. */
export interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Told every whole line it writes, as it comes; for a program that {@link startProgram} starts. */
  onLine?(line: string): void;
}

/** A machine that greeted. */
export interface Program {
  /** Where it says that it listens. */
  readonly url: string;
  readonly pid: number;
  /** What it has written so far, both streams. */
  output(): string;
  /** Waits for its end. */
  ended(): Promise<Deno.CommandStatus>;
  /** Sends a signal, SIGTERM unless told, and waits for the end. */
  stop(signal?: Deno.Signal): Promise<Deno.CommandStatus>;
}

/** The environment of these tests without settings of a machine that somebody runs here. */
export function cleanEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  return { ...Object.fromEntries(own), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env };
}

/**
 * Starts a machine and waits for its greeting.
 *
 * @throws {Error} with everything it wrote, when it ended instead
 */
export async function startProgram(start: Start): Promise<Program> {
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
  const { promise: greeted, resolve, reject } = Promise.withResolvers<string>();
  const listen = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> => {
    let begun = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      written += text;
      const lines = (begun + text).split("\n");
      begun = lines.pop() ?? "";
      for (const line of lines) start.onLine?.(line);
      const url = /^elastik \S+ at (https?:\S+), worlds in .*\n/m.exec(written)?.[1];
      // The greeting's last line: nothing of it comes later.
      if (url !== undefined && /^try: .*\n/m.test(written)) resolve(url);
    }
  };
  const heard = Promise.all([listen(child.stdout), listen(child.stderr)]);
  const ended = child.status.then(async (status) => {
    await heard;
    reject(new Error(`${command} ended with ${status.code} before it listened:\n${written}`));
    return status;
  });
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    reject(new Error(`${command} did not greet in ${GREETING_MS} ms:\n${written}`));
  }, GREETING_MS);
  try {
    const url = await greeted;
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
  { command, args, cwd, env }: Start,
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

/** The checkout's own program as a start, on a free port unless the environment says otherwise. */
export function fromCheckout(
  cwd: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Start {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, ...args],
    cwd,
    env: { ELASTIK_PORT: "0", ...env },
  };
}

/** An empty cache, but for packages, which are fetched once for all tests. */
export async function cacheIn(folder: string): Promise<Record<string, string>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(`${folder}/cache`);
  await Deno.mkdir(npmCache, { recursive: true });
  await Deno.symlink(npmCache, `${folder}/cache/npm`);
  return { DENO_DIR: `${folder}/cache` };
}

/** Does something in a temporary folder and removes it. */
export async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-project-" });
  try {
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Asks and reads the answer as text. */
export async function ask(
  url: string,
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(url, init);
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

/** Whether a program can be started by its name. */
export function onPath(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false; // not in this folder of many
    }
  });
}

/**
 * Whether a machine does what one does, however it was started: it keeps worlds, shows its shell and
 * its manual, and brings a plugin to life.
 *
 * @param data its data folder, in which the approve token of a fresh machine lies
 */
export async function worksAt({ url }: Program, data: string): Promise<void> {
  const put = await ask(`${url}/home/x`, { method: "PUT", body: "kept" });
  ok(put.status === 201 || put.status === 200, put.text);
  equal((await ask(`${url}/home/x?raw`)).text, "kept");
  match((await ask(url, { headers: { accept: "text/html" } })).text, /<html/);
  for (const path of ["usr/share/doc/http.md", "usr/lib/shell/app.js", "home/boot.ts"]) {
    const { text } = await ask(`${url}/${path.replace(/\.ts$/, "")}?raw`);
    equal(text, await Deno.readTextFile(`${ROOT}/worlds/${path}`), path);
  }
  const token = (await Deno.readTextFile(`${data}/.approve-token`)).trim();
  const headers = { authorization: `Bearer ${token}` };
  const source = await Deno.readTextFile(`${ROOT}/plugins/example.ts`);
  await ask(`${url}/lib/example`, { method: "PUT", body: source, headers });
  const state = await ask(`${url}/lib/example/state`, { method: "PUT", body: "active", headers });
  equal(state.status, 200, state.text);
  match(state.text, /"transport":"process"/);
  const answer = await ask(`${url}/example`, { method: "POST", body: "hi" });
  equal(answer.text, '{"hello":"from example plugin","echo":"hi"}');
}
