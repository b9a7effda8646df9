/**
 * What a plugin costs: the example plugin on a whole machine, through both transports, beside a bare
 * Worker that answers the same and beside workerd's hello, in the same run and in turn; then the times
 * of activation and of waking, and the memory of a cell. It prints; it asserts nothing. workerd is
 * fetched by npm into a temporary folder, for this run alone.
 *
 * `deno run -A tests/bench/cell_bench.ts [seconds a measurement]`
 */

import { type Program, ROOT, startProgram } from "../project/program.ts";
import { load } from "./load.ts";
import { median, report } from "./report.ts";

const SECONDS = Number(Deno.args[0] ?? 3);
const ROUNDS = 3;
const TIMES = 7;
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
  const process = await machine("process");
  const worker = await machine("worker");
  for (const { url } of [process, worker]) await install(url, "example", EXAMPLE);
  const bare = await child([Deno.execPath(), "run", "-A", here("bare_echo.ts")]);
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
      what: "the same beside workerd's hello",
      unit,
      limit: of("workerd"),
      aim: ">= 1",
    });
  }
  const fallback = "example plugin in a Worker of the server";
  report({ what: fallback, found: of("worker"), unit, limit: of("bare"), aim: ">= 0.8" });
  await memory("after that load", process.url);
  await times();
}

/** Activation and waking, on a machine whose cells stop soon. */
async function times(): Promise<void> {
  const { url } = await machine("process", { ELASTIK_CELL_IDLE: String(IDLE_MS) });
  const activations: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    activations.push(await install(url, `a${i}`, EXAMPLE.replaceAll('"/example"', `"/a${i}"`)));
  }
  report({ what: "activation, TypeScript", found: median(activations), unit: "ms", aim: "<= 200" });
  const wakings: number[] = [];
  const warm: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    await stopped(url, "a0");
    wakings.push(await timed(`${url}/a0/x`));
    warm.push(await timed(`${url}/a0/x`));
  }
  const waking = { what: "request to a cell stopped for idleness", found: median(wakings) };
  report({ ...waking, unit: "ms", aim: "<= 150" });
  report({ what: "the next one", found: median(warm), unit: "ms" });
  await timed(`${url}/a1/x`);
  await memory("idle, after one request", url, "a1");
}

async function memory(when: string, url: string, name = "example"): Promise<void> {
  if (Deno.build.os !== "linux") return;
  const { health: { pid } } = await state(url, name);
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const mib = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024;
  report({ what: `a cell ${when}: resident`, found: mib("Rss"), unit: "MiB" });
  report({ what: `a cell ${when}: its share (PSS)`, found: mib("Pss"), unit: "MiB" });
}

async function machine(
  how: "process" | "worker",
  env: Record<string, string> = {},
): Promise<Program> {
  const home = await Deno.makeTempDir({ dir: folder });
  const port = freePort();
  const rights = how === "process" ? ["-A"] : [
    "--no-prompt",
    `--allow-net=127.0.0.1:${port}`,
    "--allow-env=ELASTIK_*",
    `--allow-read=${home},${ROOT}/lib`,
    `--allow-write=${home}`,
  ];
  const program = await startProgram({
    command: Deno.execPath(),
    args: ["run", ...rights, "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
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

/** Stores and activates a plugin; milliseconds of the activation. */
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
  const words = await answer.text();
  if (!answer.ok) throw new Error(`Cannot activate ${name}: ${words}`);
  return performance.now() - start;
}

async function state(
  url: string,
  name: string,
): Promise<{ health: { state: string; pid?: number } }> {
  return await (await fetch(`${url}/lib/${name}/state`, { headers: APPROVE })).json();
}

async function stopped(url: string, name: string): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if ((await state(url, name)).health.state === "stopped") return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${name} was not stopped`);
}

async function timed(url: string): Promise<number> {
  const start = performance.now();
  const answer = await fetch(url);
  await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return performance.now() - start;
}

/** Installs workerd and has it say hello; undefined, and said so, where it cannot be had. */
async function startWorkerd(): Promise<string | undefined> {
  const args = ["install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, "workerd"];
  try {
    const { success } = await new Deno.Command("npm", { args, cwd: folder }).output();
    if (!success) throw new Deno.errors.NotFound();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("workerd is not to be had by npm here; it is left out");
    return undefined;
  }
  const port = freePort();
  const config = `${folder}/hello.capnp`;
  await Deno.writeTextFile(config, HELLO.replace("PORT", String(port)));
  return await child([`${folder}/node_modules/.bin/workerd`, "serve", config], port);
}

/** Starts a program that listens on a port, its last argument unless it knows already. */
async function child([command = "", ...args]: string[], known?: number): Promise<string> {
  const port = known ?? freePort();
  if (known === undefined) args.push(String(port));
  children.push(
    new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn(),
  );
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    try {
      await (await fetch(url)).body?.cancel();
      return url;
    } catch {
      // Nobody listens yet; asking again is how the first answer is found.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`${command} does not listen`);
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended by itself
  }
  await child.status;
}

function freePort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function here(name: string): string {
  return `${ROOT}/tests/bench/${name}`;
}
