/**
 * The ways to run, compared: the size of the program, and milliseconds to the first response, with an
 * empty cache of compiled code and with a filled one. Prints the table of running.md. Packages are
 * downloaded before the measurement, because the network is not measured.
 *
 * `deno run -A tests/bench/ways_bench.ts [number of later starts]`
 */

import { bundle } from "../../lib/tools/bundle.ts";
import { compile, CompileError } from "../../lib/tools/compile.ts";
import { ask, cacheIn, ROOT, type StartOptions, startProgram } from "../project/program.ts";
import { median } from "./report.ts";

const STARTS = Number(Deno.args[0] ?? 7);
const PARTS = ["main.ts", "lib", "plugins", "worlds"];
const FLAGS = ["run", "-A", "--unstable-worker-options"];
const decoder = new TextDecoder();

const folder = await Deno.makeTempDir({ prefix: "elastik-ways-bench-" });
const files = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, sendFile);
try {
  console.log("| way | size | first start | later starts |");
  console.log("| --- | --- | --- | --- |");
  await measureWay("checkout, `deno task start`", sizeOf(PARTS), {
    args: ["run", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
  });
  await measureWay("URL, `deno run … https://…/main.ts`", sizeOf(PARTS), {
    args: [...FLAGS, `http://127.0.0.1:${files.addr.port}/main.ts`],
  });
  const script = `${folder}/elastik.js`;
  await measureWay("one file, `elastik.js`", await bundle(script), { args: [...FLAGS, script] });
  await measureBinary(script);
} finally {
  await files.shutdown();
  await Deno.remove(folder, { recursive: true });
}

/** Measures one way to run and prints its line. */
async function measureWay(
  name: string,
  bytes: number,
  { command = Deno.execPath(), args }: { command?: string; args: readonly string[] },
): Promise<void> {
  const home = await Deno.makeTempDir({ dir: folder });
  const env = { ...await cacheIn(home), ELASTIK_PORT: "0" };
  const start: StartOptions = { command, args, cwd: home, env };
  const first = await measureStart(start);
  const again: number[] = [];
  for (let i = 0; i < STARTS; i++) again.push(await measureStart(start));
  console.log(
    `| ${name} | ${mib(bytes)} | ${Math.round(first)} ms | ${Math.round(median(again))} ms |`,
  );
}

/** Returns the milliseconds from the start of the process to a response with a world. */
async function measureStart(start: StartOptions): Promise<number> {
  const begin = performance.now();
  const program = await startProgram(start);
  const { status } = await ask(`${program.url}/usr/share/doc/http.md?raw`);
  const found = performance.now() - begin;
  await program.stop();
  if (status !== 200) throw new Error(`Cannot measure: ${start.command} answers ${status}`);
  return found;
}

/** Measures the compiled program, if it can be compiled on this computer. */
async function measureBinary(script: string): Promise<void> {
  const output = `${folder}/elastik`;
  try {
    await compile({ bundle: script, output });
    await measureWay("one program, `elastik`", Deno.statSync(output).size, {
      command: output,
      args: [],
    });
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    const runtime = Deno.statSync(Deno.execPath()).size;
    console.log(
      `| one program | below ${mib(runtime)} | not compiled here: ${error.message} | |`,
    );
  }
}

function sizeOf(parts: readonly string[]): number {
  const { stdout } = new Deno.Command("du", {
    args: ["--bytes", "--total", "--summarize", ...parts],
    cwd: ROOT,
  }).outputSync();
  return Number(/^(\d+)\s+total$/m.exec(decoder.decode(stdout))?.[1]);
}

async function sendFile(request: Request): Promise<Response> {
  const path = decodeURIComponent(new URL(request.url).pathname);
  try {
    const body = await Deno.readFile(`${ROOT}${path}`);
    const type = path.endsWith(".ts") ? "application/typescript" : "text/plain";
    return new Response(body, { headers: { "content-type": type } });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Response(null, { status: 404 });
    throw error;
  }
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
