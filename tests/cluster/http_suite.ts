/**
 * Runs tests over HTTP against three servers over one PostgreSQL database: each request goes to a random
 * server. `deno task test:cluster` runs all files of http_suite_files.ts, `deno task test:cluster <files>`
 * some; `TEST_SEED` repeats a run. Each file has a process of its own, so that one which fails or hangs
 * hides no other. What cannot hold for a cluster is left out, and the output says why. The last line has
 * the counts; the exit code is 0 if nothing failed, otherwise 1.
 */

import { initStore } from "../../lib/world/postgres/manage_store.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { openPatiently } from "../support/database_session.ts";
import { PostgresServers } from "../support/postgres_servers.ts";
import { TEST_CLUSTER } from "../support/test_cluster.ts";
import { KEY } from "../support/test_server.ts";
import { describeLeftOut, listSuiteFiles } from "./http_suite_files.ts";
import {
  addSuiteCounts,
  formatSuiteCounts,
  NO_COUNTS,
  readFileReport,
  type SuiteCounts,
} from "./suite_report.ts";

/** Longest run of one file, in milliseconds; a file that takes longer has failed. */
const FILE_MS = 900_000;

/** What a run of tests wrote, and whether all passed. */
export interface SuiteRun {
  readonly passed: boolean;
  readonly output: string;
}

/** How {@link runHttpSuite} runs. */
export interface SuiteOptions {
  readonly seed: number;
  /** Beginnings of the titles of the tests that run; by default all of the files. */
  readonly titles?: readonly string[];
}

/** Runs files of tests in one process against a cluster, one after another. */
export function runHttpSuite(
  files: readonly string[],
  { seed, titles }: SuiteOptions,
): Promise<SuiteRun> {
  const filter = titles === undefined
    ? []
    : [`--filter=/^(?:${titles.map((title) => RegExp.escape(title)).join("|")})/`];
  return withDatabase((url) => runTests(url, seed, [...filter, ...files]));
}

/** Calls a function with the `ELASTIK_STORE` of a prepared database, which the test servers copy. */
async function withDatabase<T>(run: (url: string) => Promise<T>): Promise<T> {
  const servers = await PostgresServers.start({ settings: { max_connections: "400" } });
  try {
    const url = servers.url(await servers.createDatabase());
    const store = parseStoreUrl(url);
    const [host] = store.hosts;
    if (host === undefined) throw new Error("no host");
    const session = await openPatiently({ host, store });
    try {
      await initStore(session, { key: KEY });
    } finally {
      session.drop();
    }
    return await run(url);
  } finally {
    await servers.wipe();
  }
}

async function runTests(
  url: string,
  seed: number,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<SuiteRun> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--no-lock", ...args],
    env: { [TEST_CLUSTER]: url, TEST_SEED: String(seed), NO_COLOR: "1" },
    stdin: "null",
    ...(signal === undefined ? {} : { signal }),
  }).output();
  const decoder = new TextDecoder();
  return { passed: success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs each file in a process of its own, and writes a line for each. */
async function runFiles(files: readonly string[], seed: number): Promise<SuiteCounts> {
  return await withDatabase(async (url) => {
    let total = NO_COUNTS;
    const failed: string[] = [];
    for (const [at, file] of files.entries()) {
      const start = Date.now();
      const limit = AbortSignal.timeout(FILE_MS);
      const { passed, output } = await runTests(url, seed, [file], limit);
      const report = readFileReport(output, passed);
      total = addSuiteCounts(total, report);
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      console.log(
        `[${at + 1}/${files.length}] ${file}: ${formatSuiteCounts(report)} (${seconds} s)`,
      );
      for (const reason of report.reasons) console.log(`  left out: ${reason}`);
      for (const reason of report.pinned) console.log(`  at one server: ${reason}`);
      if (passed) continue;
      failed.push(file);
      console.log(limit.aborted ? `${output}\nended after ${FILE_MS} ms` : output);
    }
    for (const file of failed) console.log(`failed: ${file}`);
    return total;
  });
}

if (import.meta.main) {
  const start = Date.now();
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`TEST_SEED=${seed}`);
  const isAll = Deno.args.length === 0;
  const files = isAll ? await listSuiteFiles(new URL("../../", import.meta.url)) : Deno.args;
  if (isAll) { for (const line of describeLeftOut()) console.log(line); }
  const counts = await runFiles(files, seed);
  const seconds = Math.round((Date.now() - start) / 1000);
  console.log(`${formatSuiteCounts(counts)} in ${files.length} files (${seconds} s)`);
  Deno.exit(counts.failed === 0 ? 0 : 1);
}
