/**
 * Runs tests over HTTP against three servers over one PostgreSQL database: each request goes to a random
 * server. `deno task test:cluster` runs all files of http_suite_files.ts, `deno task test:cluster <files>`
 * some; `TEST_SEED` repeats a run. What cannot hold for a cluster is left out, and the output says why.
 */

import { initStore } from "../../lib/world/postgres/manage_store.ts";
import { openSession } from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { PostgresServers } from "../support/postgres_servers.ts";
import { TEST_CLUSTER } from "../support/test_cluster.ts";
import { KEY } from "../support/test_server.ts";
import { describeLeftOut, listSuiteFiles } from "./http_suite_files.ts";

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
  /** Whether the output is returned; otherwise it is that of this process. */
  readonly isQuiet?: boolean;
}

/** Runs files of tests, one after another, against a cluster. */
export async function runHttpSuite(
  files: readonly string[],
  { seed, titles, isQuiet = true }: SuiteOptions,
): Promise<SuiteRun> {
  const servers = await PostgresServers.start({ settings: { max_connections: "400" } });
  try {
    const database = await servers.createDatabase();
    const url = servers.url(database);
    const store = parseStoreUrl(url);
    const [host] = store.hosts;
    if (host === undefined) throw new Error("no host");
    const session = await openSession({ host, store });
    try {
      await initStore(session, { key: KEY });
    } finally {
      session.drop();
    }
    const filter = titles === undefined
      ? []
      : [`--filter=/^(?:${titles.map((title) => RegExp.escape(title)).join("|")})/`];
    const command = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--no-lock", ...filter, ...files],
      env: { [TEST_CLUSTER]: url, TEST_SEED: String(seed), NO_COLOR: "1" },
      stdin: "null",
      ...(isQuiet ? {} : { stdout: "inherit", stderr: "inherit" } as const),
    });
    if (!isQuiet) return { passed: (await command.spawn().status).success, output: "" };
    const { success, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return { passed: success, output: decoder.decode(stdout) + decoder.decode(stderr) };
  } finally {
    await servers.wipe();
  }
}

if (import.meta.main) {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`TEST_SEED=${seed}`);
  const isAll = Deno.args.length === 0;
  const files = isAll ? await listSuiteFiles(new URL("../../", import.meta.url)) : Deno.args;
  if (isAll) { for (const line of describeLeftOut()) console.log(line); }
  const { passed } = await runHttpSuite(files, { seed, isQuiet: false });
  Deno.exit(passed ? 0 : 1);
}
