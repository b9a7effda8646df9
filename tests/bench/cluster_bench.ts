/**
 * `deno task bench:cluster`: nodes over PostgreSQL compared with raw `pgbench` in the same run. Reference
 * and nodes are under load in turn, so that other load on the computer affects both; only the ratios mean
 * something. It starts servers of its own: a primary with two synchronous standbys, and one server
 * alone. Needs `wrk` and PostgreSQL with `pgbench`. The figures of writes are valid only if the folder
 * for temporary files is on a disk.
 *
 * `deno task bench:cluster [--quick] [stores] [writes] [single] [reads] [long] [propagation] [start]`
 */

import { PostgresServers } from "../support/postgres_servers.ts";
import { initClusterStore } from "../cluster/cluster.ts";
import { openSession } from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { load } from "./load.ts";
import { PostgresCpu, PostgresReference } from "./postgres_reference.ts";
import { type Server, startServer } from "./process.ts";
import { median, report } from "./report.ts";
import { StoreNode } from "./store_node.ts";

const isQuick = Deno.args.includes("--quick");
const ROUNDS = isQuick ? 1 : 3;
const SECONDS = isQuick ? 2 : 3;
/** Runs before the first one that counts. */
const WARM_UPS = isQuick ? 1 : 4;
const NAMES = 50;
const BODY = "x".repeat(200);
const LONG_BYTES = 5 * 1024 * 1024;
const MANY_WORLDS = 100_000;
const SECRETS = {
  ELASTIK_KEY: "k3y-5ecret-of-the-test-cluster",
  ELASTIK_TOKEN: "t2-5ecret-of-the-test-cluster",
  ELASTIK_APPROVE_TOKEN: "t3-5ecret-of-the-test-cluster",
} as const;
const HEADERS = {
  authorization: `Bearer ${SECRETS.ELASTIK_TOKEN}`,
  "content-type": "text/plain",
} as const;

/** A group of PostgreSQL servers with its reference. */
interface Group {
  readonly servers: PostgresServers;
  readonly reference: PostgresReference;
  readonly cpu: PostgresCpu;
  readonly folder: string;
}

/** What one kind of load has found in each round. */
interface Found {
  readonly perSecond: number[];
  readonly p99: number[];
  /** Processor time for one request in microseconds. */
  readonly node: number[];
  readonly database: number[];
}

/** The script of `wrk` that puts to some of the worlds: those with `n % parts == part`. */
function putScript(pick: "turn" | "random", parts = 1, part = 0): string {
  const count = Math.ceil((NAMES - part) / parts);
  const next = pick === "turn" ? `n % ${count}` : `math.random(0, ${count - 1})`;
  return `local n = 0
math.randomseed(${part + 1})
local headers = {["Content-Type"] = "text/plain", ["Authorization"] = "${HEADERS.authorization}"}
local body = string.rep("x", ${BODY.length})
request = function() n = n + 1
  return wrk.format("PUT", "/home/p/n" .. (${next} * ${parts} + ${part}), headers, body)
end`;
}

/** Starts nodes over a new database of a group. */
async function startNodes({ servers, folder }: Group, names: readonly string[]): Promise<Server[]> {
  const store = servers.url(await servers.createDatabase());
  await initClusterStore(store, folder);
  const nodes: Server[] = [];
  // In turn: a start that shares the processors with others can miss the deadline of its first query.
  for (const name of names) nodes.push(await startNode(store, name, folder));
  return nodes;
}

function startNode(store: string, name: string, folder: string, path?: string): Promise<Server> {
  const env = { ...SECRETS, ELASTIK_STORE: store, ELASTIK_NODE: name };
  return startServer(`${folder}/${name}`, env, path);
}

async function stopAll(nodes: readonly Server[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
}

async function put(server: Server, name: string, body: string | Uint8Array<ArrayBuffer> = BODY) {
  const answer = await fetch(`${server.url}/home/${name}`, {
    method: "PUT",
    body,
    headers: HEADERS,
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`PUT /home/${name} answered ${answer.status}`);
}

function newFound(): Found {
  return { perSecond: [], p99: [], node: [], database: [] };
}

/** How many callers put, and to which node each of the worlds belongs: to one of them, or to all. */
interface Callers {
  readonly count: number;
  readonly byPath?: boolean;
}

/** Measures the processor time of a run. */
async function measured<N extends { cpu(): number }>(
  { cpu }: Group,
  nodes: readonly N[],
  found: Found,
  run: (node: N, at: number) => Promise<{ readonly perSecond: number; readonly p99: number }>,
): Promise<void> {
  const nodesBefore = nodes.reduce((sum, node) => sum + node.cpu(), 0);
  const databaseBefore = cpu.seconds();
  const results = await Promise.all(nodes.map(run));
  const perSecond = results.reduce((sum, result) => sum + result.perSecond, 0);
  const count = perSecond * SECONDS / 1e6;
  found.perSecond.push(perSecond);
  found.p99.push(Math.max(...results.map(({ p99 }) => p99)));
  found.node.push((nodes.reduce((sum, node) => sum + node.cpu(), 0) - nodesBefore) / count);
  found.database.push((cpu.seconds() - databaseBefore) / count);
}

/** Puts to nodes with `wrk`, one process for each, and adds what it finds. */
async function putTo(
  group: Group,
  nodes: readonly Server[],
  { count, byPath = false }: Callers,
  found: Found,
): Promise<void> {
  await measured(group, nodes, found, async (node, at) => {
    const script = nodes.length === 1
      ? putScript("turn")
      : byPath
      ? putScript("turn", nodes.length, at)
      : putScript("random");
    const connections = count / nodes.length;
    const result = await load(node.url, { connections, seconds: SECONDS, script });
    if (result.errors > 0) throw new Error(`${result.errors} PUTs failed`);
    return result;
  });
}

/** Puts to the stores of nodes, without HTTP. */
async function putToStores(
  group: Group,
  nodes: readonly StoreNode[],
  { count, byPath = false }: Callers,
  found: Found,
): Promise<void> {
  const all = Array.from({ length: NAMES }, (_, n) => `home/p/n${n}`);
  await measured(group, nodes, found, (node, at) =>
    node.run({
      callers: count / nodes.length,
      seconds: SECONDS,
      names: byPath ? all.filter((_, n) => n % nodes.length === at) : all,
      isRandom: nodes.length > 1 && !byPath,
      bytes: BODY.length,
    }));
}

/** Writes with `pgbench` and adds what it finds. */
async function putRaw({ reference, cpu }: Group, found: Found): Promise<void> {
  const before = cpu.seconds();
  const { perSecond, count } = await reference.run("write", SECONDS);
  found.perSecond.push(perSecond);
  found.database.push((cpu.seconds() - before) / count * 1e6);
}

function reportWrites(what: string, found: Found, raw: Found, aim: string | undefined): void {
  report({
    what: `PUT of 200 B, ${what}, compared with pgbench`,
    found: median(found.perSecond),
    unit: "req/s",
    limit: median(raw.perSecond),
    ...(aim === undefined ? {} : { aim }),
  });
  report({ what: "  slowest 1 % take at least", found: median(found.p99), unit: "ms" });
  report({ what: "  processor time of the nodes for one", found: median(found.node), unit: "us" });
  report({
    what: "  processor time of the servers for one",
    found: median(found.database),
    unit: "us",
    limit: median(raw.database),
  });
}

/** The loads of the design, and their targets. */
const LOADS = [
  { what: "1 node, 32 callers", nodes: "one", callers: { count: 32 }, aim: ">= 1.5" },
  { what: "1 node, 128 callers", nodes: "one", callers: { count: 128 }, aim: ">= 2.5" },
  {
    what: "3 nodes by path, 129 callers",
    nodes: "three",
    callers: { count: 129, byPath: true },
    aim: ">= 1.5",
  },
  { what: "3 nodes at random, 33 callers", nodes: "three", callers: { count: 33 }, aim: ">= 0.4" },
] as const;

/** Puts with the loads of the design. @param putWith puts to some nodes: one, or three */
async function writeWith<N>(
  group: Group,
  nodes: { readonly one: readonly N[]; readonly three: readonly N[] },
  putWith: (group: Group, nodes: readonly N[], callers: Callers, found: Found) => Promise<void>,
): Promise<{ readonly found: readonly Found[]; readonly raw: Found }> {
  const found = LOADS.map(newFound);
  const raw = newFound();
  // The first requests are slow until the runtime has compiled the code.
  for (const some of [nodes.one, nodes.three]) {
    for (let run = 0; run < WARM_UPS; run++) await putWith(group, some, { count: 99 }, newFound());
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [at, load] of LOADS.entries()) {
      if (at % 2 === 0) await putRaw(group, raw);
      await putWith(group, nodes[load.nodes], load.callers, found[at] ?? newFound());
    }
  }
  return { found, raw };
}

/** Writes through the stores of one node and of three, without HTTP: what the targets are about. */
async function stores(group: Group): Promise<void> {
  const { servers, folder } = group;
  const open = async (names: readonly string[]) => {
    const url = servers.url(await servers.createDatabase());
    await initClusterStore(url, folder);
    const nodes: StoreNode[] = [];
    for (const name of names) nodes.push(await StoreNode.start(url, name, SECRETS.ELASTIK_KEY));
    return nodes;
  };
  const [one, three] = [await open(["one"]), await open(["a", "b", "c"])];
  try {
    const { found, raw } = await writeWith(group, { one, three }, putToStores);
    for (const [at, { what, aim }] of LOADS.entries()) {
      reportWrites(`store without HTTP, ${what}`, found[at] ?? newFound(), raw, aim);
    }
  } finally {
    await Promise.all([...one, ...three].map((node) => node.stop()));
  }
}

/** Writes over HTTP through one node and through three. */
async function writes(group: Group): Promise<void> {
  const one = await startNodes(group, ["one"]);
  const three = await startNodes(group, ["a", "b", "c"]);
  try {
    const { found, raw } = await writeWith(group, { one, three }, putTo);
    for (const [at, { what }] of LOADS.entries()) {
      reportWrites(`HTTP, ${what}`, found[at] ?? newFound(), raw, undefined);
    }
  } finally {
    await stopAll([...one, ...three]);
  }
}

/** Writes through one node over one server without standbys. */
async function single(): Promise<void> {
  await using servers = await PostgresServers.start({ servers: 1, fsync: true });
  const group = await prepare(servers);
  const nodes = await startNodes(group, ["one"]);
  try {
    const [few, many, raw] = [newFound(), newFound(), newFound()];
    await putTo(group, nodes, { count: 32 }, newFound());
    for (let round = 0; round < ROUNDS; round++) {
      await putRaw(group, raw);
      await putTo(group, nodes, { count: 32 }, few);
      await putTo(group, nodes, { count: 128 }, many);
    }
    reportWrites("1 node, 1 server, 32 callers", few, raw, undefined);
    reportWrites("1 node, 1 server, 128 callers", many, raw, undefined);
  } finally {
    await stopAll(nodes);
    await Deno.remove(group.folder, { recursive: true });
  }
}

/** Reads from memory, compared with the store of files, and linearizable reads. */
async function reads(group: Group): Promise<void> {
  const [node] = await startNodes(group, ["reader"]);
  const files = await startServer(`${group.folder}/files`, SECRETS);
  if (node === undefined) return;
  try {
    for (const server of [node, files]) {
      for (let n = 0; n < NAMES; n++) await put(server, `p/n${n}`);
      await load(`${server.url}/home/p/n7?raw`, { seconds: 1, headers: HEADERS });
    }
    const found = { memory: [], files: [], fresh: [], raw: [] } as Record<string, number[]>;
    const options = { seconds: SECONDS, headers: HEADERS };
    for (let round = 0; round < ROUNDS; round++) {
      found.memory?.push((await load(`${node.url}/home/p/n7?raw`, options)).perSecond);
      found.files?.push((await load(`${files.url}/home/p/n7?raw`, options)).perSecond);
      found.raw?.push((await group.reference.run("read", SECONDS)).perSecond);
      const fresh = { ...options, headers: { ...HEADERS, "cache-control": "no-cache" } };
      found.fresh?.push((await load(`${node.url}/home/p/n7?raw`, fresh)).perSecond);
    }
    report({
      what: "GET from memory, compared with the store of files",
      found: median(found.memory ?? []),
      unit: "req/s",
      limit: median(found.files ?? []),
      aim: ">= 0.95",
    });
    report({
      what: "linearizable GET, compared with pgbench",
      found: median(found.fresh ?? []),
      unit: "req/s",
      limit: median(found.raw ?? []),
      aim: ">= 0.4",
    });
  } finally {
    await stopAll([node, files]);
  }
}

/** PUT of 5 MiB, compared with an insert of the same bytes through the driver. */
async function long(group: Group): Promise<void> {
  const [node] = await startNodes(group, ["long"]);
  const store = parseStoreUrl(group.reference.url);
  const [host] = store.hosts;
  if (node === undefined || host === undefined) return;
  const session = await openSession({ host, store });
  try {
    const body = new Uint8Array(LONG_BYTES).map((_, at) => 32 + at % 90);
    const [inserts, puts]: [number[], number[]] = [[], []];
    for (let round = 0; round < 3 * ROUNDS + 1; round++) {
      const begin = performance.now();
      await session.query("INSERT INTO public.raw_long (body) VALUES ($1::bytea)", [body], 60_000);
      const inserted = performance.now();
      await put(node, "long", body);
      // The first round opens sessions.
      if (round === 0) continue;
      inserts.push(inserted - begin);
      puts.push(performance.now() - inserted);
    }
    report({
      what: "PUT of 5 MiB, compared with an insert by the driver",
      found: median(puts),
      unit: "ms",
      limit: median(inserts),
      aim: "<= 2",
    });
  } finally {
    session.drop();
    await node.stop();
  }
}

/** How long after the response to a PUT a subscriber at another node gets the change. */
async function propagation(group: Group): Promise<void> {
  const [writer, reader] = await startNodes(group, ["writer", "reader"]);
  if (writer === undefined || reader === undefined) return;
  const abort = new AbortController();
  try {
    await put(writer, "seen", "0");
    const stream = await fetch(`${reader.url}/stream/home/seen`, {
      headers: HEADERS,
      signal: abort.signal,
    });
    const chunks = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (chunks === undefined) throw new Error("the stream has no body");
    const spans: number[] = [];
    let text = "";
    for (let version = 2; version <= (isQuick ? 60 : 300); version++) {
      const acknowledged = put(writer, "seen", String(version)).then(() => performance.now());
      const isSeen = new RegExp(`^id: ?${version}$`, "m");
      while (!isSeen.test(text)) {
        const { value, done } = await chunks.read();
        if (done) throw new Error("the stream ended");
        text += value;
      }
      const at = performance.now();
      text = "";
      spans.push(Math.max(0, at - await acknowledged));
    }
    spans.sort((a, b) => a - b);
    report({
      what: "change seen at another node after the response, median",
      found: median(spans),
      unit: "ms",
      aim: "<= 5",
    });
    report({
      what: "  99th percentile",
      found: spans[Math.floor(spans.length * 0.99)] ?? 0,
      unit: "ms",
      aim: "<= 100",
    });
  } finally {
    abort.abort();
    await stopAll([writer, reader]);
  }
}

/** Worlds as a node reads them at its start. Their chains do not verify. */
const FILL = `
INSERT INTO elastik.worlds (id, name, version, ext, headers, state, updated_at, len, sha256, event_id,
  event_hmac, event_at, by, body)
SELECT nextval('elastik.world_id'), 'home/many/' || g / 100 || '/world-' || g, 3, 'txt', '{}', '', t.at,
  200, encode(sha256(g::text::bytea), 'hex'), 3, encode(sha256(('e' || g)::bytea), 'hex'), t.at,
  'cap:/home/many#agent-' || g % 100, convert_to(repeat('x', 200), 'UTF8')
FROM generate_series(1, ${MANY_WORLDS}) g, LATERAL (
  SELECT to_char(timestamp '2026-01-01' + g * interval '1.234 s', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at) t;
INSERT INTO elastik.names (name, world) SELECT name, id FROM elastik.worlds WHERE name LIKE 'home/many/%';
ANALYZE;
`;

/** Start and memory of a node with many worlds, compared with one of an empty database. */
async function start({ servers, folder }: Group): Promise<void> {
  const [few, many] = [await servers.createDatabase(), await servers.createDatabase()];
  for (const database of [few, many]) {
    await initClusterStore(servers.url(database), folder);
    // The first node adds the lower layer to the tables of the search.
    const node = await startNode(servers.url(database), "first", folder);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await node.stop();
  }
  await servers.sql(FILL, "a", many);
  const found = { few: [], many: [], fewBytes: [], manyBytes: [] } as Record<string, number[]>;
  const path = `/home/many/0/world-7?raw`;
  for (let round = 0; round < 2 * ROUNDS + 1; round++) {
    for (const [kind, database] of [["few", few], ["many", many]] as const) {
      const node = await startNode(
        servers.url(database),
        "start",
        folder,
        kind === "many" ? path : undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, 1000));
      found[kind]?.push(node.startMs);
      found[`${kind}Bytes`]?.push(node.rss());
      await node.stop();
    }
  }
  report({
    what: `start with ${MANY_WORLDS.toLocaleString("en")} worlds to the first status 200`,
    found: median(found.many ?? []),
    unit: "ms",
    aim: "<= 1000",
  });
  report({ what: "  with an empty database", found: median(found.few ?? []), unit: "ms" });
  const bytes = median(found.manyBytes ?? []) - median(found.fewBytes ?? []);
  report({
    what: "  resident memory of the worlds",
    found: bytes / 2 ** 20,
    unit: "MiB",
    aim: "<= 150",
  });
  report({
    what: "  resident memory with an empty database",
    found: median(found.fewBytes ?? []) / 2 ** 20,
    unit: "MiB",
  });
}

async function prepare(servers: PostgresServers): Promise<Group> {
  return {
    servers,
    reference: await PostgresReference.create(servers),
    cpu: await PostgresCpu.of(servers),
    folder: await Deno.makeTempDir({ prefix: "elastik-cluster-bench-" }),
  };
}

if (import.meta.main) {
  const replicated: Readonly<Record<string, (group: Group) => Promise<void>>> = {
    stores,
    writes,
    reads,
    long,
    propagation,
    start,
  };
  const wanted = Deno.args.filter((name) => !name.startsWith("--"));
  const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
  const names = Object.keys(replicated).filter(isWanted);
  if (names.length > 0) {
    await using servers = await PostgresServers.start({ servers: 3, fsync: true });
    const group = await prepare(servers);
    try {
      for (const name of names) await replicated[name]?.(group);
    } finally {
      await Deno.remove(group.folder, { recursive: true });
    }
  }
  if (isWanted("single")) await single();
}
