/**
 * The cost of a plugin: requests per second to the example plugin on a whole server, through both
 * transports, compared with a bare Worker that answers the same (`bare_echo.ts`) and with workerd's
 * hello, under load in turn. Then the times of an activation and of a start after idleness, and the
 * memory of a cell. npm installs workerd into a temporary folder. Prints figures, asserts nothing.
 *
 * `deno run -A tests/bench/cell_bench.ts [seconds per measurement]`
 */

import { type Program, ROOT, startProgram } from "../project/program.ts";
import { load } from "./load.ts";
import { median, report } from "./report.ts";
import { freePort } from "../support/free_port.ts";

const SECONDS = Number(Deno.args[0] ?? 3);
const ROUNDS = 3;
const STARTS = 7;
const IDLE_MS = 300;
const APPROVE = { authorization: "Bearer bench-approve-token" };
const EXAMPLE = await Deno.readTextFile(`${ROOT}/plugins/example.ts`);
const HELLO = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .hello)],
  sockets = [(name = "http", address = "127.0.0.1:PORT", http = (), service = "main")]
);
const hello :Workerd.Worker = (
  modules = [(name = "worker", esModule = "export default { async fetch() { return new Response('Hello World'); } };")],
  compatibilityDate = "2024-09-23"
);`;

const folder = await Deno.makeTempDir({ prefix: "elastik-cell-bench-" });
const children: Deno.ChildProcess[] = [];
const programs: Program[] = [];
try {
  await measure();
} finally {
  for (const program of programs) await program.stop("SIGKILL");
  await Promise.all(children.map(end));
  await Deno.remove(folder, { recursive: true });
}

async function measure(): Promise<void> {
  const process = await startBenchServer("process");
  const worker = await startBenchServer("worker");
  for (const { url } of [process, worker]) await install(url, "example", EXAMPLE);
  const bare = await startChild([Deno.execPath(), "run", "-A", benchFile("bare_echo.ts")]);
  const workerd = await startWorkerd();
  const found = new Map<string, number[]>();
  const servers: [string, string][] = [
    ["bare", `${bare}/example/x`],
    ["process", `${process.url}/example/x`],
    ["worker", `${worker.url}/example/x`],
  ];
  if (workerd !== undefined) servers.push(["workerd", `${workerd}/`]);
  for (const [, url] of servers) await load(url, { seconds: 1 });
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, url] of servers) {
      const { perSecond, errors } = await load(url, { seconds: SECONDS });
      if (errors > 0) console.log(`${name}: ${errors} errors`);
      found.set(name, [...found.get(name) ?? [], perSecond]);
    }
  }
  const of = (name: string) => median(found.get(name) ?? []);
  const unit = "req/s";
  const process32 = { what: "example plugin in a process, 32 connections", found: of("process") };
  report({ ...process32, unit, limit: of("bare"), aim: ">= 0.5" });
  if (workerd !== undefined) {
    report({
      ...process32,
      what: "the same, compared with workerd's hello",
      unit,
      limit: of("workerd"),
      aim: ">= 1",
    });
  }
  const fallback = "example plugin in a Worker of the server";
  report({ what: fallback, found: of("worker"), unit, limit: of("bare"), aim: ">= 0.8" });
  await reportMemory("after that load", process.url);
  await measureStarts();
}

/** Measures an activation and a start after idleness, on a server whose cells stop soon. */
async function measureStarts(): Promise<void> {
  const { url } = await startBenchServer("process", { ELASTIK_CELL_IDLE: String(IDLE_MS) });
  const activations: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    activations.push(await install(url, `a${i}`, EXAMPLE.replaceAll('"/example"', `"/a${i}"`)));
  }
  report({ what: "activation, TypeScript", found: median(activations), unit: "ms", aim: "<= 200" });
  const restarts: number[] = [];
  const warm: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    await untilStopped(url, "a0");
    restarts.push(await timeRequest(`${url}/a0/x`));
    warm.push(await timeRequest(`${url}/a0/x`));
  }
  const restart = {
    what: "request to a cell that was stopped because idle",
    found: median(restarts),
  };
  report({ ...restart, unit: "ms", aim: "<= 150" });
  report({ what: "the next request to it", found: median(warm), unit: "ms" });
  await timeRequest(`${url}/a1/x`);
  await reportMemory("idle, after one request", url, "a1");
}

/** Reports the memory of a plugin's process. */
async function reportMemory(when: string, url: string, name = "example"): Promise<void> {
  if (Deno.build.os !== "linux") return;
  const { health: { pid } } = await state(url, name);
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const mib = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024;
  report({ what: `a cell ${when}: resident`, found: mib("Rss"), unit: "MiB" });
  report({ what: `a cell ${when}: proportional set size (PSS)`, found: mib("Pss"), unit: "MiB" });
}

/** Starts a server that runs plugins in processes, or in Workers because it may not start processes. */
async function startBenchServer(
  how: "process" | "worker",
  env: Record<string, string> = {},
): Promise<Program> {
  const home = await Deno.makeTempDir({ dir: folder });
  const port = freePort();
  const permissions = how === "process" ? ["-A"] : [
    "--no-prompt",
    `--allow-net=127.0.0.1:${port}`,
    "--allow-env=ELASTIK_*",
    `--allow-read=${home},${ROOT}/lib`,
    `--allow-write=${home}`,
  ];
  const program = await startProgram({
    command: Deno.execPath(),
    args: ["run", ...permissions, "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
    cwd: home,
    env: {
      ELASTIK_PORT: String(port),
      ELASTIK_DATA: `${home}/data`,
      ELASTIK_APPROVE_TOKEN: "bench-approve-token",
      ...env,
    },
  });
  programs.push(program);
  return program;
}

/** Stores and activates a plugin. Returns the milliseconds of the activation. */
async function install(url: string, name: string, source: string): Promise<number> {
  const stored = await fetch(`${url}/lib/${name}`, {
    method: "PUT",
    body: source,
    headers: APPROVE,
  });
  await stored.body?.cancel();
  const start = performance.now();
  const init = { method: "PUT", body: "active", headers: APPROVE };
  const answer = await fetch(`${url}/lib/${name}/state`, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Cannot activate ${name}: ${text}`);
  return performance.now() - start;
}

async function state(
  url: string,
  name: string,
): Promise<{ health: { state: string; pid?: number } }> {
  return await (await fetch(`${url}/lib/${name}/state`, { headers: APPROVE })).json();
}

/** Waits until the server has stopped an idle plugin. */
async function untilStopped(url: string, name: string): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if ((await state(url, name)).health.state === "stopped") return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${name} was not stopped within 10 s`);
}

/** Returns the milliseconds of a GET. */
async function timeRequest(url: string): Promise<number> {
  const start = performance.now();
  const answer = await fetch(url);
  await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return performance.now() - start;
}

/** Installs and starts workerd. Returns its URL, or undefined with a message if npm cannot install it. */
async function startWorkerd(): Promise<string | undefined> {
  const args = ["install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, "workerd"];
  try {
    const { success } = await new Deno.Command("npm", { args, cwd: folder }).output();
    if (!success) throw new Deno.errors.NotFound();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("npm cannot install workerd; it is not measured");
    return undefined;
  }
  const port = freePort();
  const config = `${folder}/hello.capnp`;
  await Deno.writeTextFile(config, HELLO.replace("PORT", String(port)));
  return await startChild([`${folder}/node_modules/.bin/workerd`, "serve", config], port);
}

/** Starts a program and waits until it listens. Without `fixedPort` the last argument is the port. */
async function startChild([command = "", ...args]: string[], fixedPort?: number): Promise<string> {
  const port = fixedPort ?? freePort();
  if (fixedPort === undefined) args.push(String(port));
  children.push(
    new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn(),
  );
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    try {
      await (await fetch(url)).body?.cancel();
      return url;
    } catch {
      // No server listens yet; the next request tries again.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`${command} does not listen`);
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended
  }
  await child.status;
}

function benchFile(name: string): string {
  return `${ROOT}/tests/bench/${name}`;
}
