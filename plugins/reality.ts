// Built from plugins/reality/ by deno task plugins. Edit the sources there.

/**
 * Copies of the server: `/self` is its source and `/__reality__` its worlds, each as a tar.gz for T3,
 * made while it is sent. `/self/main.ts` and all paths below `/self/` are the modules, from which
 * another server can run. No key, token or setting of this server is in any of them: the copied worlds
 * are signed with a key made for the copy. Manual: `/usr/share/doc/reality.md`.
 */

export const description = "the server as archives (T3), and its source as modules to run from";
export const routes = ["/self", "/__reality__"];
/** A capability has T2. All callers but T3 and holders of one for `/self` are refused below. */
export const auth = "T2";
export const grants = { "/proc/source/": "r" } as const;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (error instanceof ServerRefusal) return error.response;
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  const { method } = request;
  const { pathname } = new URL(request.url);
  if (method !== "GET" && method !== "HEAD") {
    const detail = `Cannot ${method} ${pathname}: it is read-only; use GET or HEAD`;
    throw new Problem("method-not-allowed", detail, { allow: "GET, HEAD" });
  }
  if (pathname.replace(/\/$/, "") === "/__reality__") {
    const refusal = await refusalUnlessAllowed(env, []);
    if (refusal !== undefined) return refusal;
    const worlds = await listWorlds(env);
    return archiveResponse(request, "data.tar.gz", () => worldEntries(env, worlds));
  }
  const refusal = await refusalUnlessAllowed(env, ["/self"]);
  if (refusal !== undefined) return refusal;
  const path = pathname.slice("/self/".length);
  if (path !== "") return await moduleResponse(request, env, path);
  const { files } = await listSource(env);
  return archiveResponse(request, "elastik.tar.gz", () => sourceEntries(env, files));
}

// ---- plugins/kit/accept.ts

/**
 * Content negotiation by the Accept header (RFC 9110 §12.5.1): q-values, specificity, refusal with
 * q=0. The results are those of the server's own negotiation, `lib/http/negotiate.ts`; one table of
 * cases tests both.
 */

/** A longer Accept header counts as absent, in characters: RFC 9110 lets a server disregard it. */
const MAX_ACCEPT_LENGTH = 2048;

/** One media range of an Accept header. */
interface AcceptRange {
  /** Type and subtype in lower case, such as `text/html` or `text/*`. */
  readonly range: string;
  /** Parameters except `q`, names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Weight; 0 refuses the type, NaN if it is not a number. */
  readonly q: number;
}

/** An offered media type that Accept allows. */
interface TypeChoice {
  /** The offered type. */
  readonly type: string;
  /** The media range that allowed it: the type itself, or a range with `*`. */
  readonly range: string;
}

const RANGE_START = /[ \t]*([^,;]*)/y;
/** A parameter with a quoted value, a quoted value without end, a plain value, or without a value. */
const RANGE_PARAMETER =
  /;[ \t]*(?:([^,;=]*)=[ \t]*(?:"((?:\\[^]|[^"\\])*)"[^,;]*|"[^]*|([^,;]*))|[^,;=]*)/y;

/**
 * Parses an Accept header. `*` counts as a range for all types; other elements without a slash are
 * left out.
 *
 * @param accept value of the Accept header
 * @returns the media ranges in the order of the header
 */
function parseAccept(accept: string): AcceptRange[] {
  const ranges: AcceptRange[] = [];
  for (let at = 0; at < accept.length; at++) {
    RANGE_START.lastIndex = at;
    const range = (RANGE_START.exec(accept)?.[1] ?? "").replace(/[ \t]+$/, "").toLowerCase();
    RANGE_PARAMETER.lastIndex = at = RANGE_START.lastIndex;
    const parameters = new Map<string, string>();
    for (let found = RANGE_PARAMETER.exec(accept); found; found = RANGE_PARAMETER.exec(accept)) {
      at = RANGE_PARAMETER.lastIndex;
      const name = found[1]?.replace(/[ \t]+$/, "").toLowerCase();
      const value = found[2]?.replace(/\\([^])/g, "$1") ?? found[3]?.replace(/[ \t]+$/, "");
      if (name === undefined || value === undefined || parameters.has(name)) continue;
      parameters.set(name, value);
    }
    const weight = parameters.get("q") ?? "";
    parameters.delete("q");
    const q = weight === "" ? 1 : parseFloat(weight);
    if (range === "*") ranges.push({ range: "*/*", parameters, q });
    else if (range.includes("/")) ranges.push({ range, parameters, q });
  }
  return ranges;
}

/**
 * Lists the offered media types that Accept allows, best first: by weight, then by how specific the
 * media range is, then by the order of the header, then by the order offered.
 *
 * @param accept value of the Accept header; null, blank and over-long values allow every type
 * @param offered media types without parameters, in the plugin's order of preference
 */
function acceptableTypes(accept: string | null, offered: readonly string[]): TypeChoice[] {
  // These two headers are the usual ones of programs; no list has to be parsed for them.
  if (accept === null || accept === "*/*") return offered.map((type) => ({ type, range: "*/*" }));
  if (offered.includes(accept)) return [{ type: accept, range: accept }];
  if (accept.length > MAX_ACCEPT_LENGTH || accept.trim() === "") {
    return offered.map((type) => ({ type, range: "*/*" }));
  }
  const ranges = parseAccept(accept);
  return offered.map((type) => bestRange(type, ranges))
    .filter(({ q }) => q > 0)
    .sort((a, b) => b.q - a.q || b.specificity - a.specificity || a.order - b.order)
    .map(({ type, range }) => ({ type, range }));
}

/**
 * Chooses the media type of a response.
 *
 * @param accept value of the Accept header, or null
 * @param offered media types without parameters; the first is chosen if Accept is absent
 * @returns the best offered type; undefined if Accept allows none of them
 */
function chooseType(accept: string | null, offered: readonly string[]): string | undefined {
  return acceptableTypes(accept, offered)[0]?.type;
}

interface RankedChoice extends TypeChoice {
  readonly q: number;
  /** 4 for an equal type, 2 for an equal subtype, 1 for equal parameters, added up. */
  readonly specificity: number;
  /** Index of the media range in the header. */
  readonly order: number;
}

/** The most specific range decides about a type, also if a less specific one has a higher weight. */
function bestRange(type: string, ranges: readonly AcceptRange[]): RankedChoice {
  let best: RankedChoice = { type, range: "", q: 0, specificity: 0, order: -1 };
  for (const [order, accepted] of ranges.entries()) {
    const specificity = specificityOf(accepted, type);
    if (specificity === undefined) continue;
    const { range, q } = accepted;
    const difference = best.specificity - specificity || best.q - q || best.order - order;
    if (difference < 0) best = { type, range, q, specificity, order };
  }
  return best;
}

/** How specific a media range is for a type; undefined if it does not include the type. */
function specificityOf({ range, parameters }: AcceptRange, type: string): number | undefined {
  const [rangeType, rangeSubtype] = splitType(range);
  const [offeredType, offeredSubtype] = splitType(type);
  let specificity = 0;
  if (rangeType === offeredType) specificity += 4;
  else if (rangeType !== "*") return undefined;
  if (rangeSubtype === offeredSubtype) specificity += 2;
  else if (rangeSubtype !== "*") return undefined;
  if (parameters.size === 0) return specificity;
  // Text is always sent as UTF-8, and no other type is sent with a parameter.
  const charset = offeredType === "text" ? "utf-8" : "";
  for (const [name, value] of parameters) {
    if (value !== "*" && value.toLowerCase() !== (name === "charset" ? charset : "")) {
      return undefined;
    }
  }
  return specificity + 1;
}

function splitType(type: string): [type: string, subtype: string] {
  const slash = type.indexOf("/");
  return [type.slice(0, slash), type.slice(slash + 1)];
}

// ---- plugins/kit/problem_types.ts

/**
 * Problem types of the server with status and title. Generated from `lib/http/problem.ts` by
 * `deno task plugins`; do not edit.
 */

/** Each type has a page, `/usr/share/doc/problems/<type>.md`. */
const PROBLEMS = {
  "bad-path": { status: 400, title: "Ambiguous path" },
  "bad-name": { status: 400, title: "Invalid world name" },
  "bad-query": { status: 400, title: "Invalid query parameter" },
  "bad-header": { status: 400, title: "Invalid request header" },
  "bad-metadata": { status: 400, title: "Invalid X-Meta header" },
  "bad-body": { status: 400, title: "Invalid request body" },
  "unauthorized": { status: 401, title: "Credential required" },
  "forbidden": { status: 403, title: "Insufficient permission" },
  "foreign-origin": { status: 403, title: "Request from another site" },
  "unknown-host": { status: 403, title: "Unknown Host header" },
  "lower-layer": { status: 403, title: "World in the read-only lower layer" },
  "not-found": { status: 404, title: "Not found" },
  "method-not-allowed": { status: 405, title: "Method not allowed" },
  "not-acceptable": { status: 406, title: "No acceptable representation" },
  "request-timeout": { status: 408, title: "Request timeout" },
  "conflict": { status: 409, title: "Conflict with the current state" },
  "patch-conflict": { status: 409, title: "Edit does not apply" },
  "other-key": { status: 409, title: "Events signed with another key" },
  "gone": { status: 410, title: "Version no longer available" },
  "precondition-failed": { status: 412, title: "Precondition failed" },
  "body-too-large": { status: 413, title: "Content too large" },
  "uri-too-long": { status: 414, title: "URL too long" },
  "unsupported-media-type": { status: 415, title: "Unsupported media type" },
  "range-not-satisfiable": { status: 416, title: "Range not satisfiable" },
  "unprocessable": { status: 422, title: "Unprocessable content" },
  "idempotency-key-reused": { status: 422, title: "Idempotency key used before" },
  "locked": { status: 423, title: "Resource locked" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "internal": { status: 500, title: "Internal server error" },
  "world-damaged": { status: 500, title: "Unreadable world file" },
  "not-implemented": { status: 501, title: "Not implemented" },
  "foreign-destination": { status: 502, title: "Destination on another server" },
  "bad-gateway": { status: 502, title: "Upstream failed" },
  "unavailable": { status: 503, title: "Service unavailable" },
  "unreachable": { status: 503, title: "Database unreachable" },
  "outcome-unknown": { status: 503, title: "Outcome unknown" },
  "gateway-timeout": { status: 504, title: "Upstream timed out" },
  "insufficient-storage": { status: 507, title: "Insufficient storage" },
  "quota-exceeded": { status: 507, title: "Quota exceeded" },
  "loop-detected": { status: 508, title: "Request loop" },
} as const satisfies Readonly<Record<string, { status: number; title: string }>>;

// ---- plugins/kit/problem.ts

/**
 * Errors as problem responses (RFC 9457): one error class that carries a problem type, and one
 * function that makes the response. Types and titles are those of the server.
 */

/** Name of a problem type of the server, the last segment of its `type` URI. */
type ProblemType = keyof typeof PROBLEMS;

/** What all occurrences of a problem have in common. */
interface ProblemKind {
  /** URI reference of the page that describes the problem. */
  readonly type: string;
  /** HTTP status code. */
  readonly status: number;
  readonly title: string;
}

/**
 * An error that becomes a problem response.
 */
class Problem extends Error implements ProblemKind {
  override readonly name = "Problem";
  readonly type: string;
  readonly status: number;
  readonly title: string;
  /** Response headers of this problem, such as `allow` or `retry-after`. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param kind name of a problem type of the server, or a kind of its own
   * @param detail one sentence on this occurrence, without final period and without secrets
   * @param headers response headers of this problem
   */
  constructor(
    kind: ProblemType | ProblemKind,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    const { type, status, title } = typeof kind === "string" ? problemKind(kind) : kind;
    this.type = type;
    this.status = status;
    this.title = title;
    this.headers = headers;
  }
}

/**
 * Returns type, status and title of a problem type of the server.
 */
function problemKind(type: ProblemType): ProblemKind {
  return { type: `/usr/share/doc/problems/${type}.md`, ...PROBLEMS[type] };
}

/** Options of {@link problemResponse}. */
interface ProblemResponseOptions {
  /** Response headers; those of the problem have precedence. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Media types, in addition to `text/plain` and `text/html`, whose readers get plain text. */
  readonly textTypes?: readonly string[];
  /** Extension members of the JSON object (RFC 9457 §3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
}

/**
 * Makes the response of a problem: `application/problem+json`, or the same content as plain text if
 * Accept prefers text.
 *
 * @param accept value of the request's Accept header, or null
 * @param head whether the request is a HEAD, whose response has no body
 */
function problemResponse(
  problem: Problem,
  accept: string | null,
  head = false,
  { headers = {}, textTypes = [], members = {} }: ProblemResponseOptions = {},
): Response {
  const { type, title, status, message: detail } = problem;
  const text = ["text/plain", "text/html", ...textTypes];
  const chosen = chooseType(accept, ["application/problem+json", "application/json", ...text]);
  const asText = chosen !== undefined && text.includes(chosen);
  const body = asText
    ? `${status} ${title}\n${detail}\n`
    : `${JSON.stringify({ type, title, status, detail, ...members })}\n`;
  const bytes = new TextEncoder().encode(body);
  return new Response(head ? null : bytes, {
    status,
    headers: {
      "content-type": asText ? "text/plain; charset=utf-8" : "application/problem+json",
      // RFC 9110 §8.6: the response to a HEAD has the length that the response to a GET would have.
      "content-length": String(bytes.length),
      "cache-control": "no-store",
      "vary": "Accept",
      ...headers,
      ...problem.headers,
    },
  });
}

// ---- plugins/kit/json_record.ts

/** Reads JSON objects whose fields are not known beforehand. */

/**
 * Tests whether a value is an object with fields: not null and not an array.
 */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON object.
 *
 * @returns the object; undefined if the text is not JSON, or JSON of another kind
 */
function parseRecord(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // the caller handles text that is not JSON
  }
}

// ---- plugins/kit/env.ts

/** Types of what the server passes to a plugin, as far as several plugins use them. */

/** Sends a request to the server: `env.caller.fetch` and `env.machine.fetch`. */
type PluginFetch = (path: string, init?: RequestInit) => Promise<Response>;

/** Texts of the worlds that the manifest names as `config`, by path. */
type PluginConfig = Readonly<Record<string, string | undefined>>;

/** The client that sent the request. */
interface PluginCaller {
  /** `T1`, `T2` or `T3`. */
  readonly tier: string;
  /** Name of the caller, as in the event chain: a tier, an account, or a capability as `cap:…`. */
  readonly by: string;
  /** Sends a request with the rights of the caller. */
  readonly fetch: PluginFetch;
}

// ---- plugins/reality/env.ts

/** What the server passes to the plugin. */

/** The part of `env` that is used. */
interface Env {
  readonly caller: { readonly fetch: PluginFetch; readonly tier: string };
  readonly machine: { readonly fetch: PluginFetch };
}

// ---- plugins/reality/access.ts

/** Decides which callers may copy the server. */

/**
 * Returns the refusal for a caller that has neither T3 nor a capability that was minted at or below one
 * of the prefixes. A capability for a shorter prefix does not allow it, even if its holder has narrowed
 * it to the prefix.
 *
 * @returns undefined if the caller may continue
 */
async function refusalUnlessAllowed(
  env: Env,
  prefixes: readonly string[],
): Promise<Response | undefined> {
  if (env.caller.tier === "T3") return undefined;
  const whoami = await env.caller.fetch("/auth/whoami");
  const minted = mintedPrefix(whoami.ok ? await whoami.json() : undefined);
  const isAllowed = prefixes.some((prefix) =>
    minted === prefix || minted?.startsWith(`${prefix}/`)
  );
  // The server refuses its own source to all callers but T3, with the right status and challenge.
  return isAllowed ? undefined : await env.caller.fetch("/proc/source");
}

/** The prefix a capability was minted with: the first of its list, which no holder can remove. */
function mintedPrefix(whoami: unknown): string | undefined {
  const prefixes = isRecord(whoami) ? whoami.prefixes : undefined;
  const first: unknown = Array.isArray(prefixes) ? prefixes[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

// ---- plugins/reality/tar.ts

/** Writes tar archives (POSIX.1-2001, pax) as a stream. */

/** One file or folder of an archive. A path that ends in a slash is a folder. */
interface ArchiveEntry {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** Length of the body in bytes. */
  readonly length: number;
  readonly body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

type TarBytes = Uint8Array<ArrayBuffer>;

const BLOCK_BYTES = 512;
/** Longest path that a plain header holds, in bytes. */
const MAX_HEADER_PATH_BYTES = 100;
/** Longest piece of a body in memory, in bytes. */
const PIECE_BYTES = 64 * 1024;
const utf8 = new TextEncoder();

/**
 * Writes an archive. Every entry is discarded after it was written.
 *
 * @param time time of the last change of all entries, in Unix seconds
 * @throws if the body of an entry is not as long as its `length`
 */
async function* tar(
  entries: AsyncIterable<ArchiveEntry>,
  time: number,
): AsyncGenerator<TarBytes> {
  for await (const entry of entries) {
    try {
      const { path, length, mode } = entry;
      if (utf8.encode(path).length > MAX_HEADER_PATH_BYTES || /[^\x20-\x7e]/.test(path)) {
        const record = paxRecord("path", path);
        yield headerBlock("pax", record.length, 0o600, time, "x");
        yield record;
        yield padding(record.length);
      }
      yield headerBlock(path, length, mode, time, path.endsWith("/") ? "5" : "0");
      yield* exactBody(entry);
      yield padding(length);
    } finally {
      await discardEntry(entry);
    }
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

/** Cancels the body of an entry that is not read. */
async function discardEntry(entry: ArchiveEntry | undefined): Promise<void> {
  if (entry?.body instanceof ReadableStream) await entry.body.cancel();
}

/** The body, whose length must be right: the position of everything that follows depends on it. */
async function* exactBody({ path, length, body }: ArchiveEntry): AsyncGenerator<TarBytes> {
  let sent = 0;
  for await (const piece of bodyPieces(body)) {
    sent += piece.length;
    if (sent > length) break;
    yield piece;
  }
  if (sent !== length) throw new Error(`Cannot pack ${path}: its length is not ${length} bytes`);
}

async function* bodyPieces(body: ArchiveEntry["body"]): AsyncGenerator<TarBytes> {
  if (typeof body === "string") yield utf8.encode(body);
  else if (body instanceof Uint8Array) {
    for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
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

/** A header block. A path that it cannot hold is in the pax record before it. */
function headerBlock(
  path: string,
  length: number,
  mode: number,
  time: number,
  type: string,
): TarBytes {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (text: string, at: number) => block.set(utf8.encode(text), at);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  block.set(utf8.encode(path.replace(/[^\x20-\x7e]/g, "_")).subarray(0, MAX_HEADER_PATH_BYTES), 0);
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

/** A pax record begins with its own length in bytes, the digits of the length included. */
function paxRecord(name: string, value: string): TarBytes {
  const rest = ` ${name}=${value}\n`;
  const bytes = utf8.encode(rest).length;
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length += 1;
  return utf8.encode(`${length}${rest}`);
}

function padding(length: number): TarBytes {
  return new Uint8Array((BLOCK_BYTES - length % BLOCK_BYTES) % BLOCK_BYTES);
}

// ---- plugins/reality/archive.ts

/** Responses that are a tar.gz. It is made while it is sent, so memory does not grow with its size. */

/** Entries that are requested ahead of the one that is sent. */
const ENTRIES_AHEAD = 6;

/**
 * Makes entries in the order of their names, a few of them ahead of time.
 *
 * @param make makes an entry; undefined leaves it out
 */
async function* inOrder(
  names: readonly string[],
  make: (name: string) => Promise<ArchiveEntry | undefined>,
): AsyncGenerator<ArchiveEntry> {
  const ahead: Promise<ArchiveEntry | undefined>[] = [];
  try {
    for (let next = 0; next < names.length || ahead.length > 0;) {
      while (ahead.length < ENTRIES_AHEAD && next < names.length) {
        const entry = make(names[next++] ?? "");
        entry.catch(() => {}); // an error is thrown by the await below, when the entry is due
        ahead.push(entry);
      }
      const entry = await ahead.shift();
      if (entry !== undefined) yield entry;
    }
  } finally {
    // After a client disconnects, the server must not keep copies that are never read.
    for (const entry of ahead) entry.then(discardEntry, () => {});
  }
}

/**
 * Makes the response. If an entry fails, the response is aborted, which gzip reports as an error.
 *
 * @param name file name of the archive
 */
function archiveResponse(
  request: Request,
  name: string,
  entries: () => AsyncGenerator<ArchiveEntry>,
): Response {
  const headers = new Headers({
    "content-type": "application/gzip",
    "content-disposition": `attachment; filename="${name}"`,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  if (request.method === "HEAD") return new Response(null, { headers });
  const bytes = tar(entries(), Math.floor(Date.now() / 1000));
  const plain = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await bytes.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        const reason = error instanceof Error ? error.message : error;
        console.error(`Cannot complete ${name}: ${reason}`);
        throw error;
      }
    },
    async cancel() {
      await bytes.return(undefined);
    },
  }, { highWaterMark: 1 });
  return new Response(plain.pipeThrough(new CompressionStream("gzip")), { headers });
}

// ---- plugins/kit/encode_path.ts

/** Writes a path as a URL has it. */

/**
 * Percent-encodes the segments of a path. Slashes stay.
 */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

// ---- plugins/reality/source.ts

/** The source of the server: single modules, and the entries of its archive. */

const SOURCE = "/proc/source";
const MAIN_MODULE = "main.ts";

/** A response of the server that becomes the response of the plugin. */
class ServerRefusal extends Error {
  override readonly name = "ServerRefusal";
  readonly response: Response;

  constructor(response: Response) {
    super(`Cannot read the source: the server responded with ${response.status}`);
    this.response = response;
  }
}

/**
 * Lists the source.
 *
 * @returns path of the main module, and paths of all files
 * @throws {ServerRefusal} if the server has no source, as a compiled binary
 */
async function listSource(env: Env): Promise<{ main: string; files: readonly string[] }> {
  const response = await env.machine.fetch(`${SOURCE}/`, {
    headers: { accept: "application/json" },
  });
  if (!response.ok) throw new ServerRefusal(response);
  return await response.json();
}

/** Responds with one file of the source; modules get a media type that Deno accepts. */
async function moduleResponse(
  request: Request,
  env: Env,
  path: string,
): Promise<Response> {
  const response = await env.machine.fetch(`${SOURCE}/${path}`);
  if (response.status === 404 && path === MAIN_MODULE) return await redirectToMain(response, env);
  if (!response.ok) return response;
  const headers = new Headers(response.headers);
  if (/\.[cm]?tsx?$/.test(path)) headers.set("content-type", "application/typescript");
  if (request.method !== "HEAD") return new Response(response.body, { headers });
  await response.body?.cancel();
  return new Response(null, { headers });
}

/** If the program is a single file with another name, the main module is that file. */
async function redirectToMain(notFound: Response, env: Env): Promise<Response> {
  const { main } = await listSource(env);
  if (main === MAIN_MODULE) return notFound;
  await notFound.body?.cancel();
  // A relative URL is valid behind a proxy with another path as well.
  return new Response(null, {
    status: 307,
    headers: { location: `./${encodeURIComponent(main)}`, "cache-control": "no-store" },
  });
}

/** Makes the archive entries of the source, in the order of the paths. */
function sourceEntries(env: Env, paths: readonly string[]): AsyncGenerator<ArchiveEntry> {
  return inOrder(paths, (path) => sourceEntry(env, path));
}

/** One file of the source; undefined if it was removed after it was listed. */
async function sourceEntry(env: Env, path: string): Promise<ArchiveEntry | undefined> {
  const response = await env.machine.fetch(`${SOURCE}/${encodePath(path)}`);
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok) {
    throw new Error(`Cannot read ${path}: the server responded with ${response.status}`);
  }
  const body = await response.bytes();
  const isExecutable = body[0] === 0x23 && body[1] === 0x21; // "#!"
  return { path, mode: isExecutable ? 0o755 : 0o644, length: body.length, body };
}

// ---- plugins/reality/worlds.ts

/**
 * The worlds of the server as archive entries. Each is copied at one moment by `/proc/snapshot`, signed
 * with a key that is made for the copy; other worlds may change in the meantime.
 */

/** Attempts to copy a world while the server is busy, and the time between two, in milliseconds. */
const MAX_ATTEMPTS = 20;
const ATTEMPT_INTERVAL_MS = 500;

/**
 * Lists the worlds that have a file.
 *
 * @throws {ServerRefusal} if the server refuses the list
 */
async function listWorlds(env: Env): Promise<string[]> {
  const headers = { accept: "application/json" };
  const response = await env.caller.fetch("/proc/worlds", { headers });
  if (!response.ok) throw new ServerRefusal(response);
  const worlds: readonly { name: string; layer: string }[] = await response.json();
  return worlds.filter(({ layer }) => layer === "upper").map(({ name }) => name);
}

/** Makes the entries of a data folder with the worlds and the key they are signed with. */
async function* worldEntries(
  env: Env,
  names: readonly string[],
): AsyncGenerator<ArchiveEntry> {
  const key = crypto.getRandomValues(new Uint8Array(32)).toHex();
  yield { path: "data/", mode: 0o700, length: 0, body: "" };
  yield* inOrder(names, (name) => worldEntry(env, name, key));
  // The key is last: without it the folder cannot be verified, so an incomplete archive is detected.
  yield { path: "data/.key", mode: 0o600, length: key.length + 1, body: `${key}\n` };
}

/** The copy of one world; undefined if it was deleted after it was listed. */
async function worldEntry(env: Env, name: string, key: string): Promise<ArchiveEntry | undefined> {
  const path = `data/${name.replaceAll("%", "%25").replaceAll("/", "%2F")}/universe.db`;
  for (let attempt = 1;; attempt++) {
    const response = await env.caller.fetch(`/proc/snapshot/${encodePath(name)}`, {
      method: "POST",
      body: key,
    });
    const disposition = response.headers.get("content-disposition") ?? "";
    const length = Number(/; size=(\d+)$/.exec(disposition)?.[1]);
    if (response.ok && response.body !== null && Number.isSafeInteger(length)) {
      return { path, mode: 0o600, length, body: response.body };
    }
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    const problem = await response.text();
    if (problem.includes("/world-damaged.md")) return unreadableEntry(path, name);
    if (response.status !== 503 || attempt === MAX_ATTEMPTS) {
      throw new Error(`Cannot copy /${name}: the server responded with ${response.status}`);
    }
    await new Promise<void>((resolve) => setTimeout(() => resolve(), ATTEMPT_INTERVAL_MS));
  }
}

/** A text in place of a damaged world: `verify` reports the world in the copy as damaged too. */
function unreadableEntry(path: string, name: string): ArchiveEntry {
  console.warn(`Cannot copy /${name}: its file is damaged; the archive has a text in its place`);
  const body = `This is not a world: the file of /${name} was damaged where it was copied from.\n`;
  return { path, mode: 0o600, length: new TextEncoder().encode(body).length, body };
}
