/**
 * Search over many worlds of 2 KB, and what the index costs writes. The reference of a write is a body
 * that is not text, which the index does not take. The number of worlds is the first argument, 10,000
 * by default. Needs `wrk`.
 */

import { createRandom } from "../support/random.ts";
import { load } from "./load.ts";
import { type Server, startServer } from "./process.ts";
import { median, report } from "./report.ts";

const WORLDS = Number(Deno.args[0] ?? 10_000);
const FOLDERS = 10;
const CONCURRENT = 64;
const ROUNDS = 3;
const REPEATS = 21;
/** Common and rare texts, short and long ones, and texts that no world contains. */
const TEXTS = ["the", "capability", "webdav lock", "id123", "zqxzqx", "e", "zq", "水"];

const ROOT = new URL("../../worlds/usr/share/doc/", import.meta.url);

/** Creates texts of 2 KB from the words of the manual. */
function createTexts(): () => string {
  const pages = [...Deno.readDirSync(ROOT)].filter(({ name }) => name.endsWith(".md"));
  const words = pages.map(({ name }) => Deno.readTextFileSync(new URL(name, ROOT))).join(" ")
    .split(/\s+/);
  const random = createRandom(14);
  return () => {
    let text = "";
    while (text.length < 2048) {
      const at = Math.floor(random() * (words.length - 12));
      text += `${words.slice(at, at + 12).join(" ")} id${Math.floor(random() * 1e6)}\n`;
    }
    return text;
  };
}

async function fill(server: Server): Promise<void> {
  const next = createTexts();
  let at = 0;
  await Promise.all(Array.from({ length: CONCURRENT }, async () => {
    while (at < WORLDS) {
      const name = at++;
      const target = `${server.url}/home/f${name % FOLDERS}/${name}`;
      const { ok, body } = await fetch(target, { method: "PUT", body: next() });
      await body?.cancel();
      if (!ok) throw new Error(`PUT ${target} failed`);
    }
  }));
}

async function readMetric(server: Server, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/proc/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

/** Median time of a search in milliseconds; each waits for the one before. */
async function time(server: Server, folder: string, text: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const start = performance.now();
    const target = `${server.url}/proc/search/${folder}?q=${encodeURIComponent(text)}`;
    const answer = await fetch(target);
    await answer.text();
    if (!answer.ok) throw new Error(`${target} answered ${answer.status}`);
    times.push(performance.now() - start);
  }
  return median(times);
}

/** Lua for wrk: PUT of a body to 200 names in turn, of text or of bytes that are not UTF-8. */
function writeScript(body: string, kind: "text" | "bytes"): string {
  return `wrk.method = "PUT"
local body = ${kind === "bytes" ? '"\\255" .. ' : ""}${JSON.stringify(body)}
local n = 0
request = function()
  n = (n + 1) % 200
  return wrk.format(nil, "/home/put/" .. n, nil, body .. n)
end`;
}

const data = Deno.makeTempDirSync();
try {
  let begin = performance.now();
  {
    await using server = await startServer(`${data}/d`);
    await fill(server);
    console.log(`${WORLDS} worlds written in ${Math.round(performance.now() - begin)} ms`);
    await time(server, "", "zqxzqx");
    begin = performance.now();
    while (await readMetric(server, "elastik_search_waiting_chars") > 0) {
      await new Promise((resume) => setTimeout(resume, 100));
    }
    report({ what: "full-text index", found: performance.now() - begin, unit: "ms" });
    for (const text of TEXTS) {
      const what = `GET /proc/search/?q=${text}`;
      report({ what, found: await time(server, "", text), unit: "ms p50", aim: "<= 20" });
    }
    const what = "GET /proc/search/home/f3/?q=capability";
    const found = await time(server, "home/f3/", "capability");
    report({ what, found, unit: "ms p50", aim: "<= 20" });
    const bytes = await readMetric(server, "elastik_search_index_bytes");
    report({ what: "search index per world", found: bytes / WORLDS, unit: "bytes" });
    const puts = { text: [] as number[], bytes: [] as number[] };
    const text = createTexts()();
    for (let round = 0; round < ROUNDS; round++) {
      for (const kind of ["bytes", "text"] as const) {
        const script = writeScript(text, kind);
        puts[kind].push((await load(server.url, { script })).perSecond);
      }
    }
    report({
      what: "PUT of text while the index follows, of bytes",
      found: median(puts.text),
      limit: median(puts.bytes),
      unit: "/s",
      aim: ">= 0.9",
    });
    await server.stop("SIGTERM");
  }
  begin = performance.now();
  await using again = await startServer(`${data}/d`);
  report({ what: "start to the first response", found: again.startMs, unit: "ms", aim: "<= 1000" });
  await time(again, "", "zqxzqx");
  report({ what: "start to the first search", found: performance.now() - begin, unit: "ms" });
  await again.stop("SIGKILL");
  await Deno.remove(`${data}/d/.search.db`);
  begin = performance.now();
  await using rebuilt = await startServer(`${data}/d`);
  while ((await fetch(`${rebuilt.url}/proc/search/?q=zqxzqx`)).status !== 200);
  report({ what: "start to a search, index lost", found: performance.now() - begin, unit: "ms" });
} finally {
  Deno.removeSync(data, { recursive: true });
}
