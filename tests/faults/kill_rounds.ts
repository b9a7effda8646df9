/**
 * Kills a server at random moments of random writes, starts it again and compares it with what was
 * acknowledged. Each writer has its own worlds and sends one request at a time, so that exactly two
 * states are allowed after a kill: before and after the request that was not answered. A move of a
 * collection is allowed for each member on its own.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { loadOrCreateSecret } from "../../lib/world/file/data_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { ChangeFollower } from "./change_follower.ts";
import { createRandom } from "../support/random.ts";

/** How a server is killed. */
export interface KillOptions {
  readonly data: string;
  readonly rounds: number;
  readonly seed: number;
  /** Called after each round. */
  readonly onRound?: (round: number, counts: KillCounts) => void;
}

/** What happened in all rounds. */
export interface KillCounts {
  /** Acknowledged changes. */
  acknowledged: number;
  /** Unanswered requests whose change the server had, and had not. */
  applied: number;
  lost: number;
  /** Moves among the unanswered requests. */
  moves: number;
  /** Worlds that the offline verification checked at the end. */
  verified: number;
}

/** The check audits all worlds at once. */
const ENV = { ELASTIK_LONG_JOBS_WAITING: "200", ELASTIK_LONG_JOBS_CLIENT: "200" };
const WRITERS = 8;
/** Fewest and most acknowledgements in a round before the kill. */
const CHANGES = [4, 120] as const;
/** Longest time between the last of these acknowledgements and the kill, in milliseconds. */
const DELAY_MS = 12;
/** Writers use new worlds after this many rounds, so that their chains stay short. */
const ROUNDS_PER_SET = 20;
const SINGLE = ["a", "b", "c"] as const;
const FOLDERS = ["d0", "d1"] as const;
const MEMBERS = ["x", "y"] as const;
/** Makes a text so long that appends to it become pieces. */
const PADDING = `${".".repeat(79)}\n`.repeat(250);

/** The worlds of one writer: text by name below its folder. */
type Texts = Map<string, string>;

interface Op {
  readonly method: string;
  readonly path: string;
  readonly to?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** The worlds after the operation. */
  readonly after: Texts;
  /** A move of these members, each on its own. */
  readonly members?: readonly string[];
}

class KillWriter {
  texts: Texts = new Map();
  pending: Op | undefined;
  /** Text of each version that a response or a read has shown, by name. */
  readonly #seen = new Map<string, Map<number, string>>();
  #step = 0;

  constructor(readonly id: string, readonly random: () => number) {}

  get folder(): string {
    return `/home/${this.id}`;
  }

  /** Writes until the server has ended. */
  async run(server: ServerProcess, approve: Record<string, string>, onDone: () => void) {
    try {
      for (;;) {
        const op = this.#choose();
        this.pending = op;
        await this.#send(server, op, approve);
        this.texts = op.after;
        this.pending = undefined;
        onDone();
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the connection broke: the server is dead
    }
  }

  /** Fails if a name shows a version with another text than before. */
  see(name: string, version: number, text: string): void {
    const seen = this.#seen.get(name) ?? new Map<number, string>();
    this.#seen.set(name, seen);
    const before = seen.get(version);
    assert(
      before === undefined || before === text,
      `${this.folder}/${name}: version ${version} was used for ${shorten(before)} and for ${
        shorten(text)
      }`,
    );
    seen.set(version, text);
  }

  async #send(server: ServerProcess, op: Op, approve: Record<string, string>): Promise<void> {
    const destination = op.to === undefined ? {} : { destination: `/dav${op.to}` };
    let lock: Record<string, string> = {};
    if (op.method === "LOCKED PUT") {
      const locked = await server.fetch(`/dav${op.path}`, {
        method: "LOCK",
        headers: approve,
        body:
          '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>',
      });
      const text = await locked.text();
      assertEquals(locked.status, 200, `LOCK ${op.path} ${text}`);
      lock = { if: `(${locked.headers.get("lock-token") ?? ""})` };
    }
    const method = op.method === "LOCKED PUT" ? "PUT" : op.method;
    const headers = { ...approve, ...destination, ...lock, ...op.headers };
    const url = op.to === undefined && method !== "PROPPATCH" ? op.path : `/dav${op.path}`;
    const body = op.body === undefined ? {} : { body: op.body };
    const { status, text } = await server.ask(url, { method, headers, ...body });
    assert([200, 201, 204, 207].includes(status), `${op.method} ${url} ${status} ${text}`);
    if (status === 207) assert(!/ 4\d\d | 5\d\d /.test(text), `${op.method} ${url} ${text}`);
    const name = op.path.slice(this.folder.length + 1);
    if (method === "PUT" || method === "POST") {
      this.see(name, JSON.parse(text).version, op.after.get(name) ?? "");
    }
    if (op.method === "LOCKED PUT") {
      const token = lock.if?.slice(1, -1) ?? "";
      await server.ask(`/dav${op.path}`, {
        method: "UNLOCK",
        headers: { ...approve, "lock-token": token },
      });
    }
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random() * from.length)];
  }

  #choose(): Op {
    const text = `${this.id}.${this.#step++};`;
    const folder = FOLDERS.find((name) => [...this.texts.keys()].some((at) => at.startsWith(name)));
    const collection = folder ?? this.#pick(FOLDERS) ?? "d0";
    const names = [...SINGLE, ...MEMBERS.map((member) => `${collection}/${member}`)];
    const name = this.#pick(names) ?? "a";
    const path = `${this.folder}/${name}`;
    const present = this.texts.has(name);
    const after = new Map(this.texts);
    const kind = this.random() * 100;
    if (present && kind < 14) {
      after.delete(name);
      return { method: "DELETE", path, after };
    }
    if (present && kind < 44) {
      const to = this.#pick(SINGLE.filter((other) => other !== name)) ?? "b";
      after.set(to, this.texts.get(name) ?? "");
      const method = kind < 34 ? "MOVE" : "COPY";
      if (method === "MOVE") after.delete(name);
      return { method, path, to: `${this.folder}/${to}`, after };
    }
    const to = folder === "d0" ? "d1" : "d0";
    // A move to an existing collection would delete its members first.
    const isFree = ![...this.texts.keys()].some((at) => at.startsWith(`${to}/`));
    if (folder !== undefined && isFree && kind < 54) {
      const members = MEMBERS.filter((member) => this.texts.has(`${folder}/${member}`));
      for (const member of members) {
        after.set(`${to}/${member}`, this.texts.get(`${folder}/${member}`) ?? "");
        after.delete(`${folder}/${member}`);
      }
      const at = `${this.folder}/${folder}/`;
      return { method: "MOVE", path: at, to: `${this.folder}/${to}/`, after, members };
    }
    if (present && kind < 60) {
      const body =
        `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="k">${text}</p></prop></set></propertyupdate>`;
      return { method: "PROPPATCH", path, body, after };
    }
    if (kind < 72) {
      after.set(name, `${this.texts.get(name) ?? ""}${text}`);
      return { method: "POST", path, body: text, after };
    }
    // Later appends to a long text are pieces; see lib/world/file/piece_table.ts.
    const body = this.random() < 0.5 ? text : `${text}${PADDING}`;
    after.set(name, body);
    const method = present && kind < 80 ? "LOCKED PUT" : "PUT";
    return { method, path, body, after };
  }
}

/** Compares the worlds of a writer on a server with the states that are allowed. */
async function check(
  server: ServerProcess,
  writer: KillWriter,
  approve: Record<string, string>,
  follower: ChangeFollower,
  counts: KillCounts,
): Promise<void> {
  const { texts, pending } = writer;
  const found: Texts = new Map();
  const names = [...SINGLE, ...FOLDERS.flatMap((at) => MEMBERS.map((member) => `${at}/${member}`))];
  await Promise.all(names.map(async (name) => {
    const path = `${writer.folder}/${name}`;
    const headers = { ...approve, accept: "application/json" };
    const { status, text } = await server.ask(path, { headers });
    if (status === 404) return;
    assertEquals(status, 200, `${path} ${text}`);
    const { version, stage_html } = JSON.parse(text);
    found.set(name, stage_html);
    writer.see(name, version, stage_html);
    const audit = JSON.parse((await server.ask(`/proc/audit${path}`, { headers })).text);
    assertEquals([audit.ok, audit.version], [true, version], `${path} ${JSON.stringify(audit)}`);
    const log: {
      id: number;
      timestamp: string;
      type: string;
      payload: Record<string, unknown>;
    }[] = JSON.parse((await server.ask(`/proc/log${path}?limit=1000`, { headers })).text);
    await follower.waitForAll(server, path, log);
    const moved = log.find(({ type }) => type === "world_moved");
    assert(moved === undefined || moved.payload.to === path, `${path}: ${JSON.stringify(moved)}`);
    const ended = log.find(({ type }) => type === "world_deleted");
    assertEquals(ended, undefined, `${path} exists with a world_deleted event`);
    if (pending?.method === "MOVE" && texts.get(name) !== stage_html) {
      const newest = log.find(({ type, payload }) =>
        type === "world_moved" || payload.moved_from !== undefined
      );
      assert(newest !== undefined, `${path} was moved without an event`);
    }
  }));
  const shown = JSON.stringify({ pending, before: [...texts], found: [...found] })
    .replaceAll(JSON.stringify(PADDING).slice(1, -1), "…");
  if (pending?.members !== undefined) {
    const [from, to] = [pending.path, pending.to ?? ""].map((at) => at.split("/").at(-2));
    for (const member of pending.members) {
      const [old, fresh] = [found.get(`${from}/${member}`), found.get(`${to}/${member}`)];
      assert((old === undefined) !== (fresh === undefined), `${writer.folder}: ${shown}`);
      assertEquals(old ?? fresh, texts.get(`${from}/${member}`), shown);
    }
    for (const name of SINGLE) assertEquals(found.get(name), texts.get(name), shown);
    counts.moves += 1;
  } else {
    const isBefore = isSame(found, texts);
    const isAfter = pending !== undefined && isSame(found, pending.after);
    assert(isBefore || isAfter, `${writer.folder} lost an acknowledged change: ${shown}`);
    if (pending?.method === "MOVE") counts.moves += 1;
    if (pending !== undefined && !isBefore) counts.applied += 1;
    else if (pending !== undefined) counts.lost += 1;
  }
  writer.texts = found;
  writer.pending = undefined;
  await checkListing(server, writer, approve);
  await checkSearch(server, writer, approve);
}

/** The search index has the worlds that are on disk, in their current version. */
async function checkSearch(
  server: ServerProcess,
  writer: KillWriter,
  approve: Record<string, string>,
): Promise<void> {
  const headers = { ...approve, accept: "application/json" };
  const path = `/proc/search${writer.folder}/?q=${writer.id}.&limit=1000`;
  const { status, text } = await server.ask(path, { headers });
  assertEquals(status, 200, text);
  const hits: { name: string; snippet: string }[] = JSON.parse(text).hits;
  const start = writer.folder.length;
  for (const { name, snippet } of hits) {
    const whole = writer.texts.get(name.slice(start)) ?? "";
    const part = snippet.replace(/^…|…$/g, "");
    // A snippet of a long text can have spaces instead of line breaks.
    const isIn = whole.startsWith(part) || whole.replaceAll("\n", " ").includes(part);
    assert(isIn, `${name}: ${snippet} is not in ${shorten(whole)}`);
  }
  // A long text can have several hits.
  const names = [...new Set(hits.map(({ name }) => name.slice(start)))];
  assertEquals(names.sort(), [...writer.texts.keys()].sort(), `search in ${writer.folder}`);
}

/** The catalog has the worlds that are on disk. */
async function checkListing(
  server: ServerProcess,
  writer: KillWriter,
  approve: Record<string, string>,
): Promise<void> {
  const listed: string[] = [];
  for (const at of ["", ...FOLDERS.map((name) => `${name}/`)]) {
    const headers = { ...approve, accept: "application/json" };
    const { status, text } = await server.ask(`${writer.folder}/${at}`, { headers });
    if (status === 404) continue;
    const rows: { name: string; version?: number }[] = JSON.parse(text);
    listed.push(
      ...rows.filter(({ version }) => version !== undefined).map(({ name }) => `${at}${name}`),
    );
  }
  assertEquals(listed.sort(), [...writer.texts.keys()].sort(), writer.folder);
}

/** A text of a message, without what makes it long. */
function shorten(text = ""): string {
  return text.replaceAll(PADDING, "…");
}

function isSame(one: Texts, other: Texts): boolean {
  return one.size === other.size && [...one].every(([name, text]) => other.get(name) === text);
}

/** Kills a server many times; throws if a round finds a fault. */
export async function runKills(
  { data, rounds, seed, onRound }: KillOptions,
): Promise<KillCounts> {
  const random = createRandom(seed);
  const counts: KillCounts = { acknowledged: 0, applied: 0, lost: 0, moves: 0, verified: 0 };
  let server = await ServerProcess.start({ data, env: ENV });
  let writers: KillWriter[] = [];
  try {
    const approve = approval(data);
    const follower = new ChangeFollower(approve);
    for (let round = 0; round < rounds; round++) {
      if (round % ROUNDS_PER_SET === 0) {
        writers = Array.from(
          { length: WRITERS },
          (_, i) => new KillWriter(`k${i}-${round}`, random),
        );
      }
      const [least, most] = CHANGES;
      let left = least + Math.floor(random() * (most - least));
      const reached = Promise.withResolvers<void>();
      const running = server;
      const onDone = () => {
        counts.acknowledged += 1;
        if (--left === 0) reached.resolve();
      };
      const following = follower.run(running);
      const writing = Promise.allSettled(writers.map((each) => each.run(running, approve, onDone)));
      // A writer ends early only with an error, which the round reports.
      await Promise.race([reached.promise, writing]);
      await new Promise((resume) => setTimeout(resume, random() * DELAY_MS));
      await server.end("SIGKILL");
      for (const each of await writing) if (each.status === "rejected") throw each.reason;
      await following;
      server = await ServerProcess.start({ data, env: ENV });
      const restarted = server;
      await Promise.all(
        writers.map((each) => check(restarted, each, approve, follower, counts)),
      );
      onRound?.(round, counts);
    }
    const { code, stderr } = await server.end();
    assertEquals([code, stderr].join(), "0,");
  } finally {
    await server.end("SIGKILL");
  }
  const { secret } = loadOrCreateSecret(data, ".key");
  const { worlds, broken, leftovers } = verifyDataFolder({ data, key: secret });
  assertEquals(JSON.stringify(broken), "[]");
  for (const { reason } of leftovers) assert(/was deleted/.test(reason), reason);
  return { ...counts, verified: worlds };
}
