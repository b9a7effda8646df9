/**
 * `deno task bench`: the machine beside its own limits, measured in the same run and in turn, so that
 * a slow minute slows both. Needs `wrk`. The data lies on the disk of `ELASTIK_BENCH_DIR` or the
 * temporary folder, which must be a real disk for the write figures to mean anything.
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
    dir: Deno.env.get("ELASTIK_BENCH_DIR") ?? "/tmp",
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

/** Many new worlds, 32 at a time. */
async function fill(server: Server, from: number, to: number): Promise<void> {
  let next = from;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (next < to) {
      const i = next++;
      await put(server, `many/${Math.floor(i / 10)}/${i % 10}`);
    }
  }));
}

async function commitLoop(seconds: number): Promise<number> {
  const file = new URL("./commit_loop.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", file, String(seconds)],
  }).output();
  return Number(new TextDecoder().decode(stdout));
}

/** Reads and writes at 32 connections beside the constant server and the commit loop. */
async function throughput(): Promise<void> {
  const data = temp();
  await using machine = await startServer(data);
  await put(machine, "hot");
  const sample = await fetch(`${machine.url}/home/hot?raw`);
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
  const idle: number[] = [];
  for (const server of [constant, machine]) {
    await load(`${server.url}/home/hot?raw`, { seconds: 1 });
  }
  await load(machine.url, { seconds: 1, script: PUT_50 });
  for (let round = 0; round < ROUNDS; round++) {
    found.constant?.push((await load(`${constant.url}/`)).perSecond);
    const raw = await load(`${machine.url}/home/hot?raw`);
    found.raw?.push(raw.perSecond);
    idle.push(raw.p99);
    found.json?.push((await load(`${machine.url}/home/hot`)).perSecond);
    const same = { headers: { "If-None-Match": tag } };
    found.same?.push((await load(`${machine.url}/home/hot?raw`, same)).perSecond);
    found.commits?.push(await commitLoop(2));
    found.puts?.push((await load(machine.url, { script: PUT_50 })).perSecond);
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
  const storm = load(machine.url, { seconds: 4, script: PUT_50 });
  const during = await load(`${machine.url}/home/hot?raw`, { connections: 8, seconds: 3 });
  const calm = await load(`${machine.url}/home/hot?raw`, { connections: 8, seconds: 3 });
  await storm;
  const alone = await load(`${machine.url}/home/hot?raw`, { connections: 8, seconds: 3 });
  void calm;
  report({
    what: "reads' p99 during the PUT storm, beside idle",
    found: during.p99,
    unit: "ms",
    limit: alone.p99,
    aim: "<= 3",
  });
  const fresh = await load(machine.url, { script: PUT_NEW });
  report({ what: "first PUT of new worlds", found: fresh.perSecond, unit, aim: ">= 1000" });
  await machine.stop();
  await Deno.remove(data, { recursive: true });
}

/** Listings and starts among many worlds. */
async function scale(): Promise<void> {
  const data = temp();
  let few = 0;
  {
    await using machine = await startServer(data);
    await fill(machine, 0, 1000);
    few = (await load(`${machine.url}/home/many/7/`)).perSecond;
    await fill(machine, 1000, 20_000);
    const many = (await load(`${machine.url}/home/many/7/`)).perSecond;
    report({
      what: "listing of 10 among 1,000 beside 20,000 worlds",
      found: few,
      unit: "req/s",
      limit: many,
      aim: "<= 1.3",
    });
  }
  const starts: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using machine = await startServer(data, {}, "/home/many/7/3?raw");
    starts.push(machine.startMs);
  }
  report({
    what: "start with 20,000 worlds to the first 200",
    found: median(starts),
    unit: "ms",
    aim: "<= 1000",
  });
  await Deno.remove(data, { recursive: true });
}

/** 500 subscribers of one world. */
async function subscribers(): Promise<void> {
  const data = temp();
  await using machine = await startServer(data);
  await put(machine, "watched");
  const count = 500;
  const told: number[] = [];
  const abort = new AbortController();
  let ready = 0;
  const listening = Array.from({ length: count }, async () => {
    const answer = await fetch(`${machine.url}/stream/home/watched`, { signal: abort.signal });
    const reader = answer.body?.getReader();
    await reader?.read();
    ready += 1;
    for (;;) {
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return;
      told.push(performance.now());
    }
  });
  while (ready < count) await new Promise((resolve) => setTimeout(resolve, 10));
  const spans: number[] = [];
  for (let round = 0; round < 5; round++) {
    told.length = 0;
    await put(machine, "watched", `${BODY}${round}`);
    const acknowledged = performance.now();
    while (told.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
    spans.push(Math.max(0, Math.max(...told) - acknowledged));
  }
  report({
    what: "500 subscribers told after the acknowledgement",
    found: median(spans),
    unit: "ms",
    aim: "<= 15",
  });
  const before = machine.cpu();
  await new Promise((resolve) => setTimeout(resolve, 5000));
  report({
    what: "processor of 500 idle streams",
    found: (machine.cpu() - before) / 5 * 100,
    unit: "% of a core",
    aim: "<= 1",
  });
  abort.abort();
  await Promise.allSettled(listening);
  await machine.stop();
  await Deno.remove(data, { recursive: true });
}

/** Cold start and memory of a machine nobody uses. */
async function idle(): Promise<void> {
  const data = temp();
  const starts: number[] = [];
  for (let round = 0; round < 5; round++) {
    await using machine = await startServer(data);
    starts.push(machine.startMs);
  }
  report({
    what: "cold start to the first answer",
    found: median(starts),
    unit: "ms",
    aim: "<= 150",
  });
  await using machine = await startServer(data);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  report({ what: "resident memory, idle", found: machine.rss() / 1e6, unit: "MB", aim: "<= 100" });
  await put(machine, "one");
  await put(machine, "two");
  report({ what: "resident memory, both writers running", found: machine.rss() / 1e6, unit: "MB" });
  await machine.stop();
  await Deno.remove(data, { recursive: true });
}

if (import.meta.main) {
  const parts: Record<string, () => Promise<void>> = { throughput, scale, subscribers, idle };
  const asked = Deno.args.length === 0 ? Object.keys(parts) : Deno.args;
  for (const name of asked) await parts[name]?.();
}
