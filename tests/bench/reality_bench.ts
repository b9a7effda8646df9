/**
 * The cost of a copy of a server: `/__reality__` of 2,000 worlds and of a few long ones, and `/self`.
 * Each in MB per second, compared with a constant server that sends as many bytes through the same
 * compressor, and with the growth of server and cell. Prints figures, asserts nothing.
 *
 * `deno run -A tests/bench/reality_bench.ts [worlds]`
 */

import { randomBytes } from "node:crypto";
import { fromCheckout, type Program, ROOT, startProgram } from "../project/program.ts";
import { bearer } from "../support/test_server.ts";
import { median, report } from "./report.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const WORLDS = Number(Deno.args[0] ?? 2000);
const LONG = 8;
const LONG_BYTES = 4_500_000;
const ROUNDS = 3;
const MIB = 1024 * 1024;
const T3 = bearer("bench-approve-token");

await withTempFolder(async (folder) => {
  const server = await startProgram(fromCheckout(folder, [], {
    ELASTIK_APPROVE_TOKEN: "bench-approve-token",
    ELASTIK_SYNC: "normal",
  }));
  try {
    await install(server);
    await fill(server, WORLDS, (i) => `world ${i}\n${"some words of it. ".repeat(i % 40)}`);
    await measure(server, `/__reality__, ${WORLDS} small worlds`, "/__reality__");
    await measure(server, "/self", "/self");
    await deleteWorlds(server);
    await fill(server, LONG, () => new Uint8Array(randomBytes(LONG_BYTES)));
    await measure(server, `/__reality__, ${LONG} worlds of 4.5 MB`, "/__reality__");
  } finally {
    await server.stop();
  }
});

/** Measurement of one download. */
interface Download {
  readonly seconds: number;
  /** Bytes of the archive, unzipped. */
  readonly bytes: number;
  /** Milliseconds to the first byte. */
  readonly first: number;
}

async function measure(server: Program, what: string, path: string): Promise<void> {
  await download(server.url + path);
  const before = { server: resident(server.pid), cell: resident(await cellOf(server)) };
  const rounds: Download[] = [];
  let peaks = before;
  for (let i = 0; i < ROUNDS; i++) {
    const watch = watchMemory([server.pid, await cellOf(server)]);
    rounds.push(await download(server.url + path));
    const [rss = 0, cellRss = 0] = watch.stop();
    peaks = { server: Math.max(peaks.server, rss), cell: Math.max(peaks.cell, cellRss) };
  }
  const bytes = rounds[0]?.bytes ?? 0;
  const limit = await measureConstant(bytes);
  report({ what: `${what}: unzipped`, found: bytes / 1e6, unit: "MB" });
  report({
    what,
    found: median(rounds.map(({ seconds }) => bytes / 1e6 / seconds)),
    unit: "MB/s",
    limit,
  });
  report({
    what: `${what}: first byte`,
    found: median(rounds.map(({ first }) => first)),
    unit: "ms",
  });
  report({
    what: `${what}: growth of the server`,
    found: peaks.server - before.server,
    unit: "MiB",
  });
  report({ what: `${what}: growth of the cell`, found: peaks.cell - before.cell, unit: "MiB" });
}

/** Downloads an archive into memory. */
async function download(url: string): Promise<Download> {
  const begin = performance.now();
  const answer = await fetch(url, { headers: T3 });
  if (answer.status !== 200 || answer.body === null) throw new Error(await answer.text());
  let first: number | undefined;
  const zipped: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of answer.body) {
    first ??= performance.now() - begin;
    zipped.push(piece);
  }
  const seconds = (performance.now() - begin) / 1000;
  let bytes = 0;
  const unzip = new Blob(zipped).stream().pipeThrough(new DecompressionStream("gzip"));
  for await (const piece of unzip) bytes += piece.length;
  return { seconds, bytes, first: first ?? 0 };
}

/**
 * Returns the MB per second of a server that sends as many bytes through the same compressor. An eighth
 * of the bytes is random, so that they compress about as well as worlds.
 */
async function measureConstant(bytes: number): Promise<number> {
  const code = `const piece = new Uint8Array(65536);
    crypto.getRandomValues(piece.subarray(0, 8192));
    Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(port) }, () => {
      let left = ${bytes};
      const plain = new ReadableStream({
        pull(controller) {
          if (left <= 0) return controller.close();
          left -= piece.length;
          controller.enqueue(piece);
        },
      });
      return new Response(plain.pipeThrough(new CompressionStream("gzip")));
    });`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `data:application/javascript,${encodeURIComponent(code)}`],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const port = Number((await reader.read()).value);
    await reader.cancel();
    const found: number[] = [];
    for (let i = 0; i <= ROUNDS; i++) {
      const { seconds } = await download(`http://127.0.0.1:${port}/`);
      if (i > 0) found.push(bytes / 1e6 / seconds);
    }
    return median(found);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

async function install(server: Program): Promise<void> {
  const source = await Deno.readTextFile(`${ROOT}/plugins/reality.ts`);
  await send(server, "PUT", "/lib/reality", source);
  await send(server, "PUT", "/lib/reality/state", "active");
}

async function fill(
  server: Program,
  count: number,
  bodyOf: (i: number) => BodyInit,
): Promise<void> {
  for (let i = 0; i < count; i += 32) {
    const some = Array.from({ length: Math.min(32, count - i) }, (_, j) => i + j);
    await Promise.all(some.map((n) => send(server, "PUT", `/home/bench/w${n}`, bodyOf(n))));
  }
}

async function deleteWorlds(server: Program): Promise<void> {
  await send(server, "DELETE", "/home/bench/");
}

async function send(
  server: Program,
  method: string,
  path: string,
  body?: BodyInit,
): Promise<void> {
  const init = { method, headers: T3, ...(body === undefined ? {} : { body }) };
  const answer = await fetch(`${server.url}${path}`, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${text}`);
}

async function cellOf(server: Program): Promise<number> {
  const answer = await fetch(`${server.url}/lib/reality/state`, { headers: T3 });
  return (await answer.json()).health.pid;
}

/** Resident memory of a process in MiB, or 0 if the system is not Linux. */
function resident(pid: number): number {
  if (Deno.build.os !== "linux") return 0;
  const pages = Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]);
  return pages * 4096 / MIB;
}

/** Watches the memory of processes. `stop` returns the peak of each in MiB. */
function watchMemory(pids: readonly number[]): { stop: () => number[] } {
  const peaks = pids.map(resident);
  const timer = setInterval(() => {
    pids.forEach((pid, i) => peaks[i] = Math.max(peaks[i] ?? 0, resident(pid)));
  }, 10);
  return {
    stop() {
      clearInterval(timer);
      return peaks;
    },
  };
}
