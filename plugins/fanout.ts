// Built from plugins/fanout/ by deno task plugins. Edit the sources there.

/**
 * Broadcast: one write goes to every world that `/etc/fanout.conf` names. Each write has the rights of
 * the caller, and the response has one result per world. A target is never a route, so a broadcast
 * cannot call itself. Manual: `/usr/share/doc/fanout.md`.
 */

export const description = "writes what it receives to every world of /etc/fanout.conf";
export const routes = ["/dev/fanout"];
export const auth = "T2";
export const config = ["/etc/fanout.conf"];
/** No permissions. A line that cannot be used is reported to T3 in the state of the plugin. */
export const permissions = ({ config }: { config: PluginConfig }): { fault?: string } => {
  const invalid = readTargets(config[CONF] ?? "").find(({ fault }) => fault !== undefined);
  return invalid === undefined ? {} : { fault: `${CONF} line ${invalid.line}: ${invalid.fault}` };
};

interface Env {
  readonly config: PluginConfig;
  readonly caller: PluginCaller;
}

const ROUTE = "/dev/fanout";
const CONF = "/etc/fanout.conf";

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const { method } = request;
  if (pathname !== ROUTE) {
    throw new Problem("not-found", `Cannot ${method} ${pathname}: the only path is ${ROUTE}`);
  }
  assertCanBroadcast(env.caller);
  const targets = readTargets(env.config[CONF] ?? "");
  if (method === "GET" || method === "HEAD") return targetsResponse(request, targets);
  if (method !== "POST" && method !== "PUT") {
    const detail = `Cannot ${method} ${ROUTE}: use PUT to replace, POST to append`;
    throw new Problem("method-not-allowed", detail, { allow: "GET, HEAD, POST, PUT" });
  }
  for (const key of searchParams.keys()) {
    if (key === "ext") continue;
    throw new Problem("bad-query", `Cannot write to the targets: ?${key} is unknown; use ?ext`);
  }
  if (targets.every(({ fault }) => fault !== undefined)) {
    throw new Problem(
      "unavailable",
      `Cannot write to the targets: ${CONF} names no world; T3 can write it, one name per line`,
    );
  }
  const refused = await findRefused(targets, env.caller.fetch);
  if (refused.length > 0) return refusedResponse(request, refused);
  return await readShared(request, async (body) => {
    const results = await broadcast(request, body, targets, searchParams, env.caller.fetch);
    return resultsResponse(request, results);
  });
}

/** A capability is valid below its own prefix; the targets are elsewhere. */
function assertCanBroadcast({ tier, by }: PluginCaller): void {
  const isCapability = by.startsWith("cap:");
  if (!isCapability && (tier === "T2" || tier === "T3")) return;
  const found = isCapability
    ? "a capability is valid for worlds below its own prefix only"
    : `the caller has ${tier}`;
  throw new Problem("forbidden", `Cannot use ${ROUTE}: ${found}; T2 is required`);
}

function targetsResponse(request: Request, targets: readonly Target[]): Response {
  const lines = targets.map(({ path, fault }) =>
    fault === undefined ? `${path}\n` : `${path}\t${fault}\n`
  );
  const rows = targets.map(({ line, path, fault }) => ({
    line,
    target: path,
    ...(fault && { fault }),
  }));
  return textOrJson(request, 200, lines.join(""), rows);
}

/** The caller cannot write all targets, so none was written. */
function refusedResponse(request: Request, refused: readonly Result[]): Response {
  const [first, ...others] = refused;
  const also = others.length === 0 ? "" : ` (and ${others.length} other targets)`;
  const problem = new Problem(
    "forbidden",
    `Cannot write to the targets: ${first?.target}${also} was refused, so none was written: ${first?.detail}`,
  );
  const members = { ...summaryOf(refused) };
  return problemResponse(problem, request.headers.get("accept"), false, { members });
}

interface Summary {
  /** Names of the worlds that were written. */
  readonly written: readonly string[];
  readonly failed: readonly {
    readonly target: string;
    readonly status: number;
    readonly error: string;
  }[];
}

function summaryOf(results: readonly Result[]): Summary {
  const nameOf = ({ target }: Result): string => target.slice(1);
  return {
    written: results.filter(isWritten).map(nameOf),
    failed: results.filter((result) => !isWritten(result)).map((result) => ({
      target: nameOf(result),
      status: result.status,
      error: result.detail ?? "it was refused",
    })),
  };
}

function resultsResponse(request: Request, results: readonly Result[]): Response {
  const lines = results.map(({ target, status, detail }) =>
    `${status}\t${target}${detail === undefined ? "" : `\t${detail}`}\n`
  );
  const summary = { ...summaryOf(results), results };
  return textOrJson(request, statusOf(results), lines.join(""), summary);
}

function textOrJson(request: Request, status: number, text: string, json: unknown): Response {
  const types = ["application/json", "text/plain"];
  const asText = chooseType(request.headers.get("accept"), types) === "text/plain";
  const body = asText ? text : `${JSON.stringify(json)}\n`;
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      "content-type": asText ? "text/plain; charset=utf-8" : "application/json",
      "cache-control": "no-store",
      "vary": "Accept",
    },
  });
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

// ---- plugins/kit/encode_path.ts

/** Writes a path as a URL has it. */

/**
 * Percent-encodes the segments of a path. Slashes stay.
 */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
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

// ---- plugins/kit/misleading_text.ts

/**
 * Finds characters that make a name look like another one: a person who reads the text cannot see
 * them, or takes them for a separator. For names in text that people write or approve: configuration,
 * mount tables. Names of worlds in URLs may contain them. The rule of the
 * server is `lib/base/misleading_text.ts`; one table of cases tests both.
 */

/**
 * Joiners and selectors with a visible effect: in emoji, and in scripts whose letters join (Unicode
 * UAX #31 §2.3).
 */
const JOINED =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{sc=Arabic}\p{sc=Syriac}\p{sc=Mongolian}\p{sc=Devanagari}\p{sc=Bengali}\p{sc=Gurmukhi}\p{sc=Gujarati}\p{sc=Oriya}\p{sc=Tamil}\p{sc=Telugu}\p{sc=Kannada}\p{sc=Malayalam}\p{sc=Sinhala}\p{sc=Khmer}\p{sc=Myanmar}])[\u200c\u200d](?=[\p{Extended_Pictographic}\p{L}\p{M}])|(?<=\p{Extended_Pictographic})\ufe0f/gu;
/** Characters without ink; a space is visible between two words. */
const INVISIBLE =
  /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\u2800]|(?! )\p{Zs}/u;
/** Characters that look like a slash or a dot. */
const LOOKALIKE = /[\u2044\u2215\u29f8\uff0f\u2024\uff0e]/u;
/** Cyrillic and Latin letters in one word: many of them look the same. */
const MIXED = /[\p{sc=Latin}][\p{M}]*[\p{sc=Cyrillic}]|[\p{sc=Cyrillic}][\p{M}]*[\p{sc=Latin}]/u;

/**
 * Explains why a text can be mistaken for another one.
 *
 * @param text a name or a path
 * @returns the end of a sentence about the text, in ASCII; undefined if it is not misleading
 */
function misleadingFault(text: string): string | undefined {
  if (/^[\x20-\x7e]*$/.test(text)) return undefined;
  const invisible = INVISIBLE.exec(text.replace(JOINED, ""))?.[0];
  if (invisible !== undefined) return `it contains the invisible character ${nameOf(invisible)}`;
  const lookalike = LOOKALIKE.exec(text)?.[0];
  if (lookalike !== undefined) {
    return `it contains ${nameOf(lookalike)}, which looks like a slash or a dot`;
  }
  return MIXED.test(text) ? "it contains a word with Latin and Cyrillic letters" : undefined;
}

function nameOf(char: string): string {
  return `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// ---- plugins/kit/world_name.ts

/**
 * Names of worlds: which names there can be. The rules are those of `lib/world/name.ts`; one table of
 * cases tests both.
 */

/** First segments of the names of worlds. */
const NAMESPACES: readonly string[] = ["home", "etc", "usr", "var", "boot", "lib"];

// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_NAMES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\:*?"<>|]/;

/**
 * Explains why a world cannot have a name.
 *
 * @param name without a slash in front, such as `home/x`
 * @returns the end of a sentence about the name; undefined if the name is valid
 */
function worldNameFault(name: string): string | undefined {
  const segments = name.split("/");
  if (!NAMESPACES.includes(segments[0] ?? "")) {
    return `worlds are in ${NAMESPACES.map((space) => `/${space}`).join(", ")}`;
  }
  if (segments.length === 1) return "a namespace is not a world";
  if (NOT_IN_NAMES.test(name)) {
    return 'it contains a control character or one of \\ : * ? " < > |';
  }
  if (name.normalize("NFC") !== name || !name.isWellFormed()) return "it is not in NFC";
  if (segments.some((segment) => /^\.{0,2}$/.test(segment))) {
    return "it contains an empty segment, `.` or `..`";
  }
  return undefined;
}

/**
 * Returns the name of a world that was given in short or in full: `x` means `home/x`. A slash in
 * front is left out, and the name is put in NFC.
 *
 * @returns a name that {@link worldNameFault} can check
 */
function fullWorldName(given: string): string {
  const name = given.replace(/^\//, "").normalize("NFC");
  const [first = "", ...rest] = name.split("/");
  return NAMESPACES.includes(first) && rest.length > 0 ? name : `home/${name}`;
}

// ---- plugins/fanout/targets.ts

/** The targets in `/etc/fanout.conf`: one world per line, `x` and `home/x` mean `/home/x`. */

/** A line of the configuration. */
interface Target {
  /** Line number, counted from 1. */
  readonly line: number;
  /** Path of the world, with a slash in front. */
  readonly path: string;
  /** Why the line cannot be used. */
  readonly fault?: string;
}

/** Path of the configuration itself; a broadcast to it would change its own targets. */
const OWN_CONFIG = "/etc/fanout.conf";
/** First segments that are not namespaces: a path that begins with one is a mistake. */
const OTHER_ROOTS = ["auth", "bin", "dav", "dev", "mnt", "proc", "self", "shaped", "stream"];
/** Most targets. */
const MAX_TARGETS = 256;

/**
 * Reads the configuration. A target that appears twice counts once.
 *
 * @returns the targets in order; after the first target too many the rest is left out
 */
function readTargets(text: string): Target[] {
  const targets: Target[] = [];
  const seen = new Set<string>();
  for (const { line, text: entry, fault: lineFault } of configLines(text)) {
    const path = pathOf(entry);
    if (seen.has(path)) continue;
    seen.add(path);
    const fault = targets.length >= MAX_TARGETS
      ? `there are more than ${MAX_TARGETS} targets`
      : lineFault ?? targetFault(path);
    targets.push({ line, path, ...(fault && { fault }) });
    if (targets.length > MAX_TARGETS) break;
  }
  return targets;
}

function pathOf(entry: string): string {
  const name = entry.normalize("NFC");
  if (name.startsWith("/")) return name;
  const [first = "", ...rest] = name.split("/");
  const isRooted = rest.length > 0 && (NAMESPACES.includes(first) || OTHER_ROOTS.includes(first));
  return isRooted ? `/${name}` : `/home/${name}`;
}

function targetFault(path: string): string | undefined {
  if (path === OWN_CONFIG) return "a target cannot be the list of targets";
  const name = path.slice(1);
  const [first = "", ...rest] = name.split("/");
  if (!NAMESPACES.includes(first)) {
    const namespaces = NAMESPACES.map((namespace) => `/${namespace}`).join(", ");
    return `only worlds can be targets, below ${namespaces}`;
  }
  if (first === "lib" && rest.length > 1) return "what is below a plugin is not a world";
  const fault = worldNameFault(name) ?? misleadingFault(name);
  return fault === undefined ? undefined : `it is not the name of a world: ${fault}`;
}

// ---- plugins/fanout/broadcast.ts

/** Writes one body to all targets, a few at a time, with the rights of the caller. */

/** What happened to one target. */
interface Result {
  /** Path of the world. */
  readonly target: string;
  /** HTTP status code of the write. */
  readonly status: number;
  /** Version that was written. */
  readonly version?: number;
  /** Why the target was not written: the message of the server. */
  readonly detail?: string;
}

/** Headers that every target receives: type, metadata and preconditions. */
const FORWARDED_HEADERS = /^(?:content-(?:type|encoding|range|language)|x-meta-.*|if-.*)$/;
/**
 * Precondition that is never true: no world has this version. The server checks the rights of a caller
 * before the precondition, so it answers 401 or 403 if the policy refuses, and changes nothing.
 */
const NEVER_TRUE = `"${Number.MAX_SAFE_INTEGER}"`;
/** Targets that are written at a time. */
const CONCURRENT_WRITES = 8;

/**
 * Asks the policy for every target before any is written.
 *
 * @returns the targets that the caller cannot write, in the order of the targets
 */
async function findRefused(
  targets: readonly Target[],
  fetch: PluginFetch,
): Promise<Result[]> {
  const refused = new Map<Target, Result>();
  const queue = targets.values();
  const headers: [string, string][] = [["accept", "application/json"], ["if-match", NEVER_TRUE]];
  async function work(): Promise<void> {
    for (const target of queue) {
      if (target.fault !== undefined) continue;
      const found = await writeTarget(target.path, "", { method: "PUT", headers }, fetch);
      if (found.status === 401 || found.status === 403) refused.set(target, found);
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_WRITES }, work));
  return targets.flatMap((target) => refused.get(target) ?? []);
}

/**
 * Writes the body to every target. A target that fails does not affect the others.
 *
 * @returns one result per target, in the order of the targets
 */
async function broadcast(
  { method, headers: sent }: Pick<Request, "method" | "headers">,
  body: Uint8Array<ArrayBuffer>,
  targets: readonly Target[],
  query: URLSearchParams,
  fetch: PluginFetch,
): Promise<Result[]> {
  const headers = [...sent].filter(([name]) => FORWARDED_HEADERS.test(name));
  headers.push(["accept", "application/json"]);
  const search = query.size === 0 ? "" : `?${query}`;
  const results = new Array<Result>(targets.length);
  const queue = targets.entries();
  async function work(): Promise<void> {
    for (const [at, { path, line, fault }] of queue) {
      results[at] = fault === undefined
        ? await writeTarget(path, search, { method, headers, body }, fetch)
        : { target: path, status: 400, detail: `/etc/fanout.conf line ${line}: ${fault}` };
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_WRITES }, work));
  return results;
}

/** Whether a target was written. */
function isWritten({ status }: Result): boolean {
  return status < 300;
}

/**
 * Returns the status code of the whole broadcast: 200 if all targets were written, the status of the
 * failures if all failed with the same status, else 207.
 */
function statusOf(results: readonly Result[]): number {
  const [first] = results;
  if (results.every(isWritten)) return 200;
  return results.every(({ status }) => status === first?.status) ? first?.status ?? 502 : 207;
}

async function writeTarget(
  target: string,
  search: string,
  init: RequestInit,
  fetch: PluginFetch,
): Promise<Result> {
  try {
    const response = await fetch(encodePath(target) + search, init);
    const { status } = response;
    const { version, detail } = parseRecord(await response.text()) ?? {};
    if (response.ok) return { target, status, ...(typeof version === "number" && { version }) };
    return { target, status, detail: typeof detail === "string" ? detail : "it was refused" };
  } catch (error) {
    // The write may have happened; the other targets are still written.
    const reason = error instanceof Error ? error.message : "unknown error";
    return {
      target,
      status: 502,
      detail: `Cannot confirm the write: ${reason}; it may have happened`,
    };
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

// ---- plugins/fanout/shared_body.ts

/**
 * Reads the body of a broadcast. Every target gets the whole body, so it is kept in memory until all
 * targets are written; a limit on all broadcasts together protects the process.
 */

/** Longest body in bytes. The limit for a world is usually lower, and the server checks it. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Most bytes of all bodies in memory. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Bytes of all bodies in memory. */
let heldBytes = 0;

/**
 * Reads the body of a request, and keeps it until `use` is done.
 *
 * @throws {Problem} `body-too-large`; `unavailable` if the broadcasts hold too much together
 */
async function readShared(
  request: Request,
  use: (body: Uint8Array<ArrayBuffer>) => Promise<Response>,
): Promise<Response> {
  let length = 0;
  try {
    const body = await readBody(request, {
      maxBytes: MAX_BODY_BYTES,
      tooLong: () =>
        new Problem(
          "body-too-large",
          `Cannot write to the targets: the body is longer than ${MAX_BODY_BYTES} bytes; ` +
            "nothing was written",
        ),
      onPiece: (bytes) => {
        length += bytes;
        heldBytes += bytes;
        if (heldBytes <= MAX_HELD_BYTES) return;
        throw new Problem(
          "unavailable",
          "Cannot write to the targets: other broadcasts use the memory; nothing was written",
          { "retry-after": "1" },
        );
      },
    });
    return await use(body);
  } finally {
    heldBytes -= length;
  }
}
