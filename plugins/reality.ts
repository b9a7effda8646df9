/**
 * The machine as something that can be had again. `/self` is its source and `/__reality__` its worlds,
 * each as a tar.gz for T3, made while it is sent; `/self/main.ts` and all below it are the modules
 * themselves, from which another machine runs. No key, token or setting of this machine is in any of
 * them: the clone's worlds are signed with a key of the clone's own.
 * `/usr/share/doc/reality.md` is the manual.
 */

export const description = "the machine as archives (T3), and its source as modules to run from";
export const routes = ["/self", "/__reality__"];
/** A capability counts as T2; who is neither T3 nor holds one over /self is sent away below. */
export const auth = "T2";
export const grants = { "/proc/source/": "r" };

type Bytes = Uint8Array<ArrayBuffer>;
type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

interface Env {
  readonly caller: { readonly fetch: Fetch; readonly tier: string };
  readonly machine: { readonly fetch: Fetch };
}

/** One file of an archive: what its body is comes when its turn has come. */
interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly length: number;
  /** A text, bytes, or the body of an answer. */
  readonly body: string | Bytes | ReadableStream<Bytes>;
}

const SOURCE = "/proc/source";
const MAIN = "main.ts";
/** Files asked for before their turn comes. */
const AHEAD = 6;
/** How often a world is asked for that the machine is too busy to copy, and the pause, in milliseconds. */
const TRIES = 20;
const PAUSE_MS = 500;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method !== "GET" && request.method !== "HEAD") return onlyRead(request, pathname);
    if (pathname.replace(/\/$/, "") === "/__reality__") {
      return await notTheirs(env, []) ?? await reality(request, env);
    }
    const refused = await notTheirs(env, ["/self"]);
    if (refused !== undefined) return refused;
    const path = pathname.slice("/self/".length);
    return path === "" ? await self(request, env) : await module(request, env, path);
  },
};

// who may

/**
 * The refusal for who is neither T3 nor holds a capability that was minted at or below one of these
 * paths. One minted above was not meant for the source, however its holder has narrowed it.
 */
async function notTheirs(env: Env, prefixes: readonly string[]): Promise<Response | undefined> {
  if (env.caller.tier === "T3") return undefined;
  const whoami = await env.caller.fetch("/auth/whoami");
  const told: unknown = whoami.ok ? await whoami.json() : undefined;
  const minted = firstPrefix(told);
  const theirs = prefixes.some((prefix) => minted === prefix || minted?.startsWith(`${prefix}/`));
  // What only T3 may read is refused in the machine's own words, challenge and all.
  return theirs ? undefined : await env.caller.fetch(SOURCE);
}

/** The prefix a capability was minted with: the first of its lines, which nobody can take away. */
function firstPrefix(told: unknown): string | undefined {
  if (typeof told !== "object" || told === null || !("prefixes" in told)) return undefined;
  const { prefixes } = told;
  const first: unknown = Array.isArray(prefixes) ? prefixes[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

// modules

/** One file of the source, for whoever runs it from here. */
async function module(request: Request, env: Env, path: string): Promise<Response> {
  const answer = await env.machine.fetch(`${SOURCE}/${path}`);
  if (answer.status === 404 && path === MAIN) return await toMain(answer, env);
  if (!answer.ok) return answer;
  const headers = new Headers(answer.headers);
  if (/\.[cm]?tsx?$/.test(path)) headers.set("content-type", "application/typescript");
  return bare(request, answer.body, headers);
}

/** Where the program is one file of another name, the first module is that. */
async function toMain(absent: Response, env: Env): Promise<Response> {
  const { main } = await sourceList(env);
  if (main === MAIN) return absent;
  await absent.body?.cancel();
  // Relative, so that it holds behind a proxy as well.
  return new Response(null, {
    status: 307,
    headers: { location: `./${encodeURIComponent(main)}`, "cache-control": "no-store" },
  });
}

async function sourceList(env: Env): Promise<{ main: string; files: readonly string[] }> {
  const answer = await env.machine.fetch(`${SOURCE}/`, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Passed(answer);
  return await answer.json();
}

// archives

/** The source as one archive. */
async function self(request: Request, env: Env): Promise<Response> {
  try {
    const { files } = await sourceList(env);
    return archive(
      request,
      "elastik.tar.gz",
      () => inTurn(files, (path) => sourceEntry(env, path)),
    );
  } catch (error) {
    if (error instanceof Passed) return error.answer;
    throw error;
  }
}

/** One file of the source, or `undefined` for one that was removed since it was listed. */
async function sourceEntry(env: Env, path: string): Promise<Entry | undefined> {
  const answer = await env.machine.fetch(`${SOURCE}/${encodePath(path)}`);
  if (answer.status === 404) {
    await answer.body?.cancel();
    return undefined;
  }
  if (!answer.ok) throw new Error(`Cannot read ${path}: the machine answered ${answer.status}`);
  const body = await answer.bytes();
  const program = body[0] === 0x23 && body[1] === 0x21; // "#!"
  return { path, mode: program ? 0o755 : 0o644, length: body.length, body };
}

/** Entries in their order, a few of which are under way while one is sent. */
async function* inTurn(
  names: readonly string[],
  make: (name: string) => Promise<Entry | undefined>,
): AsyncGenerator<Entry> {
  const ahead: Promise<Entry | undefined>[] = [];
  try {
    for (let next = 0; next < names.length || ahead.length > 0;) {
      while (ahead.length < AHEAD && next < names.length) {
        const entry = make(names[next++] ?? "");
        entry.catch(() => {}); // it is told when its turn comes
        ahead.push(entry);
      }
      const entry = await ahead.shift();
      if (entry !== undefined) yield entry;
    }
  } finally {
    // Whoever went away left copies that nobody will read.
    for (const entry of ahead) entry.then((left) => discard(left), () => {});
  }
}

/** Every world as one archive, with the key they are signed with. */
async function reality(request: Request, env: Env): Promise<Response> {
  const answer = await env.caller.fetch("/proc/worlds", {
    headers: { accept: "application/json" },
  });
  if (!answer.ok) return answer;
  const worlds: readonly { name: string; layer: string }[] = await answer.json();
  const names = worlds.filter(({ layer }) => layer === "upper").map(({ name }) => name);
  return archive(request, "data.tar.gz", () => worldEntries(env, names));
}

async function* worldEntries(env: Env, names: readonly string[]): AsyncGenerator<Entry> {
  const key = hex(crypto.getRandomValues(new Uint8Array(32)));
  yield { path: "data/", mode: 0o700, length: 0, body: "" };
  yield* inTurn(names, (name) => worldEntry(env, name, key));
  // Last: worlds without their key are seen not to be all there is.
  yield { path: "data/.key", mode: 0o600, length: key.length + 1, body: `${key}\n` };
}

/** The copy of one world, or `undefined` for one that was deleted since it was listed. */
async function worldEntry(env: Env, name: string, key: string): Promise<Entry | undefined> {
  const path = `data/${name.replaceAll("%", "%25").replaceAll("/", "%2F")}/universe.db`;
  for (let tries = 1;; tries++) {
    const answer = await env.caller.fetch(`/proc/snapshot/${encodePath(name)}`, {
      method: "POST",
      body: key,
    });
    const size = /; size=(\d+)$/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
    const length = Number(size);
    if (answer.ok && answer.body !== null && Number.isSafeInteger(length)) {
      return { path, mode: 0o600, length, body: answer.body };
    }
    if (answer.status === 404) {
      await answer.body?.cancel();
      return undefined;
    }
    const problem = await answer.text();
    if (problem.includes("/world-damaged.md")) return unreadable(path, name);
    if (answer.status !== 503 || tries === TRIES) {
      throw new Error(`Cannot copy /${name}: the machine answered ${answer.status}`);
    }
    await new Promise<void>((resolve) => setTimeout(() => resolve(), PAUSE_MS));
  }
}

/** What cannot be read here cannot be read in the clone either, and every check of it says so. */
function unreadable(path: string, name: string): Entry {
  console.warn(`/${name} could not be copied: its file cannot be read; the archive says so`);
  const body = `This is no world: /${name} could not be read where it was copied from.\n`;
  return { path, mode: 0o600, length: new TextEncoder().encode(body).length, body };
}

async function discard(entry: Entry | undefined): Promise<void> {
  if (entry?.body instanceof ReadableStream) await entry.body.cancel();
}

/** An archive that is made as it is read. What fails in its midst breaks it off, and gzip shows that. */
function archive(
  request: Request,
  name: string,
  entries: () => AsyncGenerator<Entry>,
): Response {
  const headers = new Headers({
    "content-type": "application/gzip",
    "content-disposition": `attachment; filename="${name}"`,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  if (request.method === "HEAD") return new Response(null, { headers });
  const bytes = tar(entries(), Math.floor(Date.now() / 1000));
  const plain = new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const { done, value } = await bytes.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        console.error(`${name} was broken off: ${error instanceof Error ? error.message : error}`);
        throw error;
      }
    },
    async cancel() {
      await bytes.return(undefined);
    },
  }, { highWaterMark: 1 });
  return new Response(plain.pipeThrough(new CompressionStream("gzip")), { headers });
}

// tar (POSIX.1-2001 pax)

const BLOCK = 512;
/** Longest name a header of the old form holds, in bytes. */
const MAX_NAME = 100;
const PIECE = 64 * 1024;
const encoder = new TextEncoder();

/** The bytes of an archive, in pieces. */
async function* tar(entries: AsyncGenerator<Entry>, time: number): AsyncGenerator<Bytes> {
  for await (const entry of entries) {
    try {
      const { path, length, mode } = entry;
      if (encoder.encode(path).length > MAX_NAME || /[^\x20-\x7e]/.test(path)) {
        const record = paxRecord("path", path);
        yield header("pax", record.length, 0o600, time, "x");
        yield record;
        yield padding(record.length);
      }
      yield header(path, length, mode, time, path.endsWith("/") ? "5" : "0");
      yield* exactly(entry);
      yield padding(length);
    } finally {
      await discard(entry);
    }
  }
  yield new Uint8Array(2 * BLOCK);
}

/** The body of an entry, which must be as long as was said: all that follows depends on it. */
async function* exactly({ path, length, body }: Entry): AsyncGenerator<Bytes> {
  let sent = 0;
  for await (const piece of piecesOf(body)) {
    sent += piece.length;
    if (sent > length) break;
    yield piece;
  }
  if (sent !== length) throw new Error(`Cannot pack ${path}: it is not as long as was said`);
}

async function* piecesOf(body: Entry["body"]): AsyncGenerator<Bytes> {
  if (typeof body === "string") yield encoder.encode(body);
  else if (body instanceof Uint8Array) {
    for (let at = 0; at < body.length; at += PIECE) yield body.subarray(at, at + PIECE);
  } else {
    const reader = body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      reader.releaseLock();
    }
  }
}

/** One header block; the names of what needs more are in the record before it. */
function header(path: string, length: number, mode: number, time: number, type: string): Bytes {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => block.set(encoder.encode(text), at);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  block.set(encoder.encode(path.replace(/[^\x20-\x7e]/g, "_")).subarray(0, MAX_NAME), 0);
  put(octal(mode, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(length, 11), 124);
  put(octal(time, 11), 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A record tells its own length in bytes, the digits of that included. */
function paxRecord(name: string, value: string): Bytes {
  const rest = ` ${name}=${value}\n`;
  const bytes = encoder.encode(rest).length;
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length += 1;
  return encoder.encode(`${length}${rest}`);
}

function padding(length: number): Bytes {
  return new Uint8Array((BLOCK - length % BLOCK) % BLOCK);
}

// small things

/** An answer of the machine that ends the request as it is. */
class Passed extends Error {
  readonly answer: Response;
  constructor(answer: Response) {
    super("the machine refused");
    this.answer = answer;
  }
}

function bare(request: Request, body: ReadableStream<Bytes> | null, headers: Headers): Response {
  if (request.method !== "HEAD") return new Response(body, { headers });
  body?.cancel().catch(() => {});
  return new Response(null, { headers });
}

function onlyRead(request: Request, path: string): Response {
  const problem = {
    type: "/usr/share/doc/problems/method-not-allowed.md",
    title: "The method does not apply here",
    status: 405,
    detail: `Cannot ${request.method} ${path}: it takes GET, HEAD`,
  };
  const headers = { allow: "GET, HEAD", "content-type": "application/problem+json" };
  return new Response(`${JSON.stringify(problem)}\n`, { status: 405, headers });
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function hex(bytes: Bytes): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
