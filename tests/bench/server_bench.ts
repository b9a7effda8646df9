/**
 * `deno task bench`: the server compared with the limits of runtime and disk, under load in turn, so
 * that other load on the computer affects both. Needs `wrk`. The data folder is in `BENCH_DIR`,
 * otherwise in `/tmp`; the write figures are valid only if that is a disk.
 */

import { load } from "./load.ts";
import { type Server, startConstant, startServer } from "./process.ts";
import { median, report } from "./report.ts";

const ROUNDS = 3;
const BODY = "x".repeat(200);
const PUT_50 = `local n = 0
request = function() n = n + 1
  return wrk.format("PUT", "/home/p/n" .. (n % 50), {["Content-Type"] = "text/plain"}, string.rep("x", 200))
end`;
const PUT_NEW = `local n = 0
request = function() n = n + 1
  return wrk.format("PUT", "/home/new/" .. os.time() .. "-" .. n, {["Content-Type"] = "text/plain"}, string.rep("x", 200))
end`;

function temp(): string {
  return Deno.makeTempDirSync({
    dir: Deno.env.get("BENCH_DIR") ?? "/tmp",
    prefix: "elastik-bench-",
  });
}

async function put(server: Server, name: string, body = BODY): Promise<void> {
  const answer = await fetch(`${server.url}/home/${name}`, {
    method: "PUT",
    body,
    headers: { "content-type": "text/plain" },
  });
  await answer.body?.cancel();
}

/** Stores many new worlds, 32 at a time. */
async function fill(server: Server, from: number, to: number): Promise<void> {
  let next = from;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (next < to) {
      const i = next++;
      await put(server, `many/${Math.floor(i / 10)}/${i % 10}`);
    }
  }));
}

/** Runs the commit loop in its own process. Returns commits per second. */
async function commitLoop(seconds: number): Promise<number> {
  const file = new URL("./commit_loop.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", file, String(seconds)],
  }).output();
  return Number(new TextDecoder().decode(stdout));
}

/** Reads and writes with 32 connections, compared with the constant server and the commit loop. */
async function throughput(): Promise<void> {
  const data = temp();
  await using server = await startServer(data);
  await put(server, "hot");
  const sample = await fetch(`${server.url}/home/hot?raw`);
  await sample.body?.cancel();
  const headers = Object.fromEntries(
    [...sample.headers].filter(([name]) => name !== "date" && name !== "content-length"),
  );
  await using constant = await startConstant(BODY.length, headers);
  const tag = sample.headers.get("etag") ?? "";
  const found = { constant: [], raw: [], json: [], same: [], puts: [], commits: [] } as Record<
    string,
    number[]
  >;
  for (const warmed of [constant, server]) {
    await load(`${warmed.url}/home/hot?raw`, { seconds: 1 });
  }
  await load(server.url, { seconds: 1, script: PUT_50 });
  for (let round = 0; round < ROUNDS; round++) {
    found.constant?.push((await load(`${constant.url}/`)).perSecond);
    found.raw?.push((await load(`${server.url}/home/hot?raw`)).perSecond);
    found.json?.push((await load(`${server.url}/home/hot`)).perSecond);
    const same = { headers: { "If-None-Match": tag } };
    found.same?.push((await load(`${server.url}/home/hot?raw`, same)).perSecond);
    found.commits?.push(await commitLoop(2));
    found.puts?.push((await load(server.url, { script: PUT_50 })).perSecond);
  }
  const of = (key: string) => median(found[key] ?? []);
  const limit = of("constant");
  const unit = "req/s";
  report({ what: "hot read ?raw, 200 B", found: of("raw"), unit, limit, aim: ">= 0.7" });
  report({ what: "hot read JSON", found: of("json"), unit, limit, aim: ">= 0.6" });
  report({ what: "304", found: of("same"), unit, limit, aim: ">= 0.7" });
  report({
    what: "PUT over 50 names",
    found: of("puts"),
    unit,
    limit: of("commits"),
    aim: ">= 1.0",
  });
  const writes = load(server.url, { seconds: 4, script: PUT_50 });
  const during = await load(`${server.url}/home/hot?raw`, { connections: 8, seconds: 3 });
  await writes;
  const without = await load(`${server.url}/home/hot?raw`, { connections: 8, seconds: 3 });
  report({
    what: "p99 of reads during PUTs, compared with none",
    found: during.p99,
    unit: "ms",
    limit: without.p99,
    aim: "<= 3",
  });
  const fresh = await load(server.url, { script: PUT_NEW });
  report({ what: "first PUT of new worlds", found: fresh.perSecond, unit, aim: ">= 1000" });
  await server.stop();
  await Deno.remove(data, { recursive: true });
}

/** A JSON text of about 2 KB, of which each edit changes one of the members `n0` to `n49`. */
const BOARD = JSON.stringify(
  Object.fromEntries([
    ...Array.from({ length: 50 }, (_, i) => [`n${i}`, 100_000]),
    ["text", "x".repeat(1200)],
  ]),
  null,
  2,
);

/** The script of `wrk` that sends one request to each of 50 worlds in turn. */
function editScript(method: string, type: string, body: string): string {
  return `local n = 0
request = function() n = n + 1
  local i, value = n % 50, tostring(100000 + n % 900000)
  return wrk.format("${method}", "/home/e/n" .. i, {["Content-Type"] = "${type}"}, ${body})
end`;
}

/** PATCH of a small part of a text of 2 KB, compared with PUT of the text, in turn. */
async function edits(): Promise<void> {
  const data = temp();
  await using server = await startServer(data);
  for (let i = 0; i < 50; i++) await put(server, `e/n${i}`, BOARD);
  const lua = (text: string) => JSON.stringify(text);
  const [before = ""] = BOARD.split("100000", 1);
  const rest = BOARD.slice(before.length + "100000".length);
  const scripts: Readonly<Record<string, string>> = {
    put: editScript("PUT", "application/json", `${lua(before)} .. value .. ${lua(rest)}`),
    merge: editScript(
      "PATCH",
      "application/merge-patch+json",
      `'{"n7":' .. value .. '}'`,
    ),
    patch: editScript(
      "PATCH",
      "application/json-patch+json",
      `'[{"op":"replace","path":"/n7","value":' .. value .. '}]'`,
    ),
    text: editScript(
      "PATCH",
      "application/json",
      `'{"line":9,"replace":"  \\\\"n7\\\\": ' .. value .. ',"}'`,
    ),
  };
  const found: Record<string, number[]> = {};
  for (const script of Object.values(scripts)) await load(server.url, { seconds: 1, script });
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, script] of Object.entries(scripts)) {
      const { perSecond, errors } = await load(server.url, { script });
      if (errors > 0) throw new Error(`${kind}: ${errors} errors`);
      (found[kind] ??= []).push(perSecond);
    }
  }
  const limit = median(found.put ?? []);
  const kinds = { merge: "JSON merge patch", patch: "JSON patch", text: "one line" };
  for (const [kind, what] of Object.entries(kinds)) {
    report({
      what: `PATCH of 2 KB, ${what}, compared with PUT`,
      found: median(found[kind] ?? []),
      unit: "req/s",
      limit,
      aim: ">= 0.8",
    });
  }
  await server.stop();
  await Deno.remove(data, { recursive: true });
}

/** Listings and starts with many worlds. */
async function scale(): Promise<void> {
  const data = temp();
  let few = 0;
  {
    await using server = await startServer(data);
    await fill(server, 0, 1000);
    few = (await load(`${server.url}/home/many/7/`)).perSecond;
    await fill(server, 1000, 20_000);
    const many = (await load(`${server.url}/home/many/7/`)).perSecond;
    report({
      what: "listing of 10, with 1,000 and 20,000 worlds",
      found: few,
      unit: "req/s",
      limit: many,
      aim: "<= 1.3",
    });
  }
  const starts: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using server = await startServer(data, {}, "/home/many/7/3?raw");
    starts.push(server.startMs);
  }
  report({
    what: "start with 20,000 worlds to the first status 200",
    found: median(starts),
    unit: "ms",
    aim: "<= 1000",
  });
  await Deno.remove(data, { recursive: true });
}

/** Notification of 500 subscribers of one world. */
async function subscribers(): Promise<void> {
  const data = temp();
  await using server = await startServer(data);
  await put(server, "watched");
  const count = 500;
  const received: number[] = [];
  const abort = new AbortController();
  let ready = 0;
  const listening = Array.from({ length: count }, async () => {
    const answer = await fetch(`${server.url}/stream/home/watched`, { signal: abort.signal });
    const reader = answer.body?.getReader();
    await reader?.read();
    ready += 1;
    for (;;) {
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return;
      received.push(performance.now());
    }
  });
  while (ready < count) await new Promise((resolve) => setTimeout(resolve, 10));
  const spans: number[] = [];
  for (let round = 0; round < 5; round++) {
    received.length = 0;
    await put(server, "watched", `${BODY}${round}`);
    const acknowledged = performance.now();
    while (received.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
    spans.push(Math.max(0, Math.max(...received) - acknowledged));
  }
  report({
    what: "500 subscribers notified after the PUT's response",
    found: median(spans),
    unit: "ms",
    aim: "<= 15",
  });
  const before = server.cpu();
  await new Promise((resolve) => setTimeout(resolve, 5000));
  report({
    what: "processor time of 500 idle streams",
    found: (server.cpu() - before) / 5 * 100,
    unit: "% of a core",
    aim: "<= 1",
  });
  abort.abort();
  await Promise.allSettled(listening);
  await server.stop();
  await Deno.remove(data, { recursive: true });
}

/** Start time and memory of a server without requests. */
async function idle(): Promise<void> {
  const data = temp();
  const starts: number[] = [];
  for (let round = 0; round < 5; round++) {
    await using server = await startServer(data);
    starts.push(server.startMs);
  }
  report({
    what: "start to the first response",
    found: median(starts),
    unit: "ms",
    aim: "<= 150",
  });
  await using server = await startServer(data);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  report({ what: "resident memory, idle", found: server.rss() / 1e6, unit: "MB", aim: "<= 100" });
  await put(server, "one");
  await put(server, "two");
  report({ what: "resident memory, both writers running", found: server.rss() / 1e6, unit: "MB" });
  await server.stop();
  await Deno.remove(data, { recursive: true });
}

if (import.meta.main) {
  const parts: Record<string, () => Promise<void>> = {
    throughput,
    edits,
    scale,
    subscribers,
    idle,
  };
  const names = Deno.args.length === 0 ? Object.keys(parts) : Deno.args;
  for (const name of names) await parts[name]?.();
}
