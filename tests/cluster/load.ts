/**
 * Sends a random load to the nodes of a cluster and records every call. Clients behave as good clients
 * do: they wait for `Retry-After`, repeat a request with its `Idempotency-Key` at another node, and read
 * before a conditional write. Equal seeds give equal choices of each client; the times differ.
 *
 * Worlds below the prefix: `w…` get every kind of call, `l…` are locked and never deleted, `s…` have one
 * writer each, which pauses, so that a stream can show every version.
 */

import { createRandom } from "../support/random.ts";
import type { Call, CallKind, LockSpan } from "./history.ts";

/** What a load is. */
export interface LoadOptions {
  readonly seed: number;
  /** Addresses of the nodes; undefined for one that does not run now. */
  readonly urls: () => readonly (string | undefined)[];
  /** Headers of a caller that can do everything. */
  readonly headers: Readonly<Record<string, string>>;
  /** Name of the collection of the run, such as `home/run1/`; no other client uses it. */
  readonly prefix: string;
  /** Clients, by default 8. */
  readonly clients?: number;
  /** Worlds of each kind, by default 6 with every kind of call, 1 locked, 1 followed. */
  readonly worlds?: { readonly mixed: number; readonly locked: number; readonly followed: number };
  /** `random`: each request goes to any node. `path`: all requests of a path go to one node, if it runs. */
  readonly route?: "random" | "path";
  /** Most milliseconds of the pause of a client before each call, by default 0. */
  readonly pauseMs?: number;
  /** Seconds for which clients lock worlds, by default 20. */
  readonly lockSeconds?: number;
  /** Relative frequency of the kinds of calls; others have the default. */
  readonly mix?: Partial<Record<keyof typeof MIX, number>>;
}

/** Frequencies of the kinds of calls of a client. */
const MIX = {
  put: 24,
  swap: 12,
  create: 6,
  append: 10,
  prepend: 6,
  delete: 4,
  move: 4,
  lock: 3,
  read: 14,
  fresh: 14,
};
/** The share of writes that have an `Idempotency-Key`. */
const KEYED = 0.5;
/** Most milliseconds of one request. */
const ATTEMPT_MS = 15_000;
/** Most milliseconds for which a call is repeated. */
const PATIENCE_MS = 25_000;
/** Pause of a client that can reach no node, in milliseconds. */
const UNREACHABLE_MS = 20;
/** Most milliseconds that a client waits because of `Retry-After`. */
const MAX_RETRY_MS = 1_000;
/** Pause of the writer of a followed world, in milliseconds. */
const FOLLOWED_MS = 15;
/** Most milliseconds without an acknowledgement until a wait for some fails: longer than a slow failover. */
const MAX_SILENCE_MS = 300_000;
/** Appends to a followed world until a PUT makes it short again. */
const FOLLOWED_APPENDS = 10;
const LOCK_SECONDS = 20;
const LOCK_BODY =
  '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';

/** Figures of a load. */
export interface LoadReport {
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly reads: number;
  /** Requests that were sent again. */
  readonly repeated: number;
  /** Longest time between two acknowledgements, in milliseconds. */
  readonly longestPauseMs: number;
  /** Writes that were refused because the disk of the database was full. */
  readonly full: number;
  /** Locks that were lost before they expired, and the calls that found it. */
  readonly lostLocks: readonly { readonly world: string; readonly text: string }[];
  /** Answers that no client expects, such as 500. */
  readonly unexpected: readonly string[];
}

/** A request before it is sent. */
interface Plan {
  readonly kind: Exclude<CallKind, "read">;
  readonly world: string;
  readonly to?: string;
  readonly text?: string;
  readonly condition?: Call["condition"];
  readonly lock?: string;
  /** Token of the lock. */
  readonly token?: string;
  readonly key?: string;
}

/** What a client knows of a world. */
interface Known {
  /** 0 if it does not exist. */
  readonly version: number;
  /** `Elastik-At` of its last write. */
  readonly at?: string;
}

/** The clients of a run. */
export class Load {
  readonly calls: Call[] = [];
  readonly locks: LockSpan[] = [];
  readonly #options: LoadOptions;
  readonly #names: { mixed: string[]; locked: string[]; followed: string[] };
  readonly #kinds: (keyof typeof MIX)[];
  readonly #unexpected: string[] = [];
  /**
   * Without connections that are used again: if one breaks after a request was sent, fetch sends the
   * request again without a word, also a POST (Deno 2.9.6).
   */
  readonly #http = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** Writes by their outcome. */
  readonly #writes = { ok: 0, refused: 0, unknown: 0 };
  #full = 0;
  #repeated = 0;
  readonly #lostLocks: { world: string; text: string }[] = [];
  #lastAcknowledged = 0;
  #longestPause = 0;
  #recentPause = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    const { prefix, worlds = { mixed: 6, locked: 1, followed: 1 }, mix = {} } = options;
    const names = (letter: string, count: number) =>
      Array.from({ length: count }, (_, i) => `${prefix}${letter}${i}`);
    this.#names = {
      mixed: names("w", worlds.mixed),
      locked: names("l", worlds.locked),
      followed: names("s", worlds.followed),
    };
    const weights = { ...MIX, ...mix };
    this.#kinds = kindsOf(weights).filter((kind) => kind !== "lock" || worlds.locked > 0);
  }

  /** Worlds that have one writer, which pauses. */
  get followed(): readonly string[] {
    return this.#names.followed;
  }

  /** Starts the clients. */
  start(): void {
    this.#lastAcknowledged = performance.now();
    const { seed, clients = 8 } = this.#options;
    const all = Array.from(
      { length: clients },
      (_, i) => this.#client(i, createRandom(seed * 1009 + i)),
    );
    const writers = this.#names.followed.map((world, i) =>
      this.#writeFollowed(world, clients + i, createRandom(seed * 1013 + i))
    );
    this.#running = Promise.all([...all, ...writers]).then(() => {});
    this.#running.catch(() => {}); // stop() reports it
  }

  /**
   * Waits for this many further acknowledged writes.
   *
   * @throws {Error} if none comes for {@link MAX_SILENCE_MS}
   */
  async untilAcknowledged(count: number): Promise<void> {
    const target = this.#writes.ok + count;
    while (this.#writes.ok < target && !this.#isStopped) {
      if (performance.now() - this.#lastAcknowledged > MAX_SILENCE_MS) {
        throw new Error(`No write was acknowledged for ${MAX_SILENCE_MS / 1000} s`);
      }
      await pause(UNREACHABLE_MS);
    }
  }

  /** The longest time without an acknowledged write since the last call of this, in milliseconds. */
  takeLongestPause(): number {
    const now = performance.now();
    const pause = Math.max(this.#recentPause, now - this.#lastAcknowledged);
    this.#recentPause = 0;
    return Math.round(pause);
  }

  /** Number of acknowledged writes. */
  get acknowledged(): number {
    return this.#writes.ok;
  }

  /** Number of writes that were refused because the disk of the database was full. */
  get full(): number {
    return this.#full;
  }

  /** Stops the clients; each finishes its call. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    try {
      await this.#running;
    } finally {
      this.#http.close();
    }
  }

  report(): LoadReport {
    const { ok, refused, unknown } = this.#writes;
    return {
      acknowledged: ok,
      refused,
      unknown,
      reads: this.calls.length - ok - refused - unknown,
      repeated: this.#repeated,
      longestPauseMs: Math.round(this.#longestPause),
      full: this.#full,
      lostLocks: this.#lostLocks,
      unexpected: this.#unexpected,
    };
  }

  async #client(index: number, random: () => number): Promise<void> {
    const client = new ClientState(index, random);
    const shared = [...this.#names.mixed, ...this.#names.locked];
    const { pauseMs = 0 } = this.#options;
    while (!this.#isStopped) {
      if (pauseMs > 0) await pause(random() * pauseMs);
      const kind = client.pick(this.#kinds) ?? "put";
      const world = client.pick(this.#names.mixed) ?? "";
      const { version = 0 } = client.known.get(world) ?? {};
      if (kind === "read" || kind === "fresh") {
        await this.#read(
          client,
          client.pick([...shared, ...this.#names.followed]) ?? "",
          kind === "fresh",
        );
      } else if (kind === "lock") {
        await this.#writeLocked(client, client.pick(this.#names.locked) ?? "");
      } else if (kind === "put" || kind === "append") {
        await this.#write(client, { kind, world: client.pick(shared) ?? "" });
      } else if (kind === "swap") {
        await this.#swap(client, client.pick(shared) ?? "");
      } else if (kind === "create") {
        await this.#write(client, { kind: "put", world, condition: "absent" });
      } else if (kind === "move") {
        const to = client.pick(this.#names.mixed.filter((name) => name !== world));
        if (to === undefined) continue;
        const condition = random() < 0.3 ? "absent" : random() < 0.4 ? version : undefined;
        await this.#write(client, { kind, world, to, ...(condition ? { condition } : {}) });
      } else {
        const condition = version > 0 && random() < 0.3 ? { condition: version } : {};
        await this.#write(client, { kind, world, ...condition });
      }
    }
  }

  /** Reads a world, unless its version is known, and replaces that version. */
  async #swap(client: ClientState, world: string): Promise<void> {
    if (client.random() < 0.5 || !client.known.has(world)) await this.#read(client, world, true);
    const { version = 0 } = client.known.get(world) ?? {};
    const kind = client.pick(["put", "append", "prepend"] as const) ?? "put";
    if (version > 0) await this.#write(client, { kind, world, condition: version });
  }

  /** Writes a world that streams follow. */
  async #writeFollowed(world: string, index: number, random: () => number): Promise<void> {
    const client = new ClientState(index, random);
    const { pauseMs = 0 } = this.#options;
    for (let i = 0; !this.#isStopped; i++) {
      await this.#write(client, { kind: i % FOLLOWED_APPENDS === 0 ? "put" : "append", world });
      await pause(Math.max(FOLLOWED_MS, pauseMs));
    }
  }

  /** Locks a world, writes it with the token, and unlocks it. */
  async #writeLocked(client: ClientState, world: string): Promise<void> {
    const { headers, lockSeconds = LOCK_SECONDS } = this.#options;
    // LOCK would create a world without a call in the record.
    if (!client.known.has(world)) await this.#write(client, { kind: "put", world });
    if ((client.known.get(world)?.version ?? 0) === 0) return;
    // The time of the lock begins while its holder waits for the answer.
    const sent = performance.now();
    const locked = await this.#fetch(client, world, `/dav/${world}`, {
      method: "LOCK",
      headers: { ...headers, timeout: `Second-${lockSeconds}` },
      body: LOCK_BODY,
    });
    const from = performance.now();
    const token = locked?.headers.get("lock-token") ?? undefined;
    if (locked === undefined || locked.status !== 200 || token === undefined) return;
    const id = client.next("l");
    let through: number | undefined;
    for (let writes = 1 + Math.floor(client.random() * 3); writes > 0; writes--) {
      const kind = client.pick(["put", "append"] as const) ?? "put";
      const call = await this.#write(client, { kind, world, lock: id, token });
      if (call.outcome === "ok" && call.version !== undefined) through = call.version;
      else {
        const ms = performance.now() - sent;
        if (call.status === 412 && ms <= lockSeconds * 1000) {
          const text = `${token} was lost after ${Math.round(ms)} ms, as ${call.id} found`;
          this.#lostLocks.push({ world, text });
        }
        break;
      }
    }
    if (through !== undefined) this.locks.push({ id, world, from, through });
    await this.#fetch(client, world, `/dav/${world}`, {
      method: "UNLOCK",
      headers: { ...headers, "lock-token": token },
    });
  }

  /** Sends a write until it is answered, and records it. */
  async #write(client: ClientState, plan: Omit<Plan, "text" | "key">): Promise<Call> {
    const id = client.next("");
    const hasText = plan.kind !== "delete" && plan.kind !== "move";
    const isKeyed = plan.kind !== "move" && client.random() < KEYED;
    const whole: Plan = {
      ...plan,
      ...(hasText ? { text: `[${id}]` } : {}),
      ...(isKeyed ? { key: `${this.#options.prefix}${id}` } : {}),
    };
    const call = await this.#send(client, id, whole);
    this.calls.push(call);
    this.#writes[call.outcome] += 1;
    if (call.outcome === "ok") {
      const pauseMs = call.ended - this.#lastAcknowledged;
      this.#longestPause = Math.max(this.#longestPause, pauseMs);
      this.#recentPause = Math.max(this.#recentPause, pauseMs);
      this.#lastAcknowledged = Math.max(this.#lastAcknowledged, call.ended);
    }
    return call;
  }

  async #send(client: ClientState, id: string, plan: Plan): Promise<Call> {
    const { kind, world, to, text, condition, lock, key } = plan;
    const began = performance.now();
    const sent = {
      id,
      kind,
      world,
      began,
      ...(to === undefined ? {} : { to }),
      ...(text === undefined ? {} : { text }),
      ...(condition === undefined ? {} : { condition }),
      ...(lock === undefined ? {} : { lock }),
    };
    const end = (node: number, rest: Pick<Call, "outcome"> & Partial<Call>): Call => ({
      ...sent,
      node,
      ended: performance.now(),
      ...rest,
    });
    let mayHaveHappened = false;
    for (let attempt = 0;; attempt++) {
      if (attempt > 0) this.#repeated += 1;
      const isLate = performance.now() - began > PATIENCE_MS;
      const found = this.#choose(client, world);
      if (found === undefined) {
        if (isLate) return end(-1, giveUp(mayHaveHappened));
        await pause(UNREACHABLE_MS);
        continue;
      }
      const { node, url } = found;
      const answer = await this.#ask(`${url}${pathOf(plan)}`, this.#requestOf(plan));
      if (answer === undefined) {
        mayHaveHappened = true;
        if (key === undefined || isLate) return end(node, { outcome: "unknown" });
        continue;
      }
      const { status, body, headers } = answer;
      if (status >= 200 && status < 300) {
        const result = parseResult(body);
        const version = result.version ?? 0;
        const at = headers.get("elastik-at");
        client.known.set(to ?? world, { version, ...(at === null ? {} : { at }) });
        if (to !== undefined || kind === "delete") client.known.set(world, { version: 0 });
        return end(node, { outcome: "ok", ...result });
      }
      if (status === 503 || status === 429) {
        const isUnknown = body.includes("outcome-unknown");
        mayHaveHappened ||= isUnknown;
        if (isUnknown && key === undefined) return end(node, { outcome: "unknown", status });
        if (isLate) return end(node, { ...giveUp(mayHaveHappened), status });
        await pause(retryMs(headers));
        continue;
      }
      if (status === 507) {
        this.#full += 1;
        await pause(UNREACHABLE_MS);
        // An earlier request that was not answered can still take effect.
        return end(node, { outcome: mayHaveHappened ? "unknown" : "refused", status });
      }
      if ([404, 409, 412, 423].includes(status)) {
        client.known.delete(world);
        // An earlier request that was not answered can still take effect.
        return end(node, { outcome: mayHaveHappened ? "unknown" : "refused", status });
      }
      this.#unexpected.push(`${kind} ${world}: ${status} ${body.slice(0, 200)}`);
      return end(node, { outcome: "unknown", status });
    }
  }

  /** Reads a world; a read that is not answered is not recorded. */
  async #read(client: ClientState, world: string, fresh: boolean): Promise<void> {
    const id = client.next("");
    const known = client.known.get(world);
    const at = !fresh && known?.at !== undefined && client.random() < 0.5 ? known.at : undefined;
    const headers = {
      ...this.#options.headers,
      ...(fresh ? { "cache-control": "no-cache" } : {}),
      ...(at === undefined ? {} : { "elastik-at": at }),
    };
    const began = performance.now();
    const found = this.#choose(client, world);
    const answer = found && await this.#ask(`${found.url}/${world}?raw`, { headers });
    if (found === undefined || answer === undefined) return await pause(UNREACHABLE_MS);
    const { status, body } = answer;
    const call = {
      id,
      kind: "read",
      world,
      node: found.node,
      began,
      ended: performance.now(),
      fresh,
    } as const;
    const atLeast = at === undefined || known === undefined ? {} : { atLeast: known.version };
    if (status === 503 || status === 429) return await pause(retryMs(answer.headers));
    if (status === 404) {
      this.calls.push({ ...call, outcome: "refused", status, ...atLeast });
      client.known.set(world, { version: 0 });
      return;
    }
    const version = Number(/^"(\d+)-/.exec(answer.headers.get("etag") ?? "")?.[1]);
    if (status !== 200 || !(version > 0)) {
      this.#unexpected.push(`read ${world}: ${status} ${body.slice(0, 200)}`);
      return;
    }
    this.calls.push({ ...call, outcome: "ok", version, text: body, ...atLeast });
    client.known.set(world, { version });
  }

  #requestOf({ kind, to, text, condition, token, key }: Plan): RequestInit {
    const headers: Record<string, string> = { ...this.#options.headers };
    if (to !== undefined) headers.destination = `/${to}`;
    if (typeof condition === "number") headers["if-match"] = `"${condition}"`;
    if (condition === "absent" && kind === "move") headers.overwrite = "F";
    else if (condition === "absent") headers["if-none-match"] = "*";
    if (token !== undefined) headers.if = `(${token})`;
    if (key !== undefined) headers["idempotency-key"] = key;
    if (kind === "prepend") headers["content-type"] = "application/json";
    const body = kind === "prepend" ? JSON.stringify({ prepend: text }) : text;
    return { method: METHODS[kind], headers, ...(body === undefined ? {} : { body }) };
  }

  /** Sends a request that is no part of the record. */
  async #fetch(
    client: ClientState,
    world: string,
    path: string,
    init: RequestInit,
  ): Promise<Answer | undefined> {
    const found = this.#choose(client, world);
    return found && await this.#ask(`${found.url}${path}`, init);
  }

  /** Sends one request; undefined if the connection broke or the time was over. */
  async #ask(url: string, init: RequestInit): Promise<Answer | undefined> {
    try {
      const signal = AbortSignal.timeout(ATTEMPT_MS);
      const response = await fetch(url, { ...init, client: this.#http, signal });
      return { status: response.status, headers: response.headers, body: await response.text() };
    } catch (error) {
      // TypeError: the connection. DOMException: the time is over.
      if (error instanceof TypeError || error instanceof DOMException) return undefined;
      throw error;
    }
  }

  /** Chooses a node that runs. */
  #choose(client: ClientState, world: string): { node: number; url: string } | undefined {
    const { urls, route = "random" } = this.#options;
    const running = [...urls().entries()].flatMap(([node, url]) =>
      url === undefined ? [] : [{ node, url }]
    );
    if (route === "random") return client.pick(running);
    const hash = [...world].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0) | 0, 7);
    return running[Math.abs(hash) % running.length];
  }
}

const METHODS: Record<Plan["kind"], string> = {
  put: "PUT",
  append: "POST",
  prepend: "PATCH",
  delete: "DELETE",
  move: "MOVE",
};

/** What one client knows. */
class ClientState {
  readonly known = new Map<string, Known>();
  #count = 0;

  constructor(readonly index: number, readonly random: () => number) {}

  /** A new id. */
  next(kind: string): string {
    return `${kind}${this.index}.${this.#count++}`;
  }

  pick<T>(values: readonly T[]): T | undefined {
    return values[Math.floor(this.random() * values.length)];
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The parts of an answer to a write that are recorded. */
function parseResult(body: string): { version?: number; trash?: string } {
  const { version, trash }: { version?: unknown; trash?: unknown } = JSON.parse(body);
  return {
    ...(typeof version === "number" ? { version } : {}),
    ...(Array.isArray(trash) ? { trash: String(trash[0]) } : {}),
  };
}

function pathOf({ world }: Plan): string {
  return `/${world}`;
}

function giveUp(mayHaveHappened: boolean): Pick<Call, "outcome" | "status"> {
  return mayHaveHappened ? { outcome: "unknown" } : { outcome: "refused", status: 503 };
}

function retryMs(headers: Headers): number {
  return Math.min(Number(headers.get("retry-after") ?? 1) * 1000, MAX_RETRY_MS);
}

function kindsOf(weights: Record<keyof typeof MIX, number>): (keyof typeof MIX)[] {
  return (Object.keys(weights) as (keyof typeof MIX)[]).flatMap((kind) =>
    Array.from({ length: weights[kind] }, () => kind)
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}
