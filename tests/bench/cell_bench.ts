/**
 * What a cell costs: round trips of an echo through both transports beside a bare Worker's echo in
 * the same run, then the times of activation and of waking, and the memory of a cell. Run with
 * `deno run -A --unstable-worker-options tests/bench/cell_bench.ts`. It prints; it asserts nothing.
 */

import { CELL_LIMITS } from "../../lib/limits.ts";
import { Cell } from "../../lib/plugin/cell.ts";
import type { CellInit } from "../../lib/plugin/init.ts";
import { probe } from "../../lib/plugin/probe.ts";
import { launchProcess } from "../../lib/plugin/process_transport.ts";
import { readSource } from "../../lib/plugin/source.ts";
import { stripTypes } from "../../lib/plugin/strip_types.ts";
import type { Launch } from "../../lib/plugin/transport.ts";
import { launchWorker } from "../../lib/plugin/worker_transport.ts";

const CONNECTIONS = 32;
const SECONDS = Number(Deno.args[0] ?? 3);
const SOURCE = `
export const routes = ["/echo"];
export default { async fetch(request) { return new Response(await request.text()); } };
`;
const HOME = Deno.env.get("HOME");
const process = launchProcess({
  execPath: Deno.execPath(),
  main: new URL("../../lib/plugin/cell_main.ts", import.meta.url).href,
  args: [],
  env: HOME ? { HOME } : {},
});
const code = await readSource(
  new TextEncoder().encode(SOURCE),
  stripTypes(process, CELL_LIMITS, Date.now),
);

function newCell(launch: Launch, idleMs = 0): Cell<null> {
  const init: CellInit = {
    kind: "serve",
    name: "echo",
    code,
    permissions: { net: [], read: [], write: [] },
    folders: [],
    config: {},
    vars: {},
    calls: 32,
    linesPerSecond: 50,
  };
  return new Cell<null>({
    init,
    launch,
    limits: { ...CELL_LIMITS, idleMs },
    now: Date.now,
    callBack: () => Promise.resolve(new Response("")),
    log: (_level, line) => console.log(line),
    onEvent: () => {},
  });
}

/** Round trips a second with so many under way. */
async function measure(one: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const run = async (seconds: number): Promise<number> => {
    count = 0;
    const start = performance.now();
    const until = start + seconds * 1000;
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
      while (performance.now() < until) {
        await one();
        count++;
      }
    }));
    return count / (performance.now() - start) * 1000;
  };
  await run(SECONDS / 3);
  return await run(SECONDS);
}

/** Requests a second over HTTP from another process. */
async function overHttp(
  answer: (request: Request, info?: Deno.ServeHandlerInfo) => Promise<Response>,
): Promise<number> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answer);
  const load = async (seconds: number): Promise<number> => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        new URL("./http_load.ts", import.meta.url).href,
        `http://127.0.0.1:${server.addr.port}/echo`,
        String(CONNECTIONS),
        String(seconds),
      ],
    }).output();
    return Number(new TextDecoder().decode(stdout));
  };
  await load(SECONDS / 3);
  const rate = await load(SECONDS);
  await server.shutdown();
  return rate;
}

/**
 * The yardstick: a Worker that gets a request as a message, makes a Request of it, answers it and
 * sends the Response back as a message, one message each way; no protection of any kind.
 */
function bareEcho(): { echo: (request: Request) => Promise<Response>; end: () => void } {
  const worker = new Worker(
    "data:text/javascript," + encodeURIComponent(`
      onmessage = async ({ data: { id, method, url, headers } }) => {
        const request = new Request(url, { method, headers });
        const response = new Response(await request.text());
        postMessage({ id, status: response.status, headers: [...response.headers], body: await response.text() });
      };`),
    { type: "module", deno: { permissions: "none" } },
  );
  const waiting = new Map<number, (response: Response) => void>();
  let next = 0;
  worker.onmessage = ({ data: { id, status, headers, body } }) => {
    waiting.get(id)?.(new Response(body, { status, headers }));
    waiting.delete(id);
  };
  return {
    echo: ({ method, url, headers }) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        worker.postMessage({ id, method, url, headers: [...headers] });
      }),
    end: () => worker.terminate(),
  };
}

function newRequest(): Request {
  return new Request("http://localhost/echo", { headers: { accept: "*/*", host: "localhost" } });
}

function ask(cell: Cell<null>, request: Request, completed?: Promise<void>): Promise<Response> {
  const visit = { authority: null, tier: "T1", by: "T1", depth: 0 };
  return cell.fetch(request, completed ? { ...visit, completed } : visit);
}

async function echo(cell: Cell<null>): Promise<void> {
  await (await ask(cell, newRequest())).text();
}

async function pssKiB(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]);
}

async function median(times: number, one: () => Promise<number>): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < times; i++) found.push(await one());
  return found.sort((a, b) => a - b)[times >> 1]!;
}

const bare = bareEcho();
const direct = await measure(async () => (await bare.echo(newRequest())).text());
const served = await overHttp(bare.echo);
bare.end();
console.log(
  `bare Worker echo        ${direct.toFixed(0)}/s in process, ${served.toFixed(0)}/s over HTTP`,
);
for (const [name, launch] of [["process", process], ["worker", launchWorker]] as const) {
  const cell = newCell(launch);
  await cell.start();
  const here = await measure(() => echo(cell));
  const there = await overHttp((request, info) => ask(cell, request, info?.completed));
  console.log(
    `cell as a ${name.padEnd(8)}      ${here.toFixed(0)}/s in process (${
      (here / direct).toFixed(2)
    }), ` +
      `${there.toFixed(0)}/s over HTTP (${(there / served).toFixed(2)})`,
  );
  const { pid, residentKiB } = cell.health();
  if (pid !== undefined && Deno.build.os === "linux") {
    console.log(
      `  memory after that     ${residentKiB} KiB resident, ${await pssKiB(pid)} KiB of its own`,
    );
  }
  await cell.stop({ drain: false });
}

const activation = await median(9, async () => {
  const start = performance.now();
  await probe({
    name: "echo",
    code,
    launch: process,
    limits: CELL_LIMITS,
    now: Date.now,
    reserved: () => undefined,
    config: () => Promise.resolve(undefined),
  });
  const cell = newCell(process);
  await cell.start();
  const taken = performance.now() - start;
  await cell.stop({ drain: false });
  return taken;
});
console.log(`activation              ${activation.toFixed(0)} ms (probe and start)`);

const waking = await median(9, async () => {
  const cell = newCell(process);
  const start = performance.now();
  await echo(cell);
  const taken = performance.now() - start;
  await cell.stop({ drain: false });
  return taken;
});
console.log(`first request, stopped  ${waking.toFixed(0)} ms`);

const idle = newCell(process);
await echo(idle);
const { pid, residentKiB } = idle.health();
if (pid !== undefined && Deno.build.os === "linux") {
  console.log(
    `memory of an idle cell  ${residentKiB} KiB resident, ${await pssKiB(pid)} KiB of its own`,
  );
}
await idle.stop({ drain: false });
