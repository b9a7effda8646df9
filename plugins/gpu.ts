// Built from plugins/gpu/ by deno task plugins. Edit the sources there.

/**
 * A language model as a device. `POST /dev/gpu` takes text and answers with text; `/dev/gpu/stream`
 * answers with one event per token. `/etc/gpu.conf` names the backend; callers do not need to know
 * the backend. The plugin can reach only that host and read only that host's key. It never stores a
 * prompt or a response, and removes the key from every text of the backend that it passes on.
 * Manual: `/usr/share/doc/gpu.md`.
 */

export const description = "a language model as a device: POST text, get text; /stream for events";
export const routes = ["/dev/gpu"];
export const auth = "T2";
export const config = ["/etc/gpu.conf"];
export const grants = { "/var/log/gpu/": "rw" } as const;
/** Seconds; the plugin itself ends a call after 600. */
export const patience = 620;

/** The backend's host, the variable with its key, and why the configuration cannot be used. */
export function permissions({ config }: { config: ConfigTexts }): {
  net?: string[];
  env?: string[];
  fault?: string;
} {
  const { backend, fault } = parseSettings(config[CONFIG_PATH]);
  if (backend === undefined) return fault === undefined ? {} : { fault };
  return { net: [backend.host], env: backend.key === undefined ? [] : [backend.key] };
}

type ConfigTexts = Readonly<Record<string, string | undefined>>;

interface Env {
  readonly caller: { readonly by: string };
  readonly machine: Machine;
  readonly config: ConfigTexts;
  readonly vars: Readonly<Record<string, string | undefined>>;
}

interface Context {
  waitUntil(work: Promise<unknown>): void;
}

export default {
  async fetch(request: Request, env: Env, context: Context): Promise<Response> {
    const settings = parseSettings(env.config[CONFIG_PATH]);
    const headers: Record<string, string> = {};
    try {
      return await respond(request, env, context, settings, headers);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const accept = request.headers.get("accept");
      return problemResponse(error, accept, request.method === "HEAD", { headers });
    }
  },
};

/** @param headers gets the headers that name the backend, for an error too */
async function respond(
  request: Request,
  env: Env,
  context: Context,
  settings: Settings,
  headers: Record<string, string>,
): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const path = pathname.replace(/\/$/, "");
  const isStream = path === "/dev/gpu/stream";
  // A capability over /home/x is valid for /dev/gpu/home/x too, so any other path must be refused.
  if (!isStream && path !== "/dev/gpu") {
    const detail = `Cannot find ${pathname}: only /dev/gpu and /dev/gpu/stream exist`;
    throw new Problem("not-found", detail);
  }
  const allow = isStream ? "POST, OPTIONS" : "GET, HEAD, POST, OPTIONS";
  const { method } = request;
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (!isStream && (method === "GET" || method === "HEAD")) {
    return statusResponse(request, settings, env.vars);
  }
  if (method !== "POST") {
    const detail = `Cannot ${method} ${path}: allowed methods are ${allow}`;
    throw new Problem("method-not-allowed", detail, { allow });
  }
  const { backend } = settings;
  if (backend === undefined) {
    // The operator may be writing the configuration now.
    throw new Problem("unavailable", unusableDetail(settings), { "retry-after": "30" });
  }
  const model = selectModel(backend, searchParams.get("model"));
  Object.assign(headers, backendHeaders(backend, model));
  const prompt = await readPrompt(request);
  const call = new BackendCall(backend, readKey(backend, env.vars), request.signal);
  const usage: UsageRecord = {
    route: path,
    backend: backend.scheme,
    model,
    prompt_bytes: new TextEncoder().encode(prompt).length,
    answer_bytes: 0,
    status: 200,
    finish: "incomplete",
  };
  const started = Date.now();
  const onEnd = (): void => {
    const times = { started, firstToken: modelCall.firstToken, ended: Date.now() };
    context.waitUntil(logUsage(env.machine, env.caller.by, usage, times));
  };
  const modelCall: ModelCall = { call, model, prompt, headers, usage, firstToken: 0, onEnd };
  return isStream ? await respondEvents(modelCall) : await respondText(modelCall);
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

// ---- plugins/kit/read_body.ts

/**
 * Reads bodies of requests and responses with a limit, so that no body can fill the memory of the
 * plugin's process.
 */

/** How much of a body is read, and what happens beyond. */
interface BodyLimit {
  /** Longest body in bytes. */
  readonly maxBytes: number;
  /** Makes the error that is thrown for a longer body. */
  readonly tooLong: () => Error;
  /**
   * Called with the length of each piece in bytes before the piece is kept. It may throw to stop the
   * read, for instance if all requests together hold too much.
   */
  readonly onPiece?: (bytes: number) => void;
}

/** The part of a Request or Response that is read here. */
type Message = Pick<Request | Response, "body" | "headers">;

/**
 * Reads a whole body.
 *
 * @throws the error of `tooLong`, if Content-Length or the body itself exceeds the limit; the rest of
 * the body is then cancelled
 */
async function readBody(
  message: Message,
  limit: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  return joinPieces(await readPieces(message, limit));
}

/**
 * Reads a whole body and keeps the pieces in which it arrived.
 *
 * @throws the error of `tooLong`, as {@link readBody} does
 */
async function readPieces(
  { body, headers }: Message,
  { maxBytes, tooLong, onPiece }: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>[]> {
  if (Number(headers.get("content-length") ?? 0) > maxBytes) {
    await body?.cancel();
    throw tooLong();
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > maxBytes) throw tooLong();
    onPiece?.(piece.length);
    pieces.push(piece);
  }
  return pieces;
}

/**
 * Joins pieces of bytes.
 */
function joinPieces(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

// ---- plugins/kit/read_start.ts

/** Reads the first bytes of a body, for readers that need no more. */

/**
 * Reads the first bytes of a body and cancels the rest.
 *
 * @returns at most `maxBytes` bytes, and whether they are the whole body
 */
async function readStart(
  { body }: Pick<Message, "body">,
  maxBytes: number,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; whole: boolean }> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    const left = maxBytes - length;
    pieces.push(piece.subarray(0, left));
    length += Math.min(piece.length, left);
    if (piece.length > left) return { bytes: joinPieces(pieces), whole: false };
  }
  return { bytes: joinPieces(pieces), whole: true };
}

// ---- plugins/kit/loopback.ts

/** Checks whether the host of a URL is the computer that the server runs on. */

/**
 * Tests whether a host name can only mean this computer. `x.localhost` is not accepted, because a
 * resolver can map it to any address.
 *
 * @param hostname as `URL.hostname` has it: lower case, IPv6 in brackets
 */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
}

// ---- plugins/kit/net_permission.ts

/** Network permissions of a plugin: which hosts can be named, and how. */

const HOST_NAME =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;

/**
 * Tests whether a host can be named in a permission: a domain name, an IPv4 address, or an IPv6
 * address in brackets.
 *
 * @param hostname as `URL.hostname` has it
 */
function isPermittedHost(hostname: string): boolean {
  return HOST_NAME.test(hostname);
}

/**
 * Returns the host of a URL as a permission names it, with the default port of the scheme if the URL
 * has none.
 *
 * @param url an `http` or `https` URL
 */
function hostAndPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`;
}

// ---- plugins/gpu/backend.ts

/**
 * The backend of the device: parses a line such as `ollama://localhost:11434`, and combines it with
 * the other settings of `/etc/gpu.conf`. Its errors never quote the line, because a user may have
 * written a key in the wrong place.
 */

/** What a backend line starts with. */
type Scheme = "ollama" | "openai" | "claude" | "deepseek" | "vast";
/** What is sent over HTTP: NDJSON, anonymous server-sent events, named server-sent events. */
type WireFormat = "ollama" | "openai" | "claude";

/** The defaults of a scheme. */
interface SchemeDefaults {
  readonly format: WireFormat;
  /** The path of the call if the line has none. */
  readonly path: string;
  /** What is appended to the path of a line that does not end in the call. */
  readonly call: string;
  readonly model: string;
  /** Environment variable that holds the key. */
  readonly key?: string;
  readonly port?: string;
}

const CHAT_COMPLETIONS = "/chat/completions";
/**
 * The default models were checked against the services' public documentation on 2026-11-27:
 * `deepseek-chat` was shut down on 2026-07-24, and `gpt-4.1-mini` will be on 2027-01-14.
 */
const SCHEMES: Readonly<Record<Scheme, SchemeDefaults>> = {
  ollama: {
    format: "ollama",
    path: "/api/chat",
    call: "/api/chat",
    model: "llama3.2",
    port: "11434",
  },
  openai: {
    format: "openai",
    path: `/v1${CHAT_COMPLETIONS}`,
    call: CHAT_COMPLETIONS,
    model: "default",
    key: "OPENAI_API_KEY",
  },
  claude: {
    format: "claude",
    path: "/v1/messages",
    call: "/messages",
    model: "claude-haiku-4-5",
    key: "ANTHROPIC_API_KEY",
  },
  deepseek: {
    format: "openai",
    path: CHAT_COMPLETIONS,
    call: CHAT_COMPLETIONS,
    model: "deepseek-flash",
    key: "DEEPSEEK_API_KEY",
  },
  vast: {
    format: "openai",
    path: `/v1${CHAT_COMPLETIONS}`,
    call: CHAT_COMPLETIONS,
    model: "default",
    key: "VAST_API_KEY",
  },
};
/** The service of OpenAI itself. It has no model called `default`. */
const OPENAI_HOST = "api.openai.com";
const OPENAI_MODEL = "gpt-6-luna";
const DEFAULT_IDLE_SECONDS = 120;

/** A line that cannot be used. The message is the end of a sentence, without the text of the line. */
class ConfigError extends Error {}

/** A configured backend. */
interface Backend {
  readonly scheme: Scheme;
  readonly format: WireFormat;
  /** Where prompts are sent. */
  readonly url: string;
  /** Host and port as a permission names them: `host:port`. */
  readonly host: string;
  /** Whether the host is this computer. */
  readonly isLocal: boolean;
  readonly model: string;
  /** The models that a caller may request; any if undefined. */
  readonly models?: readonly string[];
  /** Environment variable that holds the key; undefined if the backend needs none. */
  readonly key?: string;
  readonly system?: string;
  readonly temperature?: number;
  readonly maxTokens?: number;
  /** Longest time without a byte from the backend, in milliseconds. */
  readonly idleMs: number;
}

/** The parsed backend line. */
interface Endpoint {
  readonly scheme: Scheme;
  readonly url: URL;
  readonly isLocal: boolean;
}

/**
 * Parses `scheme[+http|+https]://host[:port][/path]`.
 *
 * @throws {ConfigError}
 */
function parseEndpoint(line: string): Endpoint {
  const [, name = "", protocol, rest = ""] = /^([a-z]+)(?:\+(http|https))?:\/\/(.*)$/i
    .exec(line) ?? [];
  const scheme = name.toLowerCase();
  if (!isScheme(scheme)) {
    const names = Object.keys(SCHEMES).join(", ");
    throw new ConfigError(`unknown scheme; known: ${names}, each also with +http or +https`);
  }
  if (!URL.canParse(`https://${rest}`)) {
    throw new ConfigError("the scheme is not followed by a host and port");
  }
  const parsed = new URL(`https://${rest}`);
  if (parsed.username !== "" || parsed.password !== "") {
    throw new ConfigError("the URL contains a user or a password; keys come from the environment");
  }
  if (/[?#]/.test(rest)) {
    throw new ConfigError("the URL contains ? or #; only a path may follow the host");
  }
  if (!isPermittedHost(parsed.hostname)) throw new ConfigError("the host name is invalid");
  const isLocal = isLoopback(parsed.hostname);
  const url = new URL(`${protocol?.toLowerCase() ?? (isLocal ? "http" : "https")}://${rest}`);
  // URL drops a port that is the default of its protocol, so the text shows whether there was one.
  const { port } = SCHEMES[scheme];
  if (port !== undefined && !/^(?:\[[^\]]*\]|[^:/]*):\d/.test(rest)) url.port = port;
  return { scheme, url, isLocal };
}

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(SCHEMES, text);
}

/**
 * Combines the backend line with the other settings, and completes its path.
 *
 * @param settings validated values by the name of their setting
 */
function createBackend(
  { scheme, url: configured, isLocal }: Endpoint,
  settings: ReadonlyMap<string, string>,
): Backend {
  const defaults = SCHEMES[scheme];
  const url = new URL(configured);
  url.pathname = callPath(url.pathname, defaults);
  const numberOf = (name: string): number | undefined => {
    const value = settings.get(name);
    return value === undefined ? undefined : Number(value);
  };
  const models = settings.get("models")?.split(/\s+/);
  const key = settings.get("key") ?? defaults.key ?? "none";
  const system = settings.get("system");
  const temperature = numberOf("temperature");
  const maxTokens = numberOf("max_tokens");
  return {
    scheme,
    format: defaults.format,
    url: url.href,
    host: hostAndPort(url),
    isLocal,
    model: settings.get("model") ?? defaultModel(scheme, url),
    ...(models === undefined ? {} : { models }),
    ...(key === "none" ? {} : { key }),
    ...(system === undefined ? {} : { system }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    idleMs: 1000 * (numberOf("timeout") ?? DEFAULT_IDLE_SECONDS),
  };
}

function callPath(pathname: string, { format, path, call }: SchemeDefaults): string {
  const base = pathname.replace(/\/+$/, "");
  if (base === "") return path;
  const isComplete = base.endsWith(call) || format === "ollama" && base.endsWith("/api/generate");
  return isComplete ? base : base + call;
}

function defaultModel(scheme: Scheme, url: URL): string {
  return scheme === "openai" && isOpenAi(url) ? OPENAI_MODEL : SCHEMES[scheme].model;
}

/** Whether a backend is the service of OpenAI itself, which renamed a parameter. */
function isOpenAi({ hostname }: URL): boolean {
  return hostname === OPENAI_HOST;
}

// ---- plugins/gpu/redact_secrets.ts

/**
 * Removes secrets from the text of a backend before it is passed on: some services quote the key, or
 * parts of it, in their error messages.
 */

/** Parts of the key of at least this many characters are removed. */
const SHARED_CHARACTERS = 8;
const MAX_TEXT = 300;
const KEY_LIKE = /\b(?:sk|pk|rk|gsk|xai)[-_][\w*.-]{6,}/g;

/**
 * One line of at most 300 characters, without the key, parts of it, and anything that looks like a
 * key of the well-known services.
 *
 * @param key the key of the backend; undefined if there is none
 */
function redactSecrets(text: string, key: string | undefined): string {
  const start = text.slice(0, 4 * MAX_TEXT);
  const redacted = (key === undefined ? start : redactKey(start, key)).replace(KEY_LIKE, "***");
  // deno-lint-ignore no-control-regex -- control characters are replaced
  const line = redacted.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT)}…`;
}

function redactKey(text: string, key: string): string {
  const hidden = new Set<number>();
  const length = Math.min(SHARED_CHARACTERS, key.length);
  for (let at = 0; at + length <= text.length; at++) {
    if (!key.includes(text.slice(at, at + length))) continue;
    for (let next = at; next < at + length; next++) hidden.add(next);
  }
  let result = "";
  for (let at = 0; at < text.length; at++) {
    if (!hidden.has(at)) result += text[at];
    else if (!hidden.has(at - 1)) result += "***";
  }
  return result;
}

// ---- plugins/gpu/backend_error.ts

/**
 * Translates a failure of a backend to a problem for the caller. Every text of the backend passes
 * {@link redactSecrets} first.
 */

/** A response with a status other than 2xx. */
interface BackendRefusal {
  readonly status: number;
  /** The backend's own error message; empty if there is none. */
  readonly text: string;
  /** The value of `Retry-After`. */
  readonly retryAfter: string | null;
}

/** `Retry-After` in seconds if the backend sent none. */
const RETRY_SECONDS = 30;
/** Longest `Retry-After` that is passed on, in seconds. */
const MAX_RETRY_SECONDS = 3600;

/**
 * The problem `unavailable`, which every failure of the backend is: it cannot be reached, refuses,
 * violates its format, reports an error in its response, or ends it early. One status, so that no
 * caller has to know which of them happened.
 *
 * @param action continues "the … backend"
 * @param text error message of the backend; empty if there is none
 * @param retryAfter value of the backend's `Retry-After`, or null
 */
function unavailableProblem(
  { scheme }: Pick<Backend, "scheme">,
  key: string | undefined,
  action: string,
  text = "",
  retryAfter: string | null = null,
): Problem {
  const seconds = retrySeconds(retryAfter, Date.now()) ?? RETRY_SECONDS;
  const quoted = redactSecrets(text, key);
  const detail = `Cannot answer: the ${scheme} backend ${action}${quoted && `: ${quoted}`}`;
  return new Problem("unavailable", detail, { "retry-after": String(seconds) });
}

/** The problem for a status other than 2xx. */
function refusalProblem(
  backend: Pick<Backend, "scheme" | "key">,
  key: string | undefined,
  { status, text, retryAfter }: BackendRefusal,
): Problem {
  if (status >= 300 && status < 400) {
    const action = `answered ${status}; redirects are not followed`;
    return unavailableProblem(backend, key, action, "", retryAfter);
  }
  const isUnauthorized = status === 401 || status === 403;
  if (isUnauthorized && backend.key !== undefined && key === undefined) {
    const action = `answered ${status}; ${backend.key} is not set in the server's environment`;
    return unavailableProblem(backend, key, action, "", retryAfter);
  }
  const action = status === 429 ? "refuses further requests for now" : `answered ${status}`;
  const problem = unavailableProblem(backend, key, action, text, retryAfter);
  if (status === 429 || !/\bmodel\b/i.test(text)) return problem;
  const detail = `${problem.message}; \`model\` in /etc/gpu.conf names another model`;
  return new Problem("unavailable", detail, problem.headers);
}

/**
 * Parses `Retry-After` in one of its two forms (RFC 9110 §10.2.3).
 *
 * @param now Unix milliseconds
 * @returns seconds from 1 to 3600; undefined if there is none
 */
function retrySeconds(value: string | null, now: number): number | undefined {
  const text = value?.trim() ?? "";
  const isDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text);
  if (!isDate && !/^\d{1,9}$/.test(text)) return undefined;
  const seconds = isDate ? Math.ceil((Date.parse(text) - now) / 1000) : Number(text);
  return Number.isNaN(seconds) ? undefined : Math.min(MAX_RETRY_SECONDS, Math.max(1, seconds));
}

/**
 * Why the runtime could not connect, without the runtime's message, which contains addresses. The
 * result continues "the … backend".
 */
function connectionFailure(error: unknown): string {
  if (!(error instanceof Error)) return "cannot be reached";
  const cause = error.cause instanceof Error ? error.cause.message : "";
  const text = `${error.name} ${error.message} ${cause}`;
  if (/NotCapable|requires net access/i.test(text)) {
    return "cannot be reached: the plugin has no permission for its host and port";
  }
  if (/refused/i.test(text)) return "refused the connection; check that it is running";
  if (/dns|lookup|resolve/i.test(text)) return "has a host name that cannot be resolved";
  if (/certificate|corrupt message|handshake|tls|ssl/i.test(text)) {
    return "has no valid TLS certificate, or does not speak TLS";
  }
  if (/are blocked/i.test(text)) return "uses a port that fetch blocks";
  if (/before message completed|reset/i.test(text)) {
    return "closed the connection without a response";
  }
  return "cannot be reached";
}

// ---- plugins/gpu/finish.ts

/**
 * Why a model stopped: maps the reasons of all wire formats to one list. Only `stop` is a complete
 * answer. A reason that is not in the list is never taken for `stop`.
 */

/**
 * - `stop`: the answer is complete.
 * - `length`: the token limit ended it.
 * - `filtered`: a content filter ended it.
 * - `refused`: the model refused to answer; the text is its explanation.
 * - `incomplete`: another reason, or the backend gave none.
 */
type Finish = "stop" | "length" | "filtered" | "refused" | "incomplete";

/** Reasons that are a failure of the backend. */
const FAILURES = ["error", "abort", "insufficient_system_resource", "network_error"];

const REASONS: ReadonlyMap<string, Finish> = new Map([
  ...["stop", "end_turn", "stop_sequence", "eos", "eos_token"].map((reason) =>
    [reason, "stop"] as const
  ),
  ...["length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"]
    .map((reason) => [reason, "length"] as const),
  ...[
    "content_filter",
    "content_filtered",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "sensitive",
    "guardrail_intervened",
  ].map((reason) => [reason, "filtered"] as const),
  ["refusal", "refused"],
]);

/** Maps a reason of any of the formats; an unknown one is `incomplete`. */
function toFinish(reason: unknown): Finish {
  return typeof reason === "string" && REASONS.get(reason.toLowerCase()) || "incomplete";
}

/** Whether a reason is a failure of the backend: an error without an error object. */
function isFailure(reason: unknown): reason is string {
  return typeof reason === "string" && FAILURES.includes(reason.toLowerCase());
}

/**
 * Combines the reasons of one response. A `stop` after a refusal or a filter does not make the
 * answer complete.
 */
function combineFinish(first: Finish | undefined, next: Finish | undefined): Finish {
  if (first === undefined || first === "stop") return next ?? first ?? "incomplete";
  return first;
}

/** What happened, for an error message; undefined if the answer is complete or cut by its limit. */
function describeFinish(finish: Finish): string | undefined {
  switch (finish) {
    case "stop":
    case "length":
      return undefined;
    case "filtered":
      return "stopped the answer with its content filter";
    case "refused":
      return "refused to answer";
    case "incomplete":
      return "ended the answer without saying that it is complete";
  }
}

// ---- plugins/gpu/backends/wire.ts

/**
 * What the wire formats of the backends have in common: frames, what a frame means, and errors of
 * the format. A backend is not trusted: every field is checked before it is used.
 */

/** One line of NDJSON, or one server-sent event. */
interface Frame {
  /** The type of the event; `message` for NDJSON and for events without a type. */
  readonly event: string;
  readonly data: string;
}

/** What a frame means. */
interface Piece {
  readonly text?: string;
  /** Why the model stopped. */
  readonly finish?: Finish;
  /** The backend's mark that the response is complete. */
  readonly isEnd?: boolean;
  /** The backend's text about its error; empty if it sent none. */
  readonly error?: string;
}

/** The backend violated its own format. The message continues "the backend …". */
class MalformedFrame extends Error {}

/**
 * The text of a frame; empty if absent.
 *
 * @throws {MalformedFrame} for any other type
 */
function toText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new MalformedFrame("sent a frame whose text is not a string");
}

/**
 * The text of the content of a message: a string, or a list of parts. The parts that are text are
 * joined; others, such as the reasoning of a model, are left out.
 *
 * @throws {MalformedFrame} for any other type
 */
function contentText(content: unknown): string {
  return Array.isArray(content) ? content.map(partText).join("") : toText(content);
}

/** Types of parts that are text of the answer. A part without a type is one too. */
const TEXT_PARTS: readonly unknown[] = [undefined, "text", "output_text"];

function partText(part: unknown): string {
  if (typeof part === "string") return part;
  if (!isRecord(part) || !TEXT_PARTS.includes(part.type)) return "";
  // Some servers wrap the text once more, with its annotations.
  return toText(isRecord(part.text) ? part.text.value : part.text);
}

/** The text of the first part of a list that is a refusal; undefined if there is none. */
function refusalPart(value: unknown): string | undefined {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [];
  const part = parts.find((one) => isRecord(one) && one.type === "refusal");
  if (!isRecord(part)) return undefined;
  return typeof part.refusal === "string" ? part.refusal : "";
}

/**
 * The object of a frame.
 *
 * @returns undefined for a frame without content: some servers send an empty `data:` line to keep
 * the connection open
 * @throws {MalformedFrame} if the text is not a JSON object
 */
function parseFrame(text: string): Record<string, unknown> | undefined {
  if (text.trim() === "") return undefined;
  const object = parseRecord(text);
  if (object !== undefined) return object;
  throw new MalformedFrame("sent a frame that is not a JSON object");
}

/** The text of an error in any of the formats; undefined if there is none. */
function errorText(frame: Record<string, unknown>): string | undefined {
  const { error } = frame;
  const text = isRecord(error) ? error.message : error ?? frame.message ?? frame.detail;
  return typeof text === "string" ? text : undefined;
}

/**
 * Whether a frame is an error: it has an `error`, says that it is one, or has a message where the
 * content of its format should be.
 *
 * @param hasContent whether the frame has the field that each frame of its format has
 */
function isErrorFrame(frame: Record<string, unknown>, hasContent: boolean): boolean {
  const { error, type, object } = frame;
  if (error !== undefined && error !== null && error !== false) return true;
  if (type === "error" || object === "error") return true;
  return !hasContent && errorText(frame) !== undefined;
}

// ---- plugins/gpu/backends/claude.ts

/**
 * The wire format of Anthropic's messages: named server-sent events, ended by `message_stop`.
 */

/** The API requires a limit in each request. */
const DEFAULT_MAX_TOKENS = 4096;

/** The content of the request. */
function claudeRequest(
  { system, temperature, maxTokens }: Backend,
  model: string,
  prompt: string,
): Record<string, unknown> {
  return {
    model,
    max_tokens: maxTokens ?? DEFAULT_MAX_TOKENS,
    ...(system === undefined ? {} : { system }),
    ...(temperature === undefined ? {} : { temperature }),
    messages: [{ role: "user", content: prompt }],
    stream: true,
  };
}

/** Reads one event of the response. */
function readClaudeFrame({ event, data }: Frame): Piece {
  const message = parseFrame(data);
  const type = event === "message" ? message?.type : event;
  if (type === "message_stop") return { isEnd: true };
  if (type === "error") return { error: message === undefined ? "" : errorText(message) ?? "" };
  if (message === undefined) return {};
  if (isErrorFrame(message, true)) return { error: errorText(message) ?? "" };
  const { delta, content_block: block } = message;
  if (type === "content_block_start") return isText(block) ? { text: toText(block.text) } : {};
  if (!isRecord(delta)) return {};
  if (type === "content_block_delta") return isText(delta) ? { text: toText(delta.text) } : {};
  return type === "message_delta" ? readStopReason(delta.stop_reason) : {};
}

function isText(block: unknown): block is Record<string, unknown> {
  return isRecord(block) && (block.type === "text_delta" || block.type === "text");
}

function readStopReason(reason: unknown): Piece {
  if (isFailure(reason)) return { error: reason };
  return typeof reason === "string" ? { finish: toFinish(reason) } : {};
}

/** Reads a response that is one document, from a server that does not stream. */
function readClaudeDocument(text: string): Piece {
  const message = parseFrame(text) ?? {};
  const { content, stop_reason: reason } = message;
  if (isErrorFrame(message, Array.isArray(content))) return { error: errorText(message) ?? "" };
  if (!Array.isArray(content)) throw new MalformedFrame("sent a document without an answer");
  return { text: contentText(content), ...readStopReason(reason), isEnd: true };
}

// ---- plugins/gpu/backends/ollama.ts

/**
 * The wire format of Ollama: `POST /api/chat` and `POST /api/generate`, answered with NDJSON.
 */

/** The content of the request. */
function ollamaRequest(
  { url, system, temperature, maxTokens }: Backend,
  model: string,
  prompt: string,
): Record<string, unknown> {
  const options = {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { num_predict: maxTokens }),
  };
  const rest = { ...(Object.keys(options).length === 0 ? {} : { options }), stream: true };
  if (url.endsWith("/api/generate")) {
    return { model, prompt, ...(system === undefined ? {} : { system }), ...rest };
  }
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return { model, messages, ...rest };
}

/** Reads one line of the response; a response that is not streamed is one such line. */
function readOllamaFrame({ data }: Frame): Piece {
  const line = parseFrame(data);
  if (line === undefined) return {};
  const { message, response, done, done_reason: reason } = line;
  if (isErrorFrame({ ...line, message: undefined }, true)) return { error: errorText(line) ?? "" };
  const text = contentText(isRecord(message) ? message.content : response);
  if (done !== true) return { text };
  if (isFailure(reason)) return { error: reason };
  // Ollama before 0.1.38 sends no reason.
  return { text, finish: reason === undefined ? "stop" : toFinish(reason), isEnd: true };
}

// ---- plugins/gpu/backends/openai.ts

/**
 * The wire format of OpenAI's chat completions, which many servers speak: anonymous server-sent
 * events, ended by `[DONE]`.
 */

/** The content of the request. */
function openAiRequest(
  { url, system, temperature, maxTokens }: Backend,
  model: string,
  prompt: string,
): Record<string, unknown> {
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  // OpenAI's newer models reject `max_tokens`; other servers know only that name.
  const limit = isOpenAi(new URL(url)) ? "max_completion_tokens" : "max_tokens";
  return {
    model,
    messages,
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { [limit]: maxTokens }),
    stream: true,
  };
}

/** Reads one event of the response. */
function readOpenAiFrame({ event, data }: Frame): Piece {
  if (data.trim() === "[DONE]") return { isEnd: true };
  const chunk = parseFrame(data);
  // Some servers name the event of an error, with any content.
  if (event === "error") return { error: chunk === undefined ? "" : errorText(chunk) ?? "" };
  return chunk === undefined ? {} : readChunk(chunk);
}

/** Reads a response that is one document, from a server that does not stream. */
function readOpenAiDocument(text: string): Piece {
  const document = parseFrame(text) ?? {};
  const piece = readChunk(document);
  if (piece.error !== undefined || isRecord(firstChoice(document))) {
    return { ...piece, isEnd: true };
  }
  throw new MalformedFrame("sent a document without an answer");
}

function firstChoice({ choices }: Record<string, unknown>): unknown {
  return Array.isArray(choices) ? choices[0] : undefined;
}

function readChunk(chunk: Record<string, unknown>): Piece {
  if (isErrorFrame(chunk, Array.isArray(chunk.choices))) return { error: errorText(chunk) ?? "" };
  const choice = firstChoice(chunk);
  if (!isRecord(choice)) return {};
  const { finish_reason: reason, error } = choice;
  if (error !== undefined && error !== null) return { error: errorText({ error }) ?? "" };
  if (isFailure(reason)) return { error: reason };
  const message = isRecord(choice.delta) ? choice.delta : choice.message;
  const { content, refusal } = isRecord(message) ? message : {};
  const refused = typeof refusal === "string" && refusal !== "" ? refusal : refusalPart(content);
  const text = contentText(content) + (refused ?? "");
  if (refused !== undefined) return { text, finish: "refused" };
  // Some servers send an empty reason in place of null until the last chunk.
  return typeof reason === "string" && reason !== ""
    ? { text, finish: toFinish(reason) }
    : { text };
}

// ---- plugins/gpu/backends/formats.ts

/**
 * Chooses the wire format of a backend: its request, its response frames, and its key header.
 */

/** The request for a prompt, without the URL and the signal. */
function createBackendRequest(
  backend: Backend,
  key: string | undefined,
  model: string,
  prompt: string,
): { method: string; headers: Record<string, string>; body: string; redirect: "manual" } {
  return {
    method: "POST",
    headers: requestHeaders(backend.format, key),
    body: JSON.stringify(requestContent(backend, model, prompt)),
    // A redirect would send the prompt and the key to a host outside the configuration.
    redirect: "manual",
  };
}

function requestContent(backend: Backend, model: string, prompt: string): Record<string, unknown> {
  switch (backend.format) {
    case "ollama":
      return ollamaRequest(backend, model, prompt);
    case "openai":
      return openAiRequest(backend, model, prompt);
    case "claude":
      return claudeRequest(backend, model, prompt);
  }
}

function requestHeaders(format: WireFormat, key: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": format === "ollama" ? "application/x-ndjson" : "text/event-stream",
    // A compressed response arrives in large blocks, not token by token.
    "accept-encoding": "identity",
  };
  if (format === "claude") headers["anthropic-version"] = "2023-06-01";
  if (key === undefined) return headers;
  if (format === "claude") headers["x-api-key"] = key;
  else headers["authorization"] = `Bearer ${key}`;
  return headers;
}

/** Reads one frame of a streamed response. */
function readFrame(format: WireFormat, frame: Frame): Piece {
  switch (format) {
    case "ollama":
      return readOllamaFrame(frame);
    case "openai":
      return readOpenAiFrame(frame);
    case "claude":
      return readClaudeFrame(frame);
  }
}

/** Reads a response that is one JSON document. Ollama sends such a document as one NDJSON line. */
function readDocument(format: "openai" | "claude", text: string): Piece {
  return format === "openai" ? readOpenAiDocument(text) : readClaudeDocument(text);
}

// ---- plugins/gpu/deadline.ts

/**
 * Limits the time of one call to a backend, and aborts it when the caller disconnects.
 */

/** Longest time for a complete response. */
const MAX_CALL_MS = 600_000;

/** Why a call was aborted; `done` if it was not. */
type AbortReason = "idle" | "too-long" | "disconnected" | "done";

/** The signal of one call, with its two timers. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #idleMs: number;
  readonly #maxMs: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #caller: AbortSignal;
  readonly #onDisconnect = (): void => this.abort("disconnected");
  #reason: AbortReason | undefined;

  /**
   * @param idleMs longest time to wait for one step of the backend
   * @param caller aborts when the caller disconnects
   */
  constructor(idleMs: number, caller: AbortSignal, maxMs = MAX_CALL_MS) {
    this.#idleMs = idleMs;
    this.#maxMs = maxMs;
    this.#timer = setTimeout(() => this.abort("too-long"), maxMs);
    this.#caller = caller;
    caller.addEventListener("abort", this.#onDisconnect);
    if (caller.aborted) this.abort("disconnected");
  }

  /** For `fetch`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why the call was aborted first; undefined while it runs. */
  get reason(): AbortReason | undefined {
    return this.#reason;
  }

  /** The exceeded limit in seconds, if the reason is one. */
  get exceededSeconds(): number | undefined {
    if (this.#reason === "idle") return this.#idleMs / 1000;
    return this.#reason === "too-long" ? this.#maxMs / 1000 : undefined;
  }

  /** Waits for one step of the backend, at most the idle time. */
  async wait<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.abort("idle"), this.#idleMs);
    try {
      return await step;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Aborts the call. Only the first reason counts. */
  abort(reason: AbortReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.release();
    this.#controller.abort();
  }

  /** Stops the timer and no longer watches the caller. The rest of the connection stays readable. */
  release(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#onDisconnect);
  }
}

// ---- lib/deps/eventsource_parser.ts

/**
 * A parser of server-sent events: the sources of `eventsource-parser` 4.1.3, joined to one module by
 * `deno task plugins`; do not edit. Its licence:
 *
 * MIT License
 *
 * Copyright (c) 2026 Espen Hovlandsdal <espen@hovlandsdal.com>
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal
 * in the Software without restriction, including without limitation the rights
 * to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 * copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all
 * copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 * SOFTWARE.
 */

/**
 * The type of error that occurred.
 * @public
 */
type ErrorType = "invalid-retry" | "unknown-field" | "max-buffer-size-exceeded";

/**
 * Error thrown when encountering an issue during parsing.
 *
 * @public
 */
class ParseError extends Error {
  /**
   * The type of error that occurred.
   */
  type: ErrorType;

  /**
   * In the case of a completed unknown field encountered in the stream, this will be the field name.
   */
  field?: string | undefined;

  /**
   * In the case of a completed unknown field encountered in the stream, this will be the value of the field.
   */
  value?: string | undefined;

  /**
   * The line that caused the error, if available.
   */
  line?: string | undefined;

  constructor(
    message: string,
    options: { type: ErrorType; field?: string; value?: string; line?: string },
  ) {
    super(message);
    this.name = "ParseError";
    this.type = options.type;
    this.field = options.field;
    this.value = options.value;
    this.line = options.line;
  }
}

/**
 * EventSource parser instance.
 *
 * Needs to be reset between reconnections/when switching data source, using the `reset()` method.
 *
 * @public
 */
interface EventSourceParser {
  /**
   * Feeds the parser another chunk. The method _does not_ return a parsed message.
   * Instead, callbacks passed when creating the parser will be triggered once we see enough data
   * for a valid/invalid parsing step (see {@link ParserCallbacks}).
   *
   * @param chunk - The chunk to parse. Can be a partial, eg in the case of streaming messages.
   * @public
   */
  feed(chunk: string): void;

  /**
   * Resets the parser state. This is required when you have a new stream of messages -
   * for instance in the case of a client being disconnected and reconnecting.
   *
   * Previously received, incomplete data will NOT be parsed unless you pass `consume: true`,
   * which tells the parser to attempt to consume any incomplete data as if it ended with a newline
   * character. This is useful for cases when a server sends a non-EventSource message that you
   * want to be able to react to in an `onError` callback.
   *
   * @public
   */
  reset(options?: { consume?: boolean }): void;
}

/**
 * A parsed EventSource message event
 *
 * @public
 */
interface EventSourceMessage {
  /**
   * The event type sent from the server. Note that this differs from the browser `EventSource`
   * implementation in that browsers will default this to `message`, whereas this parser will
   * leave this as `undefined` if not explicitly declared.
   */
  event?: string | undefined;

  /**
   * ID of the message, if any was provided by the server. Can be used by clients to keep the
   * last received message ID in sync when reconnecting.
   */
  id?: string | undefined;

  /**
   * The data received for this message
   */
  data: string;
}

/**
 * Callbacks that can be passed to the parser to handle different types of parsed messages
 * and errors.
 *
 * @public
 */
interface ParserCallbacks {
  /**
   * Callback for an `id` field when a blank line ends an event block.
   *
   * Called once with the last valid `id` value in the block, whether or not the block contains a
   * `data` field. When the block produces an event, `onId` is called before `onEvent`. An empty
   * `id` field is reported as an empty string. An `id` field containing U+0000 is ignored.
   *
   * @param id - The value of the last valid `id` field in the block
   */
  onId?: ((id: string) => void) | undefined;

  /**
   * Callback for when a new event/message is parsed from the stream.
   * This is the main callback that clients will use to handle incoming messages.
   *
   * @param event - The parsed event/message
   */
  onEvent?: ((event: EventSourceMessage) => void) | undefined;

  /**
   * Callback for when the server sends a new reconnection interval through the `retry` field.
   *
   * @param retry - The number of milliseconds to wait before reconnecting.
   */
  onRetry?: ((retry: number) => void) | undefined;

  /**
   * Callback for when a comment is encountered in the stream.
   *
   * @param comment - The comment encountered in the stream.
   */
  onComment?: ((comment: string) => void) | undefined;

  /**
   * Callback for when an error occurs during parsing. This is a catch-all for any errors
   * that occur during parsing, and can be used to handle them in a custom way. Most clients
   * tend to silently ignore any errors and instead retry, but it can be helpful to log/debug.
   *
   * Incomplete lines that cannot become valid SSE fields may be discarded before completion
   * to avoid unbounded buffering. Those discarded lines do not trigger `onError`.
   *
   * @param error - The error that occurred during parsing
   */
  onError?: ((error: ParseError) => void) | undefined;
}

/**
 * Configuration accepted by {@link createParser}. Extends {@link ParserCallbacks} with
 * additional options that control parser behavior.
 *
 * @public
 */
interface ParserConfig extends ParserCallbacks {
  /**
   * Maximum number of characters the parser is allowed to buffer across calls to `feed()`.
   *
   * Two buffered surfaces exist in a streaming SSE parser:
   * - A valid partial line that has not yet been terminated by `\n`, `\r`, or `\r\n`.
   * - A multi-line event whose terminating blank line has not yet arrived (each `data:`
   *   field gets appended to the buffered event).
   *
   * Lines that cannot become valid SSE fields are discarded without buffering.
   *
   * When the combined size of these buffers exceeds `maxBufferSize`, the parser emits a
   * `ParseError` with `type: 'max-buffer-size-exceeded'` to `onError` and becomes
   * terminated — subsequent calls to `feed()` will throw until `reset()` is called.
   * This protects against unbounded memory growth from malformed or malicious streams.
   *
   * @defaultValue `undefined` (unbounded)
   */
  maxBufferSize?: number | undefined;
}

/**
 * EventSource/Server-Sent Events parser
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */

// ASCII codes used in the hot parsing paths.
const LF = 10;
const CR = 13;
const SPACE = 32;
const MAX_FIELD_PREFIX_LENGTH = 6;

/**
 * Creates a new EventSource parser.
 *
 * @param config - Parser configuration. Accepts callbacks (see {@link ParserCallbacks})
 *   and options like `maxBufferSize` (see {@link ParserConfig}).
 *
 * @returns A new EventSource parser, with `feed` and `reset` methods.
 * @public
 */
function createParser(config: ParserConfig): EventSourceParser {
  if (typeof config === "function") {
    throw new TypeError(
      "`config` must be an object, got a function instead. Did you mean `createParser({onEvent: fn})`?",
    );
  }

  const { maxBufferSize, onComment, onError, onEvent, onId, onRetry } = config;

  // Trailing bytes from prior `feed()` calls that did not yet form a complete line.
  // Stored as an array of fragments and only joined when a line terminator arrives.
  // Concatenating per-feed (`prefix + chunk`) is O(N²) when a single SSE line spans
  // many chunks (e.g. a large `data:` payload streamed in tiny slices, or an MCP-style
  // server that emits one giant content block). Buffering as fragments + joining once
  // makes the same workload linear.
  const pendingFragments: string[] = [];

  // Running total of `pendingFragments` lengths, kept in sync with the array so the
  // `maxBufferSize` check doesn't have to walk the fragment list on every feed.
  let pendingFragmentsLength = 0;

  // Empty or partial leading BOM; undefined once the BOM check is complete.
  let bomPrefix: string | undefined = "";
  let id: string | undefined;
  let data = "";
  let dataLines = 0;
  let eventType: string | undefined;

  // Set after a `maxBufferSize` overflow. Once tripped, `feed()` throws until
  // `reset()` is called — see the comment on `maxBufferSize` in `ParserConfig`.
  let terminated = false;
  let skippingLine = false;

  // Set when a line (parsed or discarded) was terminated by a trailing `\r` at the very
  // end of a chunk. That `\r` is ambiguous: it may be a bare-CR terminator or the first
  // half of a `\r\n` whose `\n` lands in the next chunk. The line itself is complete
  // either way, but we must remember to swallow a single leading `\n` from the next
  // chunk so the pair is treated as one terminator rather than a blank line (which
  // would dispatch an event prematurely).
  let skipNextLineFeed = false;

  /**
   * Feeds a chunk of the SSE stream to the parser. Any trailing bytes that do
   * not yet form a complete line are held back and prepended to the next chunk,
   * so callers can pass arbitrary slices of the stream without worrying about
   * line boundaries.
   *
   * Per the SSE spec, one leading UTF-8 BOM is stripped before parsing,
   * even when split across chunks. This handles both the raw 3-byte form (0xEF 0xBB
   * 0xBF) and a single decoded U+FEFF, so a leading BOM is ignored regardless of
   * how the caller decoded the bytes.
   *
   * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
   */
  function feed(chunk: string) {
    if (terminated) {
      throw new Error(
        "Cannot feed parser: it was terminated after exceeding the configured max buffer size. Call `reset()` to resume parsing.",
      );
    }

    if (bomPrefix !== undefined) {
      chunk = bomPrefix + chunk;
      // Wait only while the input could still be a raw BOM. Empty chunks must
      // not finish the check, and a mismatched prefix must remain ordinary input.
      if (chunk === "" || chunk === "\xEF" || chunk === "\xEF\xBB") {
        bomPrefix = chunk;
        return;
      }
      bomPrefix = undefined;
      // Strip exactly one leading BOM, in decoded or raw byte-valued form.
      chunk = chunk.replace(/^(?:\uFEFF|\xEF\xBB\xBF)/, "");
    }

    // Rare resume states from a prior chunk boundary: a pending `\r\n` split or a
    // line being discarded. Single combined check keeps the hot path to one branch;
    // the actual handling lives out-of-line in `resumeAfterSkip`.
    if (skippingLine || skipNextLineFeed) {
      chunk = resumeAfterSkip(chunk);
      if (!chunk) {
        return;
      }
    }

    // Hot path: no buffered prefix from a prior partial line. Hand the chunk
    // straight to `processLines`, exactly like the original implementation.
    // Zero new work in the common case (every chunk ends with `\n\n`).
    if (!pendingFragments.length) {
      const trailing = processLines(chunk);
      if (trailing !== "") {
        storeTrailing(trailing);
      }
      checkForBufferOverflow();
      return;
    }

    // We have a buffered prefix. If this chunk also has no terminator, append
    // to the buffer without concatenating — that's the O(N²) trap we're
    // avoiding (large single `data:` payload split across many tiny chunks).
    if (chunk.indexOf("\n") === -1 && chunk.indexOf("\r") === -1) {
      if (pendingFragmentsLength < MAX_FIELD_PREFIX_LENGTH) {
        const head = pendingFragments.join("") +
          chunk.slice(0, MAX_FIELD_PREFIX_LENGTH - pendingFragmentsLength);
        if (!shouldBufferTrailing(head)) {
          pendingFragments.length = 0;
          pendingFragmentsLength = 0;
          skippingLine = true;
          return;
        }
      }
      pendingFragments.push(chunk);
      pendingFragmentsLength += chunk.length;
      checkForBufferOverflow();
      return;
    }

    // Terminator arrived. Join the accumulated fragments + this chunk once,
    // process, and buffer any new trailing partial line.
    pendingFragments.push(chunk);
    const input = pendingFragments.join("");
    pendingFragments.length = 0;
    pendingFragmentsLength = 0;
    storeTrailing(processLines(input));
    checkForBufferOverflow();
  }

  // Out-of-line handler for the rare post-boundary states. `skipNextLineFeed` means a
  // line (parsed or discarded) ended with a trailing `\r` at the previous chunk boundary,
  // so a single leading `\n` must be swallowed to consume a split `\r\n` as one terminator.
  // `skippingLine` means we are discarding an invalid line until its terminator arrives.
  // The two states are mutually exclusive. Returns the remaining chunk to parse ('' if
  // this chunk was fully consumed).
  function resumeAfterSkip(chunk: string): string {
    if (chunk.length === 0) {
      return chunk;
    }

    if (skipNextLineFeed) {
      skipNextLineFeed = false;
      return chunk.charCodeAt(0) === LF ? chunk.slice(1) : chunk;
    }

    const crIndex = chunk.indexOf("\r");
    const lfIndex = chunk.indexOf("\n");
    const lineEnd = crIndex === -1
      ? lfIndex
      : lfIndex === -1
      ? crIndex
      : crIndex < lfIndex
      ? crIndex
      : lfIndex;

    if (lineEnd === -1) {
      return "";
    }

    // Trailing `\r` at the very end of the chunk: defer the CRLF/CR decision to the
    // next chunk (see `skipNextLineFeed`) rather than greedily consuming just the `\r`.
    if (lineEnd === chunk.length - 1 && chunk.charCodeAt(lineEnd) === CR) {
      skippingLine = false;
      skipNextLineFeed = true;
      return "";
    }

    skippingLine = false;
    return chunk.slice(
      lineEnd + (chunk.charCodeAt(lineEnd) === CR && chunk.charCodeAt(lineEnd + 1) === LF ? 2 : 1),
    );
  }

  function storeTrailing(trailing: string) {
    if (!trailing) return;

    // A trailing that ends with `\r` is not a partial line: the `\r` terminates it,
    // and only the CRLF-vs-CR ambiguity remains (the matching `\n` may start the next
    // chunk). Parse the completed line now — buffering it could grow unbounded through
    // the no-terminator append path, and discarding it would eat the terminator and
    // make skip mode swallow the next line.
    if (trailing.charCodeAt(trailing.length - 1) === CR) {
      parseLine(trailing, 0, trailing.length - 1);
      if (checkForBufferOverflow()) return;
      skipNextLineFeed = true;
      return;
    }

    if (shouldBufferTrailing(trailing)) {
      pendingFragments.push(trailing);
      pendingFragmentsLength = trailing.length;
      return;
    }

    skippingLine = true;
  }

  function shouldBufferTrailing(trailing: string) {
    const firstCharCode = trailing.charCodeAt(0);
    return (
      (firstCharCode === 58 && !!onComment) ||
      (firstCharCode === 100 && isPotentialField(trailing, "data")) ||
      (firstCharCode === 101 && isPotentialField(trailing, "event")) ||
      (firstCharCode === 105 && isPotentialField(trailing, "id")) ||
      (firstCharCode === 114 && isPotentialField(trailing, "retry"))
    );
  }

  // Returns true when parsing must stop for the current chunk (the parser was already
  // terminated or has just overflowed), and false when processing can continue.
  function checkForBufferOverflow() {
    if (terminated) return true;
    if (maxBufferSize === undefined) return false;
    if (pendingFragmentsLength + data.length <= maxBufferSize) return false;

    terminated = true;
    pendingFragments.length = 0;
    pendingFragmentsLength = 0;
    id = undefined;
    data = "";
    dataLines = 0;
    eventType = undefined;
    skippingLine = false;
    skipNextLineFeed = false;
    onError?.(
      new ParseError(`Buffered data exceeded max buffer size of ${maxBufferSize} characters`, {
        type: "max-buffer-size-exceeded",
      }),
    );
    return true;
  }

  /**
   * Splits `chunk` into SSE lines and dispatches each to the appropriate handler.
   * Returns any trailing bytes that did not terminate with a line break, so the
   * caller can prepend them to the next chunk.
   *
   * The SSE spec permits three line terminators: `\n`, `\r`, and `\r\n`. Real-world
   * streams almost always use plain `\n`, so we take a fast path when no `\r` is
   * present in the chunk. The slow path is spec-correct but does more work per line.
   */
  function processLines(chunk: string): string {
    let searchIndex = 0;

    // Fast path: LF-only chunk (the common case for typical SSE servers).
    // We can scan forward with a single `indexOf('\n')` per line and inline
    // the hot-path branches for `data:` and `event:` without the CR bookkeeping
    // the slow path needs.
    if (chunk.indexOf("\r") === -1) {
      let lfIndex = chunk.indexOf("\n", searchIndex);
      while (lfIndex !== -1) {
        // Blank line: end-of-event marker. Dispatch the accumulated event (if any)
        // and reset the buffered fields. This is hoisted out of `parseLine` because
        // it's the single most common line shape after `data:` lines.
        if (searchIndex === lfIndex) {
          if (id !== undefined) {
            onId?.(id);
          }
          if (dataLines > 0) {
            onEvent?.({ id, event: eventType, data });
          }
          id = undefined;
          data = "";
          dataLines = 0;
          eventType = undefined;
          searchIndex = lfIndex + 1;
          lfIndex = chunk.indexOf("\n", searchIndex);
          continue;
        }
        const firstCharCode = chunk.charCodeAt(searchIndex);
        if (isDataPrefix(chunk, searchIndex, firstCharCode)) {
          // `data:` line — append the value to the event's data buffer.
          // 'data:'.length === 5, 'data: '.length === 6
          const valueStart = chunk.charCodeAt(searchIndex + 5) === SPACE
            ? searchIndex + 6
            : searchIndex + 5;
          const value = chunk.slice(valueStart, lfIndex);
          // Fast path within a fast path: if this is the first data line AND the
          // next char is another LF (i.e. `data:foo\n\n`), dispatch immediately
          // without ever writing to the `data` buffer. This is the shape of a
          // typical single-line SSE event (ChatGPT-style streams, etc.) and is
          // hot enough to be worth the duplication.
          if (dataLines === 0 && chunk.charCodeAt(lfIndex + 1) === LF) {
            if (id !== undefined) {
              onId?.(id);
            }
            onEvent?.({ id, event: eventType, data: value });
            id = undefined;
            data = "";
            eventType = undefined;
            searchIndex = lfIndex + 2;
            lfIndex = chunk.indexOf("\n", searchIndex);
            continue;
          }
          // Multi-line data: concatenate with newline separator per spec.
          data = dataLines === 0 ? value : `${data}\n${value}`;
          dataLines++;
        } else if (isEventPrefix(chunk, searchIndex, firstCharCode)) {
          // `event:` line — set the event type for the next dispatch. Per spec,
          // an empty value resets `event type` to its default (undefined here).
          // 'event:'.length === 6, 'event: '.length === 7
          eventType = chunk.slice(
            chunk.charCodeAt(searchIndex + 6) === SPACE ? searchIndex + 7 : searchIndex + 6,
            lfIndex,
          ) || undefined;
        } else {
          // Everything else: `id:`, `retry:`, comment lines (`:` prefix), unknown
          // fields, or malformed lines. These are rarer and go through the full
          // per-line parser, which handles the SSE field grammar in detail.
          parseLine(chunk, searchIndex, lfIndex);
        }
        if (checkForBufferOverflow()) return "";
        searchIndex = lfIndex + 1;
        lfIndex = chunk.indexOf("\n", searchIndex);
      }
      return chunk.slice(searchIndex);
    }

    // Slow path: the chunk contains at least one `\r`, so lines may be terminated
    // by `\r`, `\n`, or `\r\n`. We locate the next terminator by looking at both
    // the nearest `\r` and `\n` and picking whichever comes first.
    let crIndex = chunk.indexOf("\r", searchIndex);
    let lfIndex = chunk.indexOf("\n", searchIndex);
    while (searchIndex < chunk.length) {
      let lineEnd = -1;
      if (crIndex !== -1 && lfIndex !== -1) {
        lineEnd = crIndex < lfIndex ? crIndex : lfIndex;
      } else if (crIndex !== -1) {
        // A trailing `\r` at the very end of the chunk is ambiguous: it could be
        // a bare-CR terminator, or the first half of a `\r\n` whose `\n` arrives
        // in the next chunk. Defer until we see more input.
        if (crIndex === chunk.length - 1) {
          lineEnd = -1;
        } else {
          lineEnd = crIndex;
        }
      } else if (lfIndex !== -1) {
        lineEnd = lfIndex;
      }

      if (lineEnd === -1) {
        break;
      }

      parseLine(chunk, searchIndex, lineEnd);
      if (checkForBufferOverflow()) return "";
      searchIndex = lineEnd + 1;
      // If we just consumed a `\r` and the next char is `\n`, skip it so the
      // pair is treated as a single terminator rather than an empty line.
      if (chunk.charCodeAt(searchIndex - 1) === CR && chunk.charCodeAt(searchIndex) === LF) {
        searchIndex++;
      }

      // Reuse unconsumed matches and failed searches instead of rescanning the suffix.
      if (crIndex !== -1 && crIndex < searchIndex) {
        crIndex = chunk.indexOf("\r", searchIndex);
      }
      if (lfIndex !== -1 && lfIndex < searchIndex) {
        lfIndex = chunk.indexOf("\n", searchIndex);
      }
    }

    return chunk.slice(searchIndex);
  }

  function parseLine(chunk: string, start: number, end: number) {
    if (start === end) {
      dispatchEvent();
      return;
    }

    const firstCharCode = chunk.charCodeAt(start);

    if (isDataPrefix(chunk, start, firstCharCode)) {
      // 'data:'.length === 5, 'data: '.length === 6
      const valueStart = chunk.charCodeAt(start + 5) === SPACE ? start + 6 : start + 5;
      const value = chunk.slice(valueStart, end);
      data = dataLines === 0 ? value : `${data}\n${value}`;
      dataLines++;
      return;
    }

    if (isEventPrefix(chunk, start, firstCharCode)) {
      // 'event:'.length === 6, 'event: '.length === 7
      eventType = chunk.slice(chunk.charCodeAt(start + 6) === SPACE ? start + 7 : start + 6, end) ||
        undefined;
      return;
    }

    // Fast path for "id:" — 'i' = 105, 'd' = 100, ':' = 58
    if (
      firstCharCode === 105 &&
      chunk.charCodeAt(start + 1) === 100 &&
      chunk.charCodeAt(start + 2) === 58
    ) {
      // 'id:'.length === 3, 'id: '.length === 4
      const value = chunk.slice(chunk.charCodeAt(start + 3) === SPACE ? start + 4 : start + 3, end);
      // If the field value does not contain U+0000 NULL, then set the `ID` buffer to
      // the field value. Otherwise, ignore the field.
      if (!value.includes("\0")) id = value;
      return;
    }

    // Comment line — ':' = 58
    if (firstCharCode === 58) {
      if (onComment) {
        const line = chunk.slice(start, end);
        // skip ':' (+1), or ': ' (+2) when a space follows
        onComment(line.slice(chunk.charCodeAt(start + 1) === SPACE ? 2 : 1));
      }
      return;
    }

    const line = chunk.slice(start, end);
    const fieldSeparatorIndex = line.indexOf(":");
    if (fieldSeparatorIndex === -1) {
      processField(line, "", line);
      return;
    }

    const field = line.slice(0, fieldSeparatorIndex);
    // skip ':' (+1), or ': ' (+2) when a space follows
    const offset = line.charCodeAt(fieldSeparatorIndex + 1) === SPACE ? 2 : 1;
    const value = line.slice(fieldSeparatorIndex + offset);
    processField(field, value, line);
  }

  function processField(field: string, value: string, line: string) {
    // Field names must be compared literally, with no case folding performed.
    switch (field) {
      case "event":
        // Set the `event type` buffer to field value
        eventType = value || undefined;
        break;
      case "data":
        data = dataLines === 0 ? value : `${data}\n${value}`;
        dataLines++;
        break;
      case "id":
        // If the field value does not contain U+0000 NULL, then set the `ID` buffer to
        // the field value. Otherwise, ignore the field.
        if (!value.includes("\0")) id = value;
        break;
      case "retry":
        // If the field value consists of only ASCII digits, then interpret the field value as an
        // integer in base ten, and set the event stream's reconnection time to that integer.
        // Otherwise, ignore the field.
        if (/^\d+$/.test(value)) {
          onRetry?.(parseInt(value, 10));
        } else {
          onError?.(
            new ParseError(`Invalid \`retry\` value: "${value}"`, {
              type: "invalid-retry",
              value,
              line,
            }),
          );
        }
        break;
      default:
        // Otherwise, the field is ignored.
        onError?.(
          new ParseError(
            `Unknown field "${field.length > 20 ? `${field.slice(0, 20)}…` : field}"`,
            { type: "unknown-field", field, value, line },
          ),
        );
        break;
    }
  }

  function dispatchEvent() {
    if (id !== undefined) {
      onId?.(id);
    }

    if (dataLines > 0) {
      onEvent?.({
        id,
        event: eventType,
        data,
      });
    }

    id = undefined;
    data = "";
    dataLines = 0;
    eventType = undefined;
  }

  function reset(options: { consume?: boolean } = {}) {
    if (options.consume && pendingFragments.length > 0) {
      const incompleteLine = pendingFragments.join("");
      parseLine(incompleteLine, 0, incompleteLine.length);
    }

    bomPrefix = "";
    id = undefined;
    data = "";
    dataLines = 0;
    eventType = undefined;
    pendingFragments.length = 0;
    pendingFragmentsLength = 0;
    terminated = false;
    skippingLine = false;
    skipNextLineFeed = false;
  }

  return { feed, reset };
}

/**
 * Checks if `chunk` starts with the literal `data:` at index `i`.
 *
 * Equivalent to `chunk.startsWith('data:', i)`, but benchmarks show this
 * hand-unrolled char-code comparison is ~20% faster on common event types.
 * The caller passes `firstCharCode` (the code at `i`) so it can be reused
 * across prefix checks.
 *
 * ASCII: 'd' = 100, 'a' = 97, 't' = 116, 'a' = 97, ':' = 58
 */
function isDataPrefix(chunk: string, i: number, firstCharCode: number): boolean {
  return (
    firstCharCode === 100 &&
    chunk.charCodeAt(i + 1) === 97 &&
    chunk.charCodeAt(i + 2) === 116 &&
    chunk.charCodeAt(i + 3) === 97 &&
    chunk.charCodeAt(i + 4) === 58
  );
}

/**
 * Checks if `chunk` starts with the literal `event:` at index `i`.
 *
 * See {@link isDataPrefix} for why this is hand-unrolled rather than using
 * `String.prototype.startsWith`.
 *
 * ASCII: 'e' = 101, 'v' = 118, 'e' = 101, 'n' = 110, 't' = 116, ':' = 58
 */
function isEventPrefix(chunk: string, i: number, firstCharCode: number): boolean {
  return (
    firstCharCode === 101 &&
    chunk.charCodeAt(i + 1) === 118 &&
    chunk.charCodeAt(i + 2) === 101 &&
    chunk.charCodeAt(i + 3) === 110 &&
    chunk.charCodeAt(i + 4) === 116 &&
    chunk.charCodeAt(i + 5) === 58
  );
}

function isPotentialField(line: string, field: string): boolean {
  let i = 1;
  while (i < line.length && i < field.length) {
    if (line.charCodeAt(i) !== field.charCodeAt(i)) {
      return false;
    }
    i++;
  }

  return line.length <= field.length || line.charCodeAt(field.length) === 58;
}

// ---- plugins/kit/sse.ts

/**
 * Server-sent events (WHATWG HTML §9.2). Events are parsed by the `eventsource-parser` package, whose
 * sources are linked into the plugin; they are written here.
 */

/** A parsed event. */
interface ServerEvent {
  /** Value of the `event` field; `message` if the event has none. */
  readonly event: string;
  /** Values of the `data` fields, joined by line feeds. */
  readonly data: string;
}

/**
 * An event, or a line of it, is longer than the reader allows.
 */
class EventTooLong extends Error {
  override readonly name = "EventTooLong";
}

/**
 * Parses a stream of events out of bytes in pieces of any length.
 */
class EventReader {
  readonly #decoder = new TextDecoder();
  readonly #parser: { feed(text: string): void };
  #events: ServerEvent[] = [];
  #tooLong = false;

  /** @param maxLength longest event in characters */
  constructor(maxLength: number) {
    this.#parser = createParser({
      maxBufferSize: maxLength,
      onEvent: ({ event = "message", data }) => void this.#events.push({ event, data }),
      onError: ({ type }) => {
        // Unknown fields and retry times that are not numbers are ignored (WHATWG HTML §9.2.6).
        if (type === "max-buffer-size-exceeded") this.#tooLong = true;
      },
    });
  }

  /**
   * Takes the next bytes.
   *
   * @returns the events that are complete by now
   * @throws {EventTooLong} once all events before the long one were returned
   */
  push(bytes: Uint8Array): ServerEvent[] {
    return this.#feed(this.#decoder.decode(bytes, { stream: true }));
  }

  /**
   * Ends the stream. The standard discards an event that no blank line ends; this returns it, because
   * some servers leave out the last line end.
   */
  end(): ServerEvent[] {
    return this.#feed(`${this.#decoder.decode()}\n\n`);
  }

  #feed(text: string): ServerEvent[] {
    if (!this.#tooLong) this.#parser.feed(text);
    const events = this.#events;
    this.#events = [];
    if (this.#tooLong && events.length === 0) {
      throw new EventTooLong("Cannot read an event: it is too long");
    }
    return events;
  }
}

/**
 * Formats an event.
 *
 * @param data text of the event; each of its lines becomes a `data` field
 * @param event type of the event; left out for a `message`
 */
function formatEvent(data: string, event?: string): string {
  const type = event === undefined ? "" : `event: ${event}\n`;
  return `${type}data: ${data.replace(/\r\n|\r|\n/g, "\ndata: ")}\n\n`;
}

// ---- plugins/gpu/frames.ts

/**
 * Splits the bytes of a response into frames: lines of NDJSON, or server-sent events. The bytes may
 * be cut anywhere. A frame has a maximum length, so that a backend that never ends one cannot fill
 * the memory.
 */

/** Longest frame, in characters. */
const MAX_FRAME = 1024 * 1024;

/** Both methods return the frames that are complete by now. */
interface FrameParser {
  /** @throws {MalformedFrame} if a frame is too long; all frames before it were returned */
  push(bytes: Uint8Array): Frame[];
  /** The rest at the end of the connection: some servers omit the last line end. */
  end(): Frame[];
}

/** A parser for the response of one call. */
function createFrameParser(format: WireFormat): FrameParser {
  return format === "ollama" ? new LineParser() : new EventParser();
}

/** NDJSON: one frame per line that is not blank. */
class LineParser implements FrameParser {
  readonly #decoder = new TextDecoder();
  /** The pieces of the last line. They are joined once, so that a line in many pieces is cheap. */
  #rest: string[] = [];
  #length = 0;

  push(bytes: Uint8Array): Frame[] {
    if (this.#length > MAX_FRAME) throw frameTooLong();
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  end(): Frame[] {
    return this.#split(`${this.#decoder.decode()}\n`);
  }

  #split(text: string): Frame[] {
    const lines = text.split(/\r\n|\n|\r/);
    const last = lines.pop() ?? "";
    if (lines.length > 0) {
      lines[0] = [...this.#rest, lines[0]].join("");
      this.#rest = [];
      this.#length = 0;
    }
    this.#rest.push(last);
    this.#length += last.length;
    return lines.filter((line) => line.trim() !== "").map((data) => ({ event: "message", data }));
  }
}

/** Server-sent events. */
class EventParser implements FrameParser {
  readonly #reader = new EventReader(MAX_FRAME);

  push(bytes: Uint8Array): Frame[] {
    return this.#frames(() => this.#reader.push(bytes));
  }

  end(): Frame[] {
    return this.#frames(() => this.#reader.end());
  }

  #frames(read: () => Frame[]): Frame[] {
    try {
      return read();
    } catch (error) {
      if (error instanceof EventTooLong) throw frameTooLong();
      throw error;
    }
  }
}

function frameTooLong(): MalformedFrame {
  return new MalformedFrame(`sent a frame of more than ${MAX_FRAME} characters`);
}

// ---- plugins/gpu/call.ts

/**
 * One call to the backend, from its request to its last token. The call never reads more than the
 * limits allow, never follows a redirect, and redacts every error message of the backend.
 */

/** Most bytes of a response that is one document. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
/** Most bytes that are read of an error response. */
const MAX_ERROR_BYTES = 64 * 1024;
/** How long the end of a connection is awaited, so that the next call can use the connection. */
const DRAIN_MS = 1_000;

/** The caller disconnected; nothing reads a response. */
class CallerDisconnected extends Error {}

type BodyReader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** One call to the backend; `start` sends its request. */
class BackendCall {
  readonly #backend: Backend;
  readonly #key: string | undefined;
  readonly #deadline: Deadline;

  /** @param caller aborts when the caller disconnects */
  constructor(backend: Backend, key: string | undefined, caller: AbortSignal) {
    this.#backend = backend;
    this.#key = key;
    this.#deadline = new Deadline(backend.idleMs, caller);
  }

  /** Ends the call because the caller disconnected. */
  cancel(): void {
    this.#deadline.abort("disconnected");
  }

  /**
   * Sends the prompt.
   *
   * @returns the pieces of the response as they arrive; those that arrive together come together
   * @throws {Problem} if there is no response; the generator throws it if the response is incomplete
   * @throws {CallerDisconnected}
   */
  async start(model: string, prompt: string): Promise<AsyncGenerator<Piece[]>> {
    const request = createBackendRequest(this.#backend, this.#key, model, prompt);
    try {
      const { signal } = this.#deadline;
      const response = await this.#deadline.wait(fetch(this.#backend.url, { ...request, signal }));
      if (!response.ok) throw await this.#refused(response);
      return this.#pieces(response);
    } catch (error) {
      throw this.#toProblem(
        error,
        (found) => unavailableProblem(this.#backend, this.#key, connectionFailure(found)),
      );
    }
  }

  async *#pieces(response: Response): AsyncGenerator<Piece[]> {
    const { format } = this.#backend;
    const type = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
    const reader = readerOf(response);
    let isDraining = false;
    try {
      if (type === "text/html") throw new MalformedFrame("sent an HTML page");
      // Ollama sends a document as one line of NDJSON.
      if (format !== "ollama" && /^application\/(?:.*\+)?json$/.test(type ?? "")) {
        yield [await this.#document(this.#limited(reader), format)];
      } else if (yield* this.#streamed(reader)) {
        isDraining = true;
        void this.#drain(reader);
      }
    } catch (error) {
      const action = "closed the connection before its response was complete";
      throw this.#toProblem(error, () => unavailableProblem(this.#backend, this.#key, action));
    } finally {
      if (!isDraining) this.#deadline.abort("done");
    }
  }

  /** The pieces of a streamed response. Returns whether its end mark came. */
  async *#streamed(reader: BodyReader): AsyncGenerator<Piece[], boolean> {
    const parser = createFrameParser(this.#backend.format);
    let isFinished = false;
    for (;;) {
      const { done, value } = await this.#deadline.wait(reader.read());
      const { pieces, error } = this.#read(done ? parser.end() : parser.push(value));
      if (pieces.length > 0) yield pieces;
      if (error !== undefined) throw error;
      if (pieces.at(-1)?.isEnd) return true;
      isFinished ||= pieces.some(({ finish }) => finish !== undefined);
      if (done) break;
    }
    // Some servers of OpenAI's format send the finish reason and no end mark.
    if (isFinished) return false;
    throw new MalformedFrame("ended its response without the end mark of its format");
  }

  /** Reads frames up to the end mark or an error. The pieces before an error are valid. */
  #read(frames: Iterable<Frame>): { pieces: Piece[]; error?: unknown } {
    const pieces: Piece[] = [];
    try {
      for (const frame of frames) {
        const piece = readFrame(this.#backend.format, frame);
        this.#assertNoError(piece);
        pieces.push(piece);
        if (piece.isEnd) break;
      }
    } catch (error) {
      return { pieces, error };
    }
    return { pieces };
  }

  async #document(
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
    format: "openai" | "claude",
  ): Promise<Piece> {
    const { bytes, whole } = await readStart({ body }, MAX_DOCUMENT_BYTES);
    if (!whole) {
      throw new MalformedFrame(`sent a document of more than ${MAX_DOCUMENT_BYTES} bytes`);
    }
    const piece = readDocument(format, new TextDecoder().decode(bytes));
    this.#assertNoError(piece);
    return piece;
  }

  #assertNoError({ error }: Piece): void {
    if (error === undefined) return;
    throw unavailableProblem(this.#backend, this.#key, "answered with an error", error);
  }

  /** The rest of a response, read with the idle limit. */
  #limited(reader: BodyReader): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await this.#deadline.wait(reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
    }, { highWaterMark: 0 });
  }

  /** Reads a connection to its end, so that the next call can use it. The response is complete. */
  async #drain(reader: BodyReader): Promise<void> {
    this.#deadline.release();
    const timer = setTimeout(() => this.#deadline.abort("done"), DRAIN_MS);
    try {
      while (!(await reader.read()).done);
    } catch {
      // The response is complete, so an error after it changes nothing.
    } finally {
      clearTimeout(timer);
    }
  }

  /** The problem for a status other than 2xx. */
  async #refused(response: Response): Promise<Problem> {
    const body = this.#limited(readerOf(response));
    const { bytes } = await readStart({ body }, MAX_ERROR_BYTES);
    this.#deadline.abort("done");
    return refusalProblem(this.#backend, this.#key, {
      status: response.status,
      text: errorText(parseRecord(new TextDecoder().decode(bytes)) ?? {}) ?? "",
      retryAfter: response.headers.get("retry-after"),
    });
  }

  /** What an error of the call means to the caller. */
  #toProblem(error: unknown, describe: (error: unknown) => Problem): Error {
    const { reason, exceededSeconds } = this.#deadline;
    if (reason === "disconnected") return new CallerDisconnected();
    if (reason === "idle" || reason === "too-long") {
      const action = reason === "idle" ? "sent nothing for" : "took longer than";
      return unavailableProblem(this.#backend, this.#key, `${action} ${exceededSeconds} s`);
    }
    this.#deadline.abort("done");
    if (error instanceof Problem) return error;
    return error instanceof MalformedFrame
      ? unavailableProblem(this.#backend, this.#key, error.message)
      : describe(error);
  }
}

function readerOf({ body }: Response): BodyReader {
  return (body ?? new Blob([]).stream()).getReader();
}

// ---- plugins/kit/line_config.ts

/**
 * Reads configuration in lines: one entry per line, `#` begins a comment. A byte order mark, the
 * three kinds of line ends, blank lines and characters that are not text are handled here; what an
 * entry means is not. The server decodes UTF-16 before.
 */

/** An entry of a configuration. */
interface ConfigLine {
  /** Line number, counted from 1. */
  readonly line: number;
  /** Text of the line without white space at either end; not empty. */
  readonly text: string;
  /** Why the line cannot be used, whatever it means: it contains something that is not text. */
  readonly fault?: string;
}

/** Control characters except tabs, and what a decoder puts in the place of bytes that are not text. */
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_TEXT = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]/;

/**
 * Splits a configuration into its entries. Blank lines and comments are left out.
 *
 * A line with control characters, or with bytes that are neither UTF-8 nor UTF-16, has a `fault`.
 *
 * @param comments `line`: a comment has a line of its own, so that an entry may contain `#`;
 * `anywhere`: a `#` begins a comment wherever it appears
 */
function configLines(text: string, comments: "line" | "anywhere" = "line"): ConfigLine[] {
  const lines: ConfigLine[] = [];
  for (const [at, raw] of text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).entries()) {
    const entry = (comments === "anywhere" ? raw.replace(/#.*$/, "") : raw).trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const fault = NOT_TEXT.test(entry) ? { fault: "it contains characters that are not text" } : {};
    lines.push({ line: at + 1, text: entry, ...fault });
  }
  return lines;
}

/**
 * Removes a comment from the end of an entry. The `#` must be the first character or follow white
 * space, so that a value may contain `#`.
 */
function withoutComment(text: string): string {
  return text.replace(/(?:^|\s+)#.*$/, "").trim();
}

// ---- plugins/gpu/config.ts

/**
 * Parses `/etc/gpu.conf`: one backend line, and settings above or below it. A fault names its line
 * and never quotes it, because a user may have written a key in the wrong place.
 */

/** The world that is the configuration. */
const CONFIG_PATH = "/etc/gpu.conf";
/** Longest configuration, in characters. */
const MAX_CONFIG_LENGTH = 64 * 1024;

/** The configuration, or why it cannot be used; neither if it is empty. */
interface Settings {
  readonly backend?: Backend;
  readonly fault?: string;
}

interface NumberRange {
  readonly min: number;
  readonly max: number;
  readonly isWhole: boolean;
}

const NUMBERS: ReadonlyMap<string, NumberRange> = new Map([
  ["temperature", { min: 0, max: 2, isWhole: false }],
  ["max_tokens", { min: 1, max: 10_000_000, isWhole: true }],
  ["timeout", { min: 1, max: 600, isWhole: true }],
]);
const TEXTS = ["model", "models", "key", "system"];
const MODEL_NAME = /^[\w.:/@+-]{1,200}$/;
/** Only names of keys, so that a line cannot read another secret of the server's environment. */
const KEY_VARIABLE = /^(?!ELASTIK_|DENO_|NODE_|LD_|DYLD_)[A-Z][A-Z0-9_]*_API_KEY$/;

/** Whether a text can name a model. */
function isModelName(text: string): boolean {
  return MODEL_NAME.test(text);
}

/** Parses the configuration; undefined counts as empty. */
function parseSettings(text: string | undefined): Settings {
  try {
    const backend = parseBackend(text ?? "");
    return backend === undefined ? {} : { backend };
  } catch (error) {
    if (error instanceof ConfigError) return { fault: `${CONFIG_PATH} ${error.message}` };
    throw error;
  }
}

function parseBackend(text: string): Backend | undefined {
  if (text.length > MAX_CONFIG_LENGTH) {
    throw new ConfigError(`is longer than ${MAX_CONFIG_LENGTH} characters`);
  }
  const settings = new Map<string, string>();
  let endpoint: Endpoint | undefined;
  for (const { line, text: entry, fault } of configLines(text)) {
    try {
      if (fault !== undefined) throw new ConfigError(fault);
      if (!isBackendLine(entry)) addSetting(entry, settings);
      else if (endpoint === undefined) endpoint = parseEndpoint(withoutComment(entry));
      else throw new ConfigError("there is a backend already; only one can be configured");
    } catch (error) {
      if (error instanceof ConfigError) throw new ConfigError(`line ${line}: ${error.message}`);
      throw error;
    }
  }
  if (endpoint !== undefined) return createBackend(endpoint, settings);
  if (settings.size === 0) return undefined;
  throw new ConfigError("names no backend; add a line such as ollama://localhost:11434");
}

/** A system prompt may contain a URL. */
function isBackendLine(entry: string): boolean {
  return entry.includes("://") && !/^system\b/.test(entry);
}

function addSetting(entry: string, settings: Map<string, string>): void {
  const [, name = "", rest = ""] = /^([a-z_]+)(?:\s*=\s*|\s+|$)(.*)$/.exec(entry) ?? [];
  if (!NUMBERS.has(name) && !TEXTS.includes(name)) {
    const names = [...TEXTS, ...NUMBERS.keys()].join(", ");
    throw new ConfigError(`neither a backend (scheme://host:port) nor one of ${names}`);
  }
  const earlier = settings.get(name);
  if (name === "system") {
    settings.set(name, earlier === undefined ? rest : `${earlier}\n${rest}`);
    return;
  }
  if (earlier !== undefined) throw new ConfigError(`${name} is set a second time`);
  const value = withoutComment(rest);
  assertValue(name, value);
  settings.set(name, value);
}

/** @throws {ConfigError} for a value that the setting does not take */
function assertValue(name: string, value: string): void {
  const range = NUMBERS.get(name);
  if (range !== undefined) return assertInRange(name, value, range);
  if (name === "model" && !isModelName(value)) {
    throw new ConfigError("the name of the model is invalid");
  }
  if (name === "models" && !value.split(/\s+/).every(isModelName)) {
    throw new ConfigError("models is not a list of names with spaces between them");
  }
  if (name === "key" && value !== "none" && !KEY_VARIABLE.test(value)) {
    throw new ConfigError("key is neither none nor the name of a variable that ends in _API_KEY");
  }
}

function assertInRange(name: string, value: string, { min, max, isWhole }: NumberRange): void {
  const number = Number(value);
  const isValid = /^\d+(?:\.\d+)?$/.test(value) && number >= min && number <= max &&
    (!isWhole || Number.isInteger(number));
  if (isValid) return;
  const kind = isWhole ? "whole number" : "number";
  throw new ConfigError(`${name} is not a ${kind} from ${min} to ${max}`);
}

// ---- plugins/kit/decode_utf8.ts

/** Decodes UTF-8 and recognizes bytes that are not text. */

/**
 * Decodes UTF-8.
 *
 * @param isComplete false if the bytes are the start of a longer text: the last character may then be
 * incomplete and is left out
 * @returns the text; undefined if the bytes are not UTF-8
 */
function decodeUtf8(bytes: Uint8Array, isComplete = true): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !isComplete });
  } catch {
    return undefined; // the caller decides what to do with bytes that are not text
  }
}

// ---- plugins/gpu/prompt.ts

/**
 * Reads what a caller asks for: the prompt, the model, and the key that the backend needs.
 */

/** Longest prompt in bytes. */
const MAX_PROMPT_BYTES = 1024 * 1024;

/** Reads the prompt. @throws {Problem} `body-too-large`, `bad-body` */
async function readPrompt(request: Request): Promise<string> {
  const detail = `Cannot answer: the prompt is longer than ${MAX_PROMPT_BYTES} bytes`;
  const tooLong = () => new Problem("body-too-large", detail);
  const prompt = decodeUtf8(await readBody(request, { maxBytes: MAX_PROMPT_BYTES, tooLong }));
  if (prompt === undefined) {
    throw new Problem("bad-body", "Cannot answer: the prompt is not UTF-8 text");
  }
  if (prompt.trim() !== "") return prompt;
  throw new Problem("bad-body", "Cannot answer: the prompt is empty; send text in the body");
}

/**
 * The model to use.
 *
 * @param requested the value of `?model=`, or null
 * @throws {Problem} `bad-query`
 */
function selectModel(
  { model, models }: Pick<Backend, "model" | "models">,
  requested: string | null,
): string {
  if (requested === null) return model;
  if (!isModelName(requested)) {
    throw new Problem("bad-query", "Cannot answer: the value of ?model= is not a model name");
  }
  if (models === undefined || models.includes(requested) || requested === model) return requested;
  const detail = `Cannot answer: ${CONFIG_PATH} does not allow the model in ?model=`;
  throw new Problem("bad-query", detail);
}

/**
 * The key of the backend.
 *
 * @param vars the environment variables that the plugin was granted
 * @returns undefined if the backend needs none, or its variable is not set
 * @throws {Problem} `unavailable` for a key that a header cannot contain
 */
function readKey(
  { key }: Pick<Backend, "key">,
  vars: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const value = key === undefined ? "" : vars[key]?.trim() ?? "";
  if (value === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  const detail = `Cannot answer: ${key} contains characters that a header cannot contain`;
  throw new Problem("unavailable", detail);
}

// ---- plugins/gpu/token_events.ts

/**
 * The response of `/dev/gpu/stream` as server-sent events (WHATWG HTML §9.2): one event per token.
 */

/**
 * Formats tokens as events. A carriage return at the end of a token waits for the next token, which
 * may begin with the line feed that belongs to it.
 */
class TokenEvents {
  #carriageReturn = "";

  /** The events of some tokens; empty if nothing can be sent yet. */
  format(tokens: readonly string[]): string {
    let events = "";
    for (const token of tokens) {
      const text = this.#carriageReturn + token;
      this.#carriageReturn = text.endsWith("\r") ? "\r" : "";
      const ready = this.#carriageReturn === "" ? text : text.slice(0, -1);
      if (ready !== "") events += formatEvent(ready);
    }
    return events;
  }

  /** The last events: what waits, the error if there is one, and `done` with its reason. */
  end(finish: string, error?: string): string {
    const rest = this.#carriageReturn;
    this.#carriageReturn = "";
    return (rest === "" ? "" : formatEvent(rest)) +
      (error === undefined ? "" : formatEvent(error, "error")) +
      formatEvent(finish, "done");
  }
}

// ---- plugins/gpu/token_text.ts

/** Joins the tokens of a response where a character is split between two of them. */

/** Matches text that ends with the first half of a surrogate pair. */
const OPEN_PAIR = /[\ud800-\udbff]$/;

/**
 * Returns the text of tokens in whole characters. A backend may send the two halves of a character
 * outside the Basic Multilingual Plane as escapes in two frames (`\ud83d`, `\ude00`); encoded separately,
 * each would become U+FFFD.
 */
class TokenText {
  #half = "";

  /** Returns the text that is complete by now. */
  push(token: string): string {
    const text = this.#half + token;
    this.#half = OPEN_PAIR.test(text) ? text.slice(-1) : "";
    return this.#half === "" ? text : text.slice(0, -1);
  }

  /** Returns what is left at the end: U+FFFD for half a character. */
  end(): string {
    const rest = this.#half.toWellFormed();
    this.#half = "";
    return rest;
  }
}

// ---- plugins/gpu/usage_log.ts

/**
 * The usage log of the device: one line per call in `/var/log/gpu/<day>.ndjson`. It records the caller,
 * the model, sizes and times. It never contains a prompt, a response or a backend's text.
 */

const LOG = "/var/log/gpu/";
/** Most lines of one world. */
const MAX_LINES = 2_000;
/** Days that are kept. */
const KEPT_DAYS = 90;
const DAY_MS = 86_400_000;

/** What is logged of a call. The names are those of the log's fields. */
interface UsageRecord {
  readonly route: string;
  readonly backend: Scheme;
  readonly model: string;
  readonly prompt_bytes: number;
  answer_bytes: number;
  /** HTTP status of the response; 499 if the caller disconnected. */
  status: number;
  finish: Finish | "error" | "left";
}

/** The times of a call, in Unix milliseconds. */
interface CallTimes {
  readonly started: number;
  /** When the first token came; 0 if none came. */
  readonly firstToken: number;
  readonly ended: number;
}

/** `env.machine`: sends requests with the plugin's own grants. */
interface Machine {
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** The line of the log, without the line end. */
function formatUsage(by: string, record: UsageRecord, times: CallTimes): string {
  const { started, firstToken, ended } = times;
  return JSON.stringify({
    at: new Date(ended).toISOString(),
    by,
    ...record,
    ...(firstToken === 0 ? {} : { first_ms: firstToken - started }),
    ms: ended - started,
  });
}

/** The world for a day; each further part has a number, so that no world grows without limit. */
function logPath(day: string, part: number): string {
  return `${LOG}${day}${part === 1 ? "" : `-${part}`}.ndjson`;
}

/** The names of a listing that are older than the kept days. */
function expiredLogs(listing: unknown, now: number): string[] {
  const oldest = new Date(now - KEPT_DAYS * DAY_MS).toISOString().slice(0, 10);
  const names = (Array.isArray(listing) ? listing : [])
    .map((row: unknown) => isRecord(row) ? row.name : undefined)
    .filter((name) => typeof name === "string");
  return names.filter((name) =>
    /^\d{4}-\d\d-\d\d(?:-\d+)?\.ndjson$/.test(name) && name.slice(0, 10) < oldest
  );
}

/** Day and part of the world that the next line is appended to. */
const current = { day: "", part: 1 };

/** Appends the line of a call, and deletes expired days when a new day starts. */
async function logUsage(
  machine: Machine,
  by: string,
  record: UsageRecord,
  times: CallTimes,
): Promise<void> {
  const day = new Date(times.ended).toISOString().slice(0, 10);
  if (current.day !== day) {
    current.day = day;
    current.part = 1;
  }
  const { part } = current;
  const response = await machine.fetch(logPath(day, part), {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: `${formatUsage(by, record, times)}\n`,
  });
  const text = await response.text();
  if (!response.ok) {
    console.error(`Cannot write the usage log: status ${response.status}`);
    return;
  }
  // Each line is one version of the world.
  const lines = parseRecord(text)?.version;
  const isFull = typeof lines === "number" && lines >= MAX_LINES;
  // Another call may have started the next part while this one waited.
  if (isFull && current.part === part) current.part++;
  if (response.status === 201 && part === 1) await deleteExpired(machine, times.ended);
}

async function deleteExpired(machine: Machine, now: number): Promise<void> {
  const listing = await machine.fetch(LOG, { headers: { accept: "application/json" } });
  for (const name of expiredLogs(await listing.json(), now)) {
    const response = await machine.fetch(LOG + name, { method: "DELETE" });
    await response.body?.cancel();
  }
}

// ---- plugins/gpu/respond.ts

/**
 * The two responses of the device: the complete text, or one event per token. Both write one line of
 * the usage log when the call ends.
 */

/** Longest text of a response that is not streamed, in bytes. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
/**
 * How long the head of a stream waits for the first token, in milliseconds, so that a failure before
 * it can be a problem response.
 */
const FIRST_TOKEN_MS = 500;
const encoder = new TextEncoder();

/** One call to the model, and what its response and its log line need. */
interface ModelCall {
  readonly call: Pick<BackendCall, "start" | "cancel">;
  readonly model: string;
  readonly prompt: string;
  /** Response headers that name the backend. */
  readonly headers: Readonly<Record<string, string>>;
  readonly usage: UsageRecord;
  /** When the first token came, in Unix milliseconds; 0 if none came. */
  firstToken: number;
  /** Why the model stopped; undefined until the backend says so. */
  finish?: Finish;
  /** Called once, when the call ends. */
  readonly onEnd: () => void;
}

/**
 * Answers with the complete text.
 *
 * @throws {Problem} if the backend fails, or if there is neither text nor a complete answer
 */
async function respondText(modelCall: ModelCall): Promise<Response> {
  const { call, model, prompt, usage, headers, onEnd } = modelCall;
  const joined = new TokenText();
  let text = "";
  try {
    for await (const pieces of await call.start(model, prompt)) {
      text += takeTokens(modelCall, joined, pieces).join("");
      if (usage.answer_bytes > MAX_TEXT_BYTES) throw textTooLong();
    }
    text += endTokens(modelCall, joined);
    assertAnswer(modelCall);
  } catch (error) {
    call.cancel();
    recordFailure(usage, error, error instanceof Problem ? error.status : 502);
    throw error;
  } finally {
    onEnd();
  }
  return new Response(text, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
      "x-gpu-finish": usage.finish,
    },
  });
}

/**
 * @throws {Problem} if no text came, and the backend did not say that the empty text is complete:
 * `bad-gateway` for a result of the model, such as a refusal, and `unavailable` without a result
 */
function assertAnswer({ usage }: ModelCall): void {
  if (usage.answer_bytes > 0 || usage.finish === "stop") return;
  if (usage.finish === "incomplete") {
    throw unavailableProblem({ scheme: usage.backend }, undefined, "sent no answer");
  }
  // The header lets a program distinguish a refusal from a failure.
  const headers = { "x-gpu-finish": usage.finish };
  throw new Problem("bad-gateway", `${unfinishedDetail(usage)}; it sent no text`, headers);
}

/** The result of a call without text, for the `done` event. */
function failureResult(error: unknown): string {
  return error instanceof Problem && error.headers["x-gpu-finish"] || "error";
}

function unfinishedDetail({ backend, finish }: UsageRecord): string {
  const action = finish === "error" || finish === "left" ? undefined : describeFinish(finish);
  return `Cannot complete the answer: the ${backend} backend ${
    action ?? "reached its token limit"
  }`;
}

function textTooLong(): Problem {
  const found = `the response is longer than ${MAX_TEXT_BYTES} bytes`;
  return new Problem("bad-gateway", `Cannot answer: ${found}; /dev/gpu/stream has no limit`);
}

/**
 * Answers with events as the tokens arrive.
 *
 * @throws {Problem} if the backend fails before the first token, and within {@link FIRST_TOKEN_MS}
 */
async function respondEvents(modelCall: ModelCall): Promise<Response> {
  const { call, model, prompt, usage, headers, onEnd } = modelCall;
  let body: ReadableStream<Uint8Array>;
  try {
    body = await eventStream(modelCall, await call.start(model, prompt));
  } catch (error) {
    call.cancel();
    recordFailure(usage, error, error instanceof Problem ? error.status : 502);
    onEnd();
    throw error;
  }
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Some proxies would hold the events back until the response ends.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}

/** @throws {Problem} if the call fails within {@link FIRST_TOKEN_MS}, before its first token */
async function eventStream(
  modelCall: ModelCall,
  pieces: AsyncGenerator<Piece[]>,
): Promise<ReadableStream<Uint8Array>> {
  const { call, usage } = modelCall;
  const chunks = eventChunks(modelCall, pieces);
  let first: ReturnType<typeof chunks.next> | undefined = chunks.next();
  await settled(first, FIRST_TOKEN_MS);
  let isEnded = false;
  const end = (): void => {
    if (!isEnded) modelCall.onEnd();
    isEnded = true;
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await (first ?? chunks.next());
        first = undefined;
        if (!done) return controller.enqueue(encoder.encode(value));
        end();
      } catch (error) {
        recordFailure(usage, error, 200);
        end();
        const last = new TokenEvents().end(failureResult(error), failureDetail(error));
        controller.enqueue(encoder.encode(last));
      }
      controller.close();
    },
    cancel() {
      call.cancel();
      recordFailure(usage, new CallerDisconnected(), 499);
      end();
    },
  }, { highWaterMark: 0 });
}

/** The events of a response: those that arrive together come together, the last ones with `done`. */
async function* eventChunks(
  modelCall: ModelCall,
  pieces: AsyncGenerator<Piece[]>,
): AsyncGenerator<string, void> {
  const { usage } = modelCall;
  const events = new TokenEvents();
  const joined = new TokenText();
  let isBegun = false;
  try {
    for await (const some of pieces) {
      const text = events.format(takeTokens(modelCall, joined, some));
      if (text === "") continue;
      isBegun = true;
      yield text;
    }
  } catch (error) {
    if (!isBegun) throw error;
    const rest = events.format([endTokens(modelCall, joined)]);
    recordFailure(usage, error, 200);
    yield rest + events.end("error", failureDetail(error));
    return;
  }
  const rest = events.format([endTokens(modelCall, joined)]);
  assertAnswer(modelCall);
  const isUnfinished = usage.finish !== "stop" && usage.finish !== "length";
  yield rest + events.end(usage.finish, isUnfinished ? unfinishedDetail(usage) : undefined);
}

function failureDetail(error: unknown): string {
  return error instanceof Problem ? error.message : "Cannot continue: internal error";
}

/** Waits until a promise settles or the time is over. @throws what the promise rejects with */
async function settled(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
    // A rejection after the time is handled by the reader of the stream.
    promise.catch(() => {});
  }
}

/** Counts the tokens of some pieces, and returns their text in whole characters. */
function takeTokens(modelCall: ModelCall, joined: TokenText, pieces: readonly Piece[]): string[] {
  const tokens: string[] = [];
  for (const { text = "", finish } of pieces) {
    if (finish !== undefined) modelCall.finish = combineFinish(modelCall.finish, finish);
    const whole = joined.push(text);
    if (whole !== "") tokens.push(whole);
  }
  countTokens(modelCall, tokens);
  return tokens;
}

/** The rest of the text at the end of a response, and the reason of its end. */
function endTokens(modelCall: ModelCall, joined: TokenText): string {
  const rest = joined.end();
  if (rest !== "") countTokens(modelCall, [rest]);
  modelCall.usage.finish = combineFinish(modelCall.finish, undefined);
  return rest;
}

function countTokens(modelCall: ModelCall, tokens: readonly string[]): void {
  if (tokens.length === 0) return;
  if (modelCall.firstToken === 0) modelCall.firstToken = Date.now();
  for (const token of tokens) modelCall.usage.answer_bytes += encoder.encode(token).length;
}

function recordFailure(usage: UsageRecord, error: unknown, status: number): void {
  const isDisconnected = error instanceof CallerDisconnected;
  usage.finish = isDisconnected ? "left" : "error";
  usage.status = isDisconnected ? 499 : status;
}

// ---- plugins/gpu/status.ts

/**
 * `GET /dev/gpu`: which backend is configured, as text or JSON.
 */

type Variables = Readonly<Record<string, string | undefined>>;

/** The response to a GET or HEAD of the device. */
function statusResponse(
  { method, headers }: Request,
  settings: Settings,
  vars: Variables,
): Response {
  const { backend } = settings;
  const isJson = chooseType(headers.get("accept"), ["text/plain", "application/json"]) ===
    "application/json";
  const body = isJson ? formatStatusJson(backend) : formatStatusText(settings, vars);
  return new Response(method === "HEAD" ? null : `${body}\n`, {
    headers: {
      "content-type": isJson ? "application/json" : "text/plain; charset=utf-8",
      "cache-control": "no-store",
      "vary": "Accept",
      ...(backend === undefined ? {} : backendHeaders(backend, backend.model)),
    },
  });
}

/** The headers that name the backend of a response. */
function backendHeaders(
  { scheme, isLocal }: Pick<Backend, "scheme" | "isLocal">,
  model: string,
): Record<string, string> {
  return { "x-gpu-backend": scheme, "x-gpu-model": model, "x-gpu-local": String(isLocal) };
}

/** Why the device cannot answer. */
function unusableDetail({ fault }: Settings): string {
  const [found, hint] = fault === undefined
    ? ["no backend is configured", "with a line such as ollama://localhost:11434"]
    : [fault, "with a corrected line"];
  return `Cannot answer: ${found}; PUT ${CONFIG_PATH} ${hint}, as T3`;
}

function formatStatusJson(backend: Backend | undefined): string {
  return JSON.stringify({
    backend: backend?.scheme ?? null,
    model: backend?.model ?? null,
    local: backend?.isLocal ?? false,
    configured: backend !== undefined,
  });
}

function formatStatusText(settings: Settings, vars: Variables): string {
  const { backend } = settings;
  if (backend === undefined) return unusableDetail(settings);
  const { scheme, model, isLocal, key } = backend;
  const location = isLocal ? "on this computer" : "over the network";
  const isUnset = key !== undefined && (vars[key] ?? "").trim() === "";
  return `${scheme} ${model}, ${location}${isUnset ? `; ${key} is not set` : ""}`;
}
