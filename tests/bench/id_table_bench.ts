/**
 * The cost of a request to a plugin with `lib/plugin/wire/id_table.ts` and with a `Map` in its place:
 * two servers, one from this checkout and one from a copy, under load in turn. A loop over only
 * the tables does not show the difference: the cost comes from entries that survive in old tables.
 * Run: `deno run -A tests/bench/id_table_bench.ts`
 */

import { cp } from "node:fs/promises";
import { cpuTicks, processTree } from "../faults/hostile/attacked_server.ts";
import { type Program, ROOT, startProgram } from "../project/program.ts";
import { load } from "./load.ts";
import { median, report } from "./report.ts";

const SECONDS = 8;
const ROUNDS = 4;
const APPROVE_TOKEN = "bench-approve-token";
const MAP_TABLE = `/** The same interface on a Map. */
export class IdTable<T extends { readonly id: number }> {
  readonly #map = new Map<number, T>();
  get size(): number {
    return this.#map.size;
  }
  get(id: number): T | undefined {
    return this.#map.get(id);
  }
  has(id: number): boolean {
    return this.#map.has(id);
  }
  add(entry: T): void {
    this.#map.set(entry.id, entry);
  }
  delete(id: number): boolean {
    return this.#map.delete(id);
  }
  values(): T[] {
    return [...this.#map.values()];
  }
}
`;

/** Starts a server from a source folder, with the example plugin. */
async function start(root: string, data: string): Promise<Program> {
  const program = await startProgram({
    command: Deno.execPath(),
    args: ["run", "-A", "--config", `${root}/deno.json`, `${root}/main.ts`],
    cwd: root,
    env: { ELASTIK_PORT: "0", ELASTIK_DATA: data, ELASTIK_APPROVE_TOKEN: APPROVE_TOKEN },
  });
  const headers = { authorization: `Bearer ${APPROVE_TOKEN}` };
  const source = await Deno.readTextFile(`${ROOT}/plugins/example.ts`);
  for (
    const [path, body] of [["/lib/example", source], ["/lib/example/state", "active"]] as const
  ) {
    const response = await fetch(program.url + path, { method: "PUT", body, headers });
    if (!response.ok) throw new Error(`PUT ${path} answered ${response.status}`);
    await response.body?.cancel();
  }
  await load(`${program.url}/example/x`, { seconds: 3 });
  return program;
}

/** Microseconds of processor time of one request, of the server and the plugin together. */
async function measure({ url, pid }: Program): Promise<number> {
  const pids = processTree(pid);
  const before = cpuTicks(pids);
  const { perSecond } = await load(`${url}/example/x`, { seconds: SECONDS });
  return (cpuTicks(pids) - before) * 10_000 / (perSecond * SECONDS);
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "elastik-bench-" });
  const programs: [string, Program][] = [];
  try {
    for (
      const part of ["main.ts", "deno.json", "README.md", "LICENSE", "lib", "plugins", "worlds"]
    ) {
      await cp(`${ROOT}/${part}`, `${folder}/${part}`, { recursive: true });
    }
    await Deno.writeTextFile(`${folder}/lib/plugin/wire/id_table.ts`, MAP_TABLE);
    programs.push(["IdTable", await start(ROOT, `${folder}/data-1`)]);
    programs.push(["Map", await start(folder, `${folder}/data-2`)]);
    const found = new Map<string, number[]>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, program] of programs) {
        found.set(name, [...found.get(name) ?? [], await measure(program)]);
      }
    }
    for (const [name, all] of found) {
      report({ what: `request to a plugin, with ${name}`, found: median(all), unit: "us CPU" });
    }
  } finally {
    for (const [, program] of programs) await program.stop("SIGKILL");
    await Deno.remove(folder, { recursive: true });
  }
}
