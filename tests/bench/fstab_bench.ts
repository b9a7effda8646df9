/**
 * A mounted file over HTTP compared with a constant `Deno.serve` of the same bytes, under load in turn,
 * and with a plugin that sends the file through its own process: the cost of a mount without
 * `env.files.respond`. Then listings and appends. Needs `wrk` (Debian's package).
 *
 * `deno run -A tests/bench/fstab_bench.ts [seconds per measurement]`
 */

import { ROOT } from "../project/program.ts";
import { load } from "./load.ts";
import { startConstant, startServer } from "./process.ts";
import { median, report } from "./report.ts";

const SECONDS = Number(Deno.args[0] ?? 2);
const ROUNDS = 5;
const SIZE = 4 * 1024 * 1024;
const SMALL = 4096;
const ENTRIES = 1000;
const APPROVE = { authorization: "Bearer bench-approve-token" };
const MIB = 1024 * 1024;

const folder = await Deno.makeTempDir({ prefix: "elastik-fstab-bench-" });
try {
  await measure();
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function measure(): Promise<void> {
  const files = `${folder}/files`;
  await Deno.mkdir(`${files}/many`, { recursive: true });
  await Deno.writeFile(`${files}/large.bin`, new Uint8Array(SIZE).fill(65));
  await Deno.writeFile(`${files}/small.bin`, new Uint8Array(SMALL).fill(65));
  for (let i = 0; i < ENTRIES; i++) await Deno.writeTextFile(`${files}/many/file-${i}.txt`, "x");
  const env = { ELASTIK_APPROVE_TOKEN: "bench-approve-token" };
  await using server = await startServer(`${folder}/data`, env);
  const type = { "content-type": "application/octet-stream" };
  await using large = await startConstant(SIZE, type);
  await using small = await startConstant(SMALL, type);
  await put(`${server.url}/etc/fstab`, `${files} /mnt/bench rw\n`);
  await install(server.url, "fstab", await Deno.readTextFile(`${ROOT}/plugins/fstab.ts`));
  await install(server.url, "through", readingPlugin(`${files}/large.bin`));

  const mount = `${server.url}/mnt/bench`;
  for (const connections of [1, 4]) {
    const found = await inTurn(connections, {
      limit: large.url,
      mount: `${mount}/large.bin`,
      through: `${server.url}/through`,
    });
    const rate = (name: string) => (found.get(name) ?? 0) * SIZE / MIB;
    const what = `4 MiB file, ${connections} connection${connections === 1 ? "" : "s"}`;
    report({ what, found: rate("mount"), unit: "MiB/s", limit: rate("limit"), aim: ">= 0.5" });
    const same = { what: "the same through the plugin's process", found: rate("through") };
    report({ ...same, unit: "MiB/s", limit: rate("limit") });
  }
  const part = await load(`${mount}/large.bin`, {
    connections: 32,
    seconds: SECONDS,
    headers: { range: "bytes=1000000-1004095" },
  });
  const found = await inTurn(32, { limit: small.url, mount: `${mount}/small.bin` });
  const limit = found.get("limit") ?? 0;
  const unit = "req/s";
  report({ what: "4 KiB file, 32 connections", found: found.get("mount") ?? 0, unit, limit });
  report({ what: "4 KiB of the 4 MiB file, by range", found: part.perSecond, unit, limit });
  const listing = await load(`${mount}/many/`, { connections: 4, seconds: SECONDS });
  report({ what: `listing of ${ENTRIES} files`, found: listing.perSecond, unit });
  const seen = await load(`${mount}/small.bin`, {
    seconds: SECONDS,
    headers: { "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT" },
  });
  report({ what: "not modified, 32 connections", found: seen.perSecond, unit });
  const append = await load(`${mount}/log`, {
    connections: 4,
    seconds: SECONDS,
    script: `wrk.method = "POST"\nwrk.body = string.rep("x", 200)`,
  });
  report({ what: "appends of 200 bytes to one file", found: append.perSecond, unit });
  report({
    what: "resident memory of the server at the end",
    found: server.rss() / MIB,
    unit: "MiB",
  });
}

/** Loads the URLs in turn for some rounds. Returns the median of the requests per second of each. */
async function inTurn(
  connections: number,
  urls: Readonly<Record<string, string>>,
): Promise<Map<string, number>> {
  const found = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, url] of Object.entries(urls)) {
      const { perSecond, errors } = await load(url, { connections, seconds: SECONDS });
      if (errors > 0) console.log(`${name}: ${errors} errors`);
      found.set(name, [...found.get(name) ?? [], perSecond]);
    }
  }
  return new Map([...found].map(([name, rates]) => [name, median(rates)]));
}

/** Returns the source of a plugin that reads a file and sends its bytes. */
function readingPlugin(path: string): string {
  return `export const routes = ["/through"];
export const permissions = { read: [${JSON.stringify(path)}] };
export default { async fetch(request, env) {
  return new Response(await env.files.stream(${JSON.stringify(path)}), {
    headers: { "content-length": "${SIZE}" },
  });
} };`;
}

async function install(url: string, name: string, source: string): Promise<void> {
  await put(`${url}/lib/${name}`, source);
  await put(`${url}/lib/${name}/state`, "active");
}

async function put(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: "PUT", body, headers: APPROVE });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Cannot measure: ${url} answered ${text}`);
}
