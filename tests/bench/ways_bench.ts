/**
 * The ways to run, compared: seconds to the first response with an empty cache of compiled code, and
 * again; and the size of the program. It prints the table of running.md. Packages are downloaded before,
 * because the network is not measured.
 *
 * `deno run -A tests/bench/ways_bench.ts [command that starts another way]`
 */

import { bundle } from "../../lib/tools/bundle.ts";
import { compile, CompileError } from "../../lib/tools/compile.ts";
import { ask, cacheIn, ROOT, type Start, startProgram } from "../project/program.ts";
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
  await way("checkout, `deno task start`", sizeOf(PARTS), {
    args: ["run", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
  });
  await way("URL, `deno run … https://…/main.ts`", sizeOf(PARTS), {
    args: [...FLAGS, `http://127.0.0.1:${files.addr.port}/main.ts`],
  });
  const script = `${folder}/elastik.js`;
  await way("one file, `elastik.js`", await bundle(script), { args: [...FLAGS, script] });
  await binary(script);
} finally {
  await files.shutdown();
  await Deno.remove(folder, { recursive: true });
}

/** Measures one way and prints its line. */
async function way(
  name: string,
  bytes: number,
  { command = Deno.execPath(), args }: { command?: string; args: readonly string[] },
): Promise<void> {
  const here = await Deno.makeTempDir({ dir: folder });
  const env = { ...await cacheIn(here), ELASTIK_PORT: "0" };
  const start: Start = { command, args, cwd: here, env };
  const first = await startMs(start);
  const again: number[] = [];
  for (let i = 0; i < STARTS; i++) again.push(await startMs(start));
  console.log(
    `| ${name} | ${mib(bytes)} | ${Math.round(first)} ms | ${Math.round(median(again))} ms |`,
  );
}

/** Milliseconds from the start of the process to an answer that read a world. */
async function startMs(start: Start): Promise<number> {
  const begin = performance.now();
  const program = await startProgram(start);
  const { status } = await ask(`${program.url}/usr/share/doc/http.md?raw`);
  const found = performance.now() - begin;
  await program.stop();
  if (status !== 200) throw new Error(`Cannot measure: it answers ${status}`);
  return found;
}

async function binary(script: string): Promise<void> {
  const output = `${folder}/elastik`;
  try {
    await compile({ bundle: script, output });
    await way("one program, `elastik`", Deno.statSync(output).size, { command: output, args: [] });
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    const runtime = Deno.statSync(Deno.execPath()).size;
    console.log(
      `| one program | below ${mib(runtime)} | not made here: ${error.message} | |`,
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
