import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { loadOrCreateSecret } from "../../lib/world/file/data_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { createRandom } from "../support/random.ts";

const ROUNDS = 10;
const WRITERS = 8;
/** Fewest and most changes that are acknowledged in a round before the kill. */
const CHANGES = [5, 250] as const;
/** Longest time between the last of these changes and the kill, in milliseconds. */
const DELAY_MS = 10;

/** The writes of all clients. The server must have the acknowledged ones; it may have the others too. */
class WriteRecord {
  /** Bodies of new worlds by name. */
  readonly sent = new Map<string, string>();
  readonly acknowledged = new Set<string>();
  /** Lines sent to each log, and those acknowledged. */
  readonly lines = new Map<string, Set<string>>();
  readonly kept = new Map<string, Set<string>>();
  /** Body of each acknowledged version of the worlds that all writers share, and all bodies sent. */
  readonly versions = new Map<string, Map<number, string>>();
  readonly bodies = new Map<string, Set<string>>();
  /** Worlds whose deletion was acknowledged and that no writer created again. */
  readonly deleted = new Set<string>();
  #total = 0;
  #target = Infinity;
  #onTarget = () => {};

  /** Acknowledgements of every kind. */
  get total(): number {
    return this.#total;
  }

  /** Counts acknowledgements. */
  add(count: number): void {
    this.#total += count;
    if (this.#total >= this.#target) this.#onTarget();
  }

  /** Waits for further acknowledgements. */
  async more(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onTarget = resolve;
    this.#target = this.#total + count;
    await promise;
  }
}

function setOf<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  const found = map.get(key) ?? new Set();
  map.set(key, found);
  return found;
}

/** Writes until the server has ended. */
async function write(
  server: ServerProcess,
  record: WriteRecord,
  approve: Record<string, string>,
  id: string,
  kind: number,
): Promise<void> {
  for (let i = 0;; i++) {
    const mark = `${id}.${i}`;
    try {
      if (kind < 3) await putNew(server, record, `/home/new/${mark}`, mark);
      else if (kind < 5) await putSame(server, record, `/home/same/${i % 3}`, mark);
      else if (kind < 7) await append(server, record, `/home/log/${i % 2}`, `${mark}\n`);
      else await putAndDelete(server, record, approve, `/home/brief/${i % 2}`, mark);
    } catch (error) {
      if (error instanceof TypeError) return; // the connection broke: the server is dead
      throw error;
    }
  }
}

async function putNew(server: ServerProcess, record: WriteRecord, path: string, body: string) {
  record.sent.set(path, body);
  const { status, text } = await server.ask(path, { method: "PUT", body });
  assertEquals(status, 201, text);
  record.acknowledged.add(path);
  record.add(1);
}

async function putSame(server: ServerProcess, record: WriteRecord, path: string, body: string) {
  setOf(record.bodies, path).add(body);
  const { status, text } = await server.ask(path, { method: "PUT", body });
  assert(status === 200 || status === 201, text);
  const versions = record.versions.get(path) ?? new Map<number, string>();
  record.versions.set(path, versions);
  const { version } = JSON.parse(text);
  assertEquals(versions.has(version), false, `${path}: version ${version} was acknowledged twice`);
  versions.set(version, body);
  record.add(1);
}

async function append(server: ServerProcess, record: WriteRecord, path: string, line: string) {
  setOf(record.lines, path).add(line);
  const { status, text } = await server.ask(path, { method: "POST", body: line });
  assert(status === 200 || status === 201, text);
  setOf(record.kept, path).add(line);
  record.add(1);
}

async function putAndDelete(
  server: ServerProcess,
  record: WriteRecord,
  approve: Record<string, string>,
  path: string,
  body: string,
) {
  record.deleted.delete(path);
  // 200 if the server was killed between PUT and DELETE.
  const made = await server.ask(path, { method: "PUT", body });
  assert(made.status === 200 || made.status === 201, made.text);
  const { status, text } = await server.ask(path, { method: "DELETE", headers: approve });
  assertEquals(status, 200, text);
  record.deleted.add(path);
  record.add(2);
}

/** Compares what a server has with what was acknowledged to the writers of a round. */
async function check(server: ServerProcess, record: WriteRecord, round: number): Promise<void> {
  const paths = [...record.sent.keys()].filter((path) => path.startsWith(`/home/new/${round}.`));
  await forEachConcurrently(paths, async (path) => {
    const { status, text } = await server.ask(`${path}?raw`);
    if (status === 404) assertEquals(record.acknowledged.has(path), false, `${path} is lost`);
    else assertStrictEquals(text, record.sent.get(path), path);
  });
  for (const [path, sent] of record.lines) {
    const { status, text } = await server.ask(`${path}?raw`);
    // Killed before the first line was stored: the world does not exist, and no line was acknowledged.
    const found = status === 404 ? [] : text.split("\n").slice(0, -1).map((line) => `${line}\n`);
    assertStrictEquals(new Set(found).size, found.length, `${path} contains a line twice`);
    for (const line of found) {
      assert(sent.has(line), `${path} contains a line that was not sent: ${line}`);
    }
    const present = new Set(found);
    for (const line of setOf(record.kept, path)) assert(present.has(line), `${path} lost ${line}`);
  }
  for (const [path, versions] of record.versions) {
    const newest = JSON.parse((await server.ask(path)).text);
    assert(
      newest.version >= Math.max(...versions.keys()),
      `${path} has an earlier version than acknowledged`,
    );
    assert(
      setOf(record.bodies, path).has(newest.stage_html),
      `${path} contains a text that was not sent`,
    );
    await forEachConcurrently([...versions].slice(-40), async ([version, body]) => {
      const { status, text } = await server.ask(`${path}?at=${version}&raw`);
      if (status === 410) assert(version < newest.version - 100, `${path} lost version ${version}`);
      else assertStrictEquals(text, body, `${path} version ${version}`);
    });
  }
  for (const path of record.deleted) {
    assertEquals((await server.ask(path)).status, 404, `${path} exists again`);
  }
}

/** Calls a function for each element, 16 at a time. */
async function forEachConcurrently<T>(
  all: readonly T[],
  act: (element: T) => Promise<void>,
): Promise<void> {
  const queue = [...all];
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) await act(next);
  }));
}

Deno.test(`SIGKILL loses no acknowledged change (${ROUNDS} rounds)`, () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    console.log(`seed ${seed}`);
    const random = createRandom(seed);
    const record = new WriteRecord();
    let server = await ServerProcess.start({ data });
    try {
      const approve = approval(data);
      for (let round = 0; round < ROUNDS; round++) {
        const writing = Promise.allSettled(Array.from(
          { length: WRITERS },
          (_, kind) => write(server, record, approve, `${round}.${kind}`, kind),
        ));
        const [least, most] = CHANGES;
        const reached = record.more(least + Math.floor(random() * (most - least)));
        // A writer ends early only with an error, which the round reports.
        await Promise.race([reached, writing]);
        await new Promise((resume) => setTimeout(resume, random() * DELAY_MS));
        await server.end("SIGKILL");
        for (const writer of await writing) if (writer.status === "rejected") throw writer.reason;
        server = await ServerProcess.start({ data });
        await check(server, record, round);
      }
      assert(record.total >= ROUNDS * CHANGES[0], `only ${record.total} changes were acknowledged`);
      const { code, stderr } = await server.end();
      assertEquals([code, stderr].join(), "0,");
    } finally {
      await server.end("SIGKILL");
    }
    const { secret } = loadOrCreateSecret(data, ".key");
    const { worlds, broken, leftovers } = verifyDataFolder({ data, key: secret });
    assertEquals(JSON.stringify(broken), "[]");
    assert(worlds >= record.acknowledged.size);
    for (const { reason } of leftovers) assertMatch(reason, /was deleted/);
    console.log(`${record.total} changes acknowledged, ${worlds} worlds verified`);
  }));
