/**
 * The cost of `/shaped/` without a generation: requests per second of a cached shape, compared with the
 * example plugin, under load in turn. Then the number of generations for a hundred simultaneous requests
 * for one new shape. Prints figures, asserts nothing.
 *
 * `deno run -A tests/bench/semantic_bench.ts [seconds per measurement]`
 */

import { SCRIPTED } from "../plugins/shaper.ts";
import { fromCheckout, ROOT, startProgram } from "../project/program.ts";
import { load } from "./load.ts";
import { median, report } from "./report.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SECONDS = Number(Deno.args[0] ?? 3);
const ROUNDS = 5;
const CALLERS = 100;
const TOKEN = "bench-approve-token";
const APPROVE = { authorization: `Bearer ${TOKEN}` };
const PLAIN = { accept: "text/plain" };
const HEADERS = { "accept": "text/plain", "x-semantic-intent": "bench" };

await withTempFolder(async (folder) => {
  const server = await startProgram(fromCheckout(folder, [], { ELASTIK_APPROVE_TOKEN: TOKEN }));
  try {
    await measure(server.url);
  } finally {
    await server.stop("SIGKILL");
  }
});

async function measure(url: string): Promise<void> {
  await put(`${url}/home/x`, "A world of some length. ".repeat(100));
  await install(url, "gpu", SCRIPTED);
  for (const name of ["example", "semantic"]) {
    await install(url, name, await Deno.readTextFile(`${ROOT}/plugins/${name}.ts`));
  }
  await script(url, [{ tokens: ["A shape of some length. ".repeat(8)] }]);
  const shape = `${url}/shaped/home/x`;
  const servers: readonly [string, string, Record<string, string>][] = [
    ["example", `${url}/example/x`, {}],
    ["shaped", shape, HEADERS],
    ["head", shape, { ...HEADERS, "if-none-match": await tagOf(shape) }],
  ];
  for (const [, at, headers] of servers) await load(at, { seconds: 1, headers });
  const found = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, at, headers] of servers) {
      const { perSecond, errors } = await load(at, { seconds: SECONDS, headers });
      if (errors > 0) console.log(`${name}: ${errors} errors`);
      found.set(name, [...found.get(name) ?? [], perSecond]);
    }
  }
  const of = (name: string) => median(found.get(name) ?? []);
  const unit = "req/s";
  const limit = of("example");
  report({ what: "example plugin, 32 connections", found: limit, unit });
  report({
    what: "a cached shape, 32 connections",
    found: of("shaped"),
    unit,
    limit,
    aim: ">= 0.6",
  });
  report({ what: "the same, 304", found: of("head"), unit, limit });
  await measureSimultaneous(url);
}

/** Requests one new shape by a hundred callers at the same time. */
async function measureSimultaneous(url: string): Promise<void> {
  const before = await countCalls(url);
  const start = performance.now();
  const answers = await Promise.all(Array.from({ length: CALLERS }, async () => {
    const answer = await fetch(`${url}/shaped/home/x?intent=together`, { headers: PLAIN });
    await answer.text();
    return answer.status;
  }));
  const ms = performance.now() - start;
  const failed = answers.filter((status) => status !== 200).length;
  if (failed > 0) console.log(`${failed} of ${CALLERS} failed`);
  const generations = (await countCalls(url)) - before;
  report({
    what: `generations for ${CALLERS} simultaneous requests`,
    found: generations,
    unit: "",
    aim: "<= 1",
  });
  report({ what: "until all are answered", found: ms, unit: "ms" });
}

async function tagOf(shape: string): Promise<string> {
  const answer = await fetch(shape, { headers: HEADERS });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Cannot GET ${shape}: ${text}`);
  return answer.headers.get("etag") ?? "";
}

/** Returns the number of calls that the scripted model received. */
async function countCalls(url: string): Promise<number> {
  return (await script(url, [])).calls.length;
}

async function script(url: string, scripts: unknown[]): Promise<{ calls: unknown[] }> {
  const init = { method: "POST", headers: APPROVE, body: JSON.stringify(scripts) };
  return await (await fetch(`${url}/dev/gpu/script`, init)).json();
}

async function install(url: string, name: string, source: string): Promise<void> {
  await put(`${url}/lib/${name}`, source);
  await put(`${url}/lib/${name}/state`, "active");
}

async function put(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: "PUT", headers: APPROVE, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Cannot PUT ${url}: ${text}`);
}
