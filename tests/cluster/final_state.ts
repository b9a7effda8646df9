/**
 * Reads over HTTP what is stored at the end of a run: every event chain with its audit, and the bytes of
 * every version. Deleted worlds are restored from the trash under other names, and read too.
 */

import type { FinalState } from "./history.ts";
import { type Chain, type LogEvent, toTimelines } from "./timeline.ts";

/** Sends a request to any node. */
export type Send = (path: string, init?: RequestInit) => Promise<Response>;

/** Requests that are under way at the same time. */
const CONCURRENT = 8;
const PAGE = 1000;
/** Most milliseconds for which a request is repeated while no node can answer. */
const PATIENCE_MS = 120_000;
const RETRY_MS = 200;

/**
 * Reads all worlds below a prefix, and those that were below it.
 *
 * @param prefix name of a collection, such as `home/run1/`; worlds of the trash are restored below
 * `home/run1-restored/`
 * @param texts most versions of a chain whose bytes are read, the newest ones; the hashes of all versions
 * are in the events
 */
export async function readFinalState(
  send: Send,
  prefix: string,
  texts = Infinity,
): Promise<FinalState> {
  const reader = new StateReader(send, texts);
  const names = await reader.list(prefix);
  const chains = await inParallel(names, (name) => reader.readChain(name, false));
  const restored = await reader.restore(prefix);
  chains.push(...await inParallel(restored, (name) => reader.readChain(name, true)));
  return { timelines: toTimelines(chains), faults: reader.faults };
}

/** Lists the worlds below a prefix with their versions, by a read that must be linearizable. */
export async function listWorlds(send: Send, prefix: string): Promise<Map<string, number>> {
  const response = await patiently(send, `/${prefix}?deep`, {
    headers: { accept: "application/json", "cache-control": "no-cache" },
  });
  const body = await response.text();
  if (response.status === 404) return new Map();
  const rows: { name: string; version?: number }[] = JSON.parse(body);
  return new Map(
    rows.flatMap(({ name, version }) => version === undefined ? [] : [[name, version]]),
  );
}

class StateReader {
  readonly faults: { world: string; text: string }[] = [];
  readonly #send: Send;
  readonly #texts: number;

  constructor(send: Send, texts: number) {
    this.#send = send;
    this.#texts = texts;
  }

  async list(prefix: string): Promise<string[]> {
    return [...(await listWorlds(this.#send, prefix)).keys()];
  }

  /** Restores all deleted worlds; returns their new names. */
  async restore(prefix: string): Promise<string[]> {
    const ids: string[] = [];
    let path: string | undefined = `/proc/trash/${prefix}?limit=${PAGE}`;
    while (path !== undefined) {
      const response: Response = await patiently(this.#send, path);
      const rows: { id: string }[] = await response.json();
      ids.push(...rows.map(({ id }) => id));
      path = nextOf(response);
    }
    return await inParallel([...ids.entries()], async ([i, id]) => {
      const name = `${prefix.replace(/\/$/, "")}-restored/${i}`;
      const response = await patiently(this.#send, `/${name}?trash=${id}`, { method: "PUT" });
      if (!response.ok) throw new Error(`Cannot restore ${id}: ${await response.text()}`);
      await response.body?.cancel();
      return name;
    });
  }

  async readChain(world: string, isRestored: boolean): Promise<Chain> {
    const events: LogEvent[] = [];
    let path: string | undefined = `/proc/log/${world}?limit=${PAGE}`;
    while (path !== undefined) {
      const response: Response = await patiently(this.#send, path, ACCEPT_JSON);
      events.push(...await response.json());
      path = nextOf(response);
    }
    events.reverse();
    const audit = await (await patiently(this.#send, `/proc/audit/${world}`, ACCEPT_JSON)).json();
    if (audit.ok !== true) {
      this.faults.push({ world, text: `the audit found ${JSON.stringify(audit)}` });
    }
    const versions = events.flatMap(({ payload: { version_after } }) =>
      typeof version_after === "number" ? [version_after] : []
    );
    const texts = new Map<number, string>();
    for (const version of versions.slice(-this.#texts)) {
      const response = await patiently(this.#send, `/${world}?at=${version}&raw`);
      const text = await response.text();
      if (response.status === 200) texts.set(version, text);
      else if (response.status !== 410) {
        this.faults.push({ world, text: `?at=${version} answers ${response.status} ${text}` });
      }
    }
    return { world, events, texts, isRestored };
  }
}

const ACCEPT_JSON = { headers: { accept: "application/json" } };

/** Repeats a request while it is answered with 503 or no node answers. */
async function patiently(send: Send, path: string, init: RequestInit = {}): Promise<Response> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    let last: string;
    try {
      const response = await send(path, init);
      if (response.status !== 503) return response;
      last = await response.text();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the connection broke
      last = error.message;
    }
    if (performance.now() > end) throw new Error(`Cannot read ${path}: ${last}`);
    await new Promise((resume) => setTimeout(resume, RETRY_MS));
  }
}

/** The path of the next page. */
function nextOf(response: Response): string | undefined {
  return /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
}

/** Applies a function to all values, some at the same time; keeps their order. */
async function inParallel<T, R>(
  values: readonly T[],
  apply: (value: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = values.entries();
  const worker = async () => {
    for (const [at, value] of left) results[at] = await apply(value);
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
  return results;
}
