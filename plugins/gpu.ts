/**
 * A language model as a device: `POST /dev/gpu` is text in, text out, and `/dev/gpu/stream` the same
 * as events. Which model, and where, is one line of `/etc/gpu.conf`; who asks neither knows nor cares.
 * The cell reaches that host and holds that host's key, and nothing else; neither prompt nor answer is
 * ever kept, and no word of the backend's passes on before the key is struck out of it.
 * `/usr/share/doc/gpu.md` tells how to use it.
 */

export const description = "a language model as a device: POST text, get text; /stream for events";
export const routes = ["/dev/gpu"];
export const auth = "T2";
export const config = ["/etc/gpu.conf"];
export const grants = { "/var/log/gpu/": "rw" };
/** Seconds; the device itself gives up before, in words. */
export const patience = 620;

/** The backend's host, the one variable with its key, and what is wrong with the configuration. */
export function permissions(told: { config: Texts }): Record<string, unknown> {
  const { backend, fault } = readSettings(told.config[CONFIG]);
  if (backend === undefined) return fault === undefined ? {} : { fault };
  return { net: [backend.host], env: backend.key === undefined ? [] : [backend.key] };
}

const CONFIG = "/etc/gpu.conf";
const LOG = "/var/log/gpu/";
const MAX_PROMPT_BYTES = 1024 * 1024;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Longest frame of a backend, in characters. */
const MAX_FRAME = 1024 * 1024;
/** Most bytes read of a backend's refusal, and most characters passed on of what it says. */
const MAX_REFUSAL_BYTES = 64 * 1024;
const MAX_WORDS = 300;
/** Longest time a whole answer may take, in milliseconds. */
const ANSWER_MS = 600_000;
/** How long the end of a connection is waited for, so that the next call finds it open. */
const DRAIN_MS = 1_000;
const MAX_CONFIG = 64 * 1024;
/** Calls in one world of receipts, and how many days of them are kept. */
const LOG_LINES = 2_000;
const LOG_DAYS = 90;
const DAY_MS = 86_400_000;

type Texts = Readonly<Record<string, string | undefined>>;
type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

interface Env {
  readonly caller: { readonly by: string };
  readonly machine: { readonly fetch: Fetch };
  readonly config: Texts;
  readonly vars: Texts;
}

interface Context {
  waitUntil(work: Promise<unknown>): void;
}

// The configuration

type Scheme = "ollama" | "openai" | "claude" | "deepseek" | "vast";
/** What is spoken on the wire: NDJSON, anonymous SSE, named SSE. */
type Format = "ollama" | "openai" | "claude";

/** What a scheme means where its line says nothing else. */
interface Kind {
  readonly format: Format;
  /** The whole path, and what completes one that is written. */
  readonly path: string;
  readonly call: string;
  readonly model: string;
  readonly key?: string;
  readonly port?: string;
}

const CHAT = "/chat/completions";
const KINDS: Readonly<Record<Scheme, Kind>> = {
  ollama: {
    format: "ollama",
    path: "/api/chat",
    call: "/api/chat",
    model: "llama3.2",
    port: "11434",
  },
  openai: {
    format: "openai",
    path: `/v1${CHAT}`,
    call: CHAT,
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
    path: CHAT,
    call: CHAT,
    model: "deepseek-chat",
    key: "DEEPSEEK_API_KEY",
  },
  vast: {
    format: "openai",
    path: `/v1${CHAT}`,
    call: CHAT,
    model: "default",
    key: "VAST_API_KEY",
  },
};
/** OpenAI's own service: it knows no model named `default`, and has renamed a parameter. */
const OPENAI = "api.openai.com";
const OPENAI_MODEL = "gpt-4.1-mini";
/** Anthropic's answers are bounded by who asks. */
const CLAUDE_TOKENS = 4096;
const SILENCE_SECONDS = 120;

/** A backend as it was configured. */
interface Backend {
  readonly scheme: Scheme;
  readonly format: Format;
  readonly url: string;
  /** Where the call goes, as a permission names it: `host:port`. */
  readonly host: string;
  /** Whether that is this computer. */
  readonly local: boolean;
  readonly model: string;
  /** The models a caller may ask for; all unless given. */
  readonly models?: readonly string[];
  /** Name of the variable that holds the key. */
  readonly key?: string;
  readonly system?: string;
  readonly temperature?: number;
  readonly maxTokens?: number;
  /** Longest silence of the backend in milliseconds. */
  readonly silenceMs: number;
}

interface Settings {
  readonly backend?: Backend;
  /** What is wrong, with its line; never what stands there, which may be a key in the wrong place. */
  readonly fault?: string;
}

/** A line that cannot be used. */
class Fault extends Error {}

type Entries = Map<string, string>;

const NUMBERS: Readonly<Record<string, { least: number; most: number; whole: boolean }>> = {
  temperature: { least: 0, most: 2, whole: false },
  max_tokens: { least: 1, most: 10_000_000, whole: true },
  timeout: { least: 1, most: 600, whole: true },
};
const WORDS = ["model", "models", "key", "system"];
const MODEL = /^[\w.:/@+-]{1,200}$/;
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;
/** Names of keys alone, so that no line of the configuration fetches another secret of the machine. */
const KEY = /^(?!ELASTIK_|DENO_|NODE_|LD_|DYLD_)[A-Z][A-Z0-9_]*_API_KEY$/;

function readSettings(text: string | undefined): Settings {
  try {
    const backend = parseConfig(text ?? "");
    return backend === undefined ? {} : { backend };
  } catch (error) {
    if (error instanceof Fault) return { fault: `${CONFIG} ${error.message}` };
    throw error;
  }
}

/** One backend line, and settings below or above it; blank lines and lines of `#` say nothing. */
function parseConfig(text: string): Backend | undefined {
  if (text.length > MAX_CONFIG) throw new Fault(`is longer than ${MAX_CONFIG} characters`);
  const settings: Entries = new Map();
  let line: string | undefined;
  for (const [index, raw] of text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).entries()) {
    const words = raw.trim();
    if (words === "" || words.startsWith("#")) continue;
    try {
      if (words.includes("://") && !/^system\b/.test(words)) {
        if (line !== undefined) throw new Fault("names a second backend; there is one at a time");
        line = uncommented(words);
        endpointOf(line);
      } else {
        readSetting(words, settings);
      }
    } catch (error) {
      if (error instanceof Fault) throw new Fault(`line ${index + 1} ${error.message}`);
      throw error;
    }
  }
  if (line !== undefined) return backendOf(line, settings);
  if (settings.size === 0) return undefined;
  throw new Fault("names no backend; a line such as ollama://localhost:11434 does");
}

function readSetting(words: string, settings: Entries): void {
  const [, name = "", rest = ""] = /^([a-z_]+)(?:\s*=\s*|\s+|$)(.*)$/.exec(words) ?? [];
  const bounds = Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
  if (bounds === undefined && !WORDS.includes(name)) {
    throw new Fault(
      `is neither a backend (scheme://endpoint) nor one of ${
        [...WORDS, ...Object.keys(NUMBERS)].join(", ")
      }`,
    );
  }
  const before = settings.get(name);
  if (name === "system") {
    settings.set(name, before === undefined ? rest : `${before}\n${rest}`);
    return;
  }
  const value = uncommented(rest);
  if (before !== undefined) throw new Fault(`sets ${name} a second time`);
  if (bounds !== undefined) checkNumber(name, value, bounds);
  if (name === "model" && !MODEL.test(value)) throw new Fault("names no model");
  if (name === "models" && !value.split(/\s+/).every((model) => MODEL.test(model))) {
    throw new Fault("is no list of models with spaces between");
  }
  if (name === "key" && value !== "none" && !KEY.test(value)) {
    throw new Fault("names no variable: key takes none, or a name that ends in _API_KEY");
  }
  settings.set(name, value);
}

function checkNumber(
  name: string,
  value: string,
  { least, most, whole }: { least: number; most: number; whole: boolean },
): void {
  const number = Number(value);
  const fits = /^\d+(?:\.\d+)?$/.test(value) && number >= least && number <= most &&
    (!whole || Number.isInteger(number));
  if (fits) return;
  throw new Fault(`sets ${name} to no ${whole ? "whole " : ""}number from ${least} to ${most}`);
}

function uncommented(text: string): string {
  return text.replace(/(?:^|\s+)#.*$/, "").trim();
}

function endpointOf(line: string): { scheme: Scheme; url: URL; local: boolean } {
  const [, scheme = "", forced, rest = ""] = /^([a-z]+)(?:\+(http|https))?:\/\/(.*)$/i
    .exec(line) ?? [];
  const kind = scheme.toLowerCase();
  if (!isScheme(kind)) {
    throw new Fault(
      `has a scheme that is none of ${Object.keys(KINDS).join(", ")}, each with +http or +https`,
    );
  }
  if (!URL.canParse(`https://${rest}`)) throw new Fault("names no host and port after its scheme");
  const parsed = new URL(`https://${rest}`);
  if (parsed.username !== "" || parsed.password !== "") {
    throw new Fault("holds a user or a password; keys come from the environment");
  }
  if (/[?#]/.test(rest)) {
    throw new Fault("holds a ? or a #; a path is all that may follow the host");
  }
  if (!HOST.test(parsed.hostname)) throw new Fault("names a host that is none");
  const local = isLoopback(parsed.hostname);
  const protocol = forced?.toLowerCase() ?? (local ? "http" : "https");
  const url = new URL(`${protocol}://${rest}`);
  // Whether a port was written shows only in the text: the default one of a URL vanishes from it.
  const { port } = KINDS[kind];
  if (port !== undefined && !/^(?:\[[^\]]*\]|[^:/]*):\d/.test(rest)) url.port = port;
  return { scheme: kind, url, local };
}

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(KINDS, text);
}

/** Names that cannot be anything but this computer; `x.localhost` is asked of a resolver. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
}

function backendOf(line: string, settings: Entries): Backend {
  const { scheme, url, local } = endpointOf(line);
  const kind = KINDS[scheme];
  const path = url.pathname.replace(/\/+$/, "");
  const calls = kind.format === "ollama" ? [kind.call, "/api/generate"] : [kind.call];
  if (path === "") url.pathname = kind.path;
  else url.pathname = calls.some((call) => path.endsWith(call)) ? path : path + kind.call;
  const number = (name: string): number | undefined => {
    const value = settings.get(name);
    return value === undefined ? undefined : Number(value);
  };
  const model = settings.get("model") ??
    (scheme === "openai" && url.hostname === OPENAI ? OPENAI_MODEL : kind.model);
  const models = settings.get("models")?.split(/\s+/);
  const key = settings.get("key") ?? kind.key ?? "none";
  const [system, temperature, maxTokens] = [
    settings.get("system"),
    number("temperature"),
    number("max_tokens"),
  ];
  return {
    scheme,
    format: kind.format,
    url: url.href,
    host: `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`,
    local,
    model,
    ...(models === undefined ? {} : { models }),
    ...(key === "none" ? {} : { key }),
    ...(system === undefined ? {} : { system }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    silenceMs: 1000 * (number("timeout") ?? SILENCE_SECONDS),
  };
}

// Refusals

const TITLES = {
  "bad-body": [400, "The request body does not fit"],
  "bad-query": [400, "A query parameter does not fit"],
  "not-found": [404, "Nothing is here"],
  "method-not-allowed": [405, "The method does not apply here"],
  "body-too-large": [413, "The content is too large"],
  "too-many-requests": [429, "Too many requests"],
  "bad-gateway": [502, "What stands behind this failed"],
  "unavailable": [503, "Not available now"],
  "gateway-timeout": [504, "What stands behind this did not answer"],
} as const;

/** A refusal in the machine's own words. */
class Refusal extends Error {
  readonly type: keyof typeof TITLES;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    type: keyof typeof TITLES,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.type = type;
    this.headers = headers;
  }

  get status(): number {
    return TITLES[this.type][0];
  }
}

/** The caller went away; nobody reads an answer. */
class Gone extends Error {}

function problem(refusal: Refusal, request: Request, headers: Record<string, string>): Response {
  const [status, title] = TITLES[refusal.type];
  const accept = request.headers.get("accept");
  const text = quality(accept, "text/plain") > quality(accept, "application/json");
  const body = text ? `${status} ${title}\n${refusal.message}\n` : `${
    JSON.stringify({
      type: `/usr/share/doc/problems/${refusal.type}.md`,
      title,
      status,
      detail: refusal.message,
    })
  }\n`;
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      "content-type": text ? "text/plain; charset=utf-8" : "application/problem+json",
      "cache-control": "no-store",
      "vary": "Accept",
      ...headers,
      ...refusal.headers,
    },
  });
}

/** How much a caller wants a media type (RFC 9110 §12.5.1): the most specific range decides. */
function quality(accept: string | null, type: string): number {
  if (accept === null || accept.length > 2048) return 1;
  const ranges = ["*/*", `${type.split("/")[0]}/*`, type];
  let found = 0;
  let rank = -1;
  for (const part of accept.toLowerCase().split(",")) {
    const [range = "", ...parameters] = part.split(";").map((word) => word.trim());
    const at = ranges.indexOf(range);
    if (at <= rank) continue;
    rank = at;
    const q = parameters.find((word) => word.startsWith("q="));
    found = q === undefined ? 1 : Number(q.slice(2)) || 0;
  }
  return found;
}

// What the backend is asked

function askedOf(backend: Backend, model: string, prompt: string): Record<string, unknown> {
  const { format, system, temperature, maxTokens } = backend;
  const user = { role: "user", content: prompt };
  const warmth = temperature === undefined ? {} : { temperature };
  if (format === "claude") {
    const told = system === undefined ? {} : { system };
    const max_tokens = maxTokens ?? CLAUDE_TOKENS;
    return { model, max_tokens, ...told, ...warmth, messages: [user], stream: true };
  }
  const told = system === undefined ? [] : [{ role: "system", content: system }];
  if (format === "openai") {
    const name = new URL(backend.url).hostname === OPENAI ? "max_completion_tokens" : "max_tokens";
    const bound = maxTokens === undefined ? {} : { [name]: maxTokens };
    return { model, messages: [...told, user], ...warmth, ...bound, stream: true };
  }
  const bound = maxTokens === undefined ? {} : { num_predict: maxTokens };
  const options = { ...warmth, ...bound };
  const rest = { ...(Object.keys(options).length === 0 ? {} : { options }), stream: true };
  if (!backend.url.endsWith("/api/generate")) {
    return { model, messages: [...told, user], ...rest };
  }
  return { model, prompt, ...(system === undefined ? {} : { system }), ...rest };
}

function headersOf({ format }: Backend, key: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": format === "ollama" ? "application/x-ndjson" : "text/event-stream",
    // What is compressed arrives in lumps.
    "accept-encoding": "identity",
  };
  if (format === "claude") {
    headers["anthropic-version"] = "2023-06-01";
    if (key !== undefined) headers["x-api-key"] = key;
  } else if (key !== undefined) {
    headers["authorization"] = `Bearer ${key}`;
  }
  return headers;
}

/** The key, if its variable is set to something a header can carry. */
function keyOf({ key }: Backend, vars: Texts): string | undefined {
  const value = key === undefined ? undefined : vars[key]?.trim();
  if (value === undefined || value === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw new Refusal(
    "unavailable",
    `Cannot ask the backend: ${key} holds characters that no header may carry`,
  );
}

// What the backend answers

/** A frame on the wire: a line of NDJSON, or an event. */
interface Frame {
  readonly event: string;
  readonly data: string;
}

/** What a frame says. */
interface Piece {
  readonly text?: string;
  /** Why the model stopped, once it has. */
  readonly finish?: Finish;
  /** The backend's mark that the answer is whole. */
  readonly end?: boolean;
  /** The backend's words about what failed. */
  readonly error?: string;
}

type Finish = "stop" | "length";

/** The backend broke the rules of its own format; the message ends a sentence. */
class Malformed extends Error {}

/** Lines ended by LF, CRLF or CR, out of text in arbitrary pieces. */
class Lines {
  #rest = "";
  #carriage = false;

  *take(text: string): Generator<string> {
    let start = 0;
    if (text !== "") {
      if (this.#carriage && text.startsWith("\n")) start = 1;
      this.#carriage = text.endsWith("\r");
    }
    const ends = /\r\n|\n|\r/g;
    ends.lastIndex = start;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      const line = this.#rest + text.slice(start, end.index);
      this.#rest = "";
      start = ends.lastIndex;
      yield line;
    }
    this.#rest += text.slice(start);
    if (this.#rest.length > MAX_FRAME) throw new Malformed("sent a frame without end");
  }

  /** The last line, which nothing ended. */
  rest(): string {
    const rest = this.#rest;
    this.#rest = "";
    return rest;
  }
}

/** Frames of NDJSON or SSE (WHATWG HTML §9.2.6), out of bytes in arbitrary pieces. */
class Frames {
  readonly #lines = new Lines();
  readonly #decoder = new TextDecoder();
  readonly #events: boolean;
  #event = "";
  #data: string | undefined;

  constructor(events: boolean) {
    this.#events = events;
  }

  *take(bytes: Uint8Array): Generator<Frame> {
    for (const line of this.#lines.take(this.#decoder.decode(bytes, { stream: true }))) {
      yield* this.#line(line);
    }
  }

  /** What is left when the connection ends: servers forget the last line's end. */
  *rest(): Generator<Frame> {
    for (const line of this.#lines.take(this.#decoder.decode())) yield* this.#line(line);
    yield* this.#line(this.#lines.rest());
    if (this.#events) yield* this.#line("");
  }

  *#line(line: string): Generator<Frame> {
    if (!this.#events) {
      if (line.trim() !== "") yield { event: "", data: line };
      return;
    }
    if (line === "") {
      if (this.#data !== undefined) yield { event: this.#event, data: this.#data };
      this.#event = "";
      this.#data = undefined;
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field !== "data") return;
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    if (this.#data.length > MAX_FRAME) throw new Malformed("sent a frame without end");
  }
}

const READERS: Readonly<Record<Format, (frame: Frame) => Piece>> = {
  ollama({ data }) {
    const line = objectOf(data);
    if ("error" in line) return { error: wordsIn(line) ?? "" };
    const text = textOf(isObject(line.message) ? line.message.content : line.response);
    if (line.done !== true) return { text };
    return { text, finish: finishOf(line.done_reason), end: true };
  },
  openai({ data }) {
    if (data.trim() === "[DONE]") return { end: true };
    const chunk = objectOf(data);
    if ("error" in chunk && chunk.error !== null) return { error: wordsIn(chunk) ?? "" };
    const choice = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    if (!isObject(choice)) return {};
    const said = isObject(choice.delta) ? choice.delta : choice.message;
    const text = textOf(isObject(said) ? said.content : undefined);
    const reason = choice.finish_reason;
    return typeof reason === "string" ? { text, finish: finishOf(reason) } : { text };
  },
  claude({ event, data }) {
    const message = objectOf(data);
    const type = event === "" ? message.type : event;
    if (type === "error") return { error: wordsIn(message) ?? "" };
    if (type === "message_stop") return { end: true };
    const delta = isObject(message.delta) ? message.delta : {};
    if (type === "content_block_delta") {
      return delta.type === "text_delta" ? { text: textOf(delta.text) } : {};
    }
    const reason = type === "message_delta" ? delta.stop_reason : undefined;
    return typeof reason === "string" ? { finish: finishOf(reason) } : {};
  },
};

/** A whole answer in one document, from servers that do not stream. */
function documentPiece(format: Format, text: string): Piece {
  if (format !== "claude") return { ...READERS[format]({ event: "", data: text }), end: true };
  const message = objectOf(text);
  if (message.type === "error") return { error: wordsIn(message) ?? "" };
  const blocks = Array.isArray(message.content) ? message.content : [];
  const said = blocks.map((block: unknown) =>
    isObject(block) && block.type === "text" ? textOf(block.text) : ""
  );
  return { text: said.join(""), finish: finishOf(message.stop_reason), end: true };
}

function finishOf(reason: unknown): Finish {
  return reason === "length" || reason === "max_tokens" ? "length" : "stop";
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new Malformed("sent a frame whose text is none");
}

function objectOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Malformed("sent a frame that is no JSON");
  }
  if (isObject(value)) return value;
  throw new Malformed("sent a frame that is no object");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The words of an error in any of the formats. */
function wordsIn({ error, message }: Record<string, unknown>): string | undefined {
  const words = isObject(error) ? error.message : error ?? message;
  return typeof words === "string" ? words : undefined;
}

// What is passed on of a backend's words

/** Characters that a text must share with the key in a row to be struck out. */
const SHARED = 8;
const KEYLIKE = /\b(?:sk|pk|rk|gsk|xai)[-_][\w*.-]{6,}/g;

/** A backend's words on one line, without the key, parts of it, and what looks like one. */
function washed(words: string, key: string | undefined): string {
  let text = words.slice(0, 4 * MAX_WORDS);
  if (key !== undefined) {
    const hidden = new Set<number>();
    const length = Math.min(SHARED, key.length);
    for (let at = 0; at + length <= text.length; at++) {
      if (!key.includes(text.slice(at, at + length))) continue;
      for (let next = at; next < at + length; next++) hidden.add(next);
    }
    text = [...text.split("").entries()]
      .map(([at, char]) => hidden.has(at) ? hidden.has(at - 1) ? "" : "***" : char).join("");
  }
  // deno-lint-ignore no-control-regex -- control characters are what is taken out
  const line = text.replace(KEYLIKE, "***").replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return line.length <= MAX_WORDS ? line : `${line.slice(0, MAX_WORDS)}…`;
}

// A call

/** How long a call may take, and who may break it off. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #silenceMs: number;
  readonly #whole: ReturnType<typeof setTimeout>;
  readonly #caller: AbortSignal;
  readonly #leave = (): void => this.end("left");
  /** Why the call was broken off. */
  why: "silent" | "long" | "left" | "over" | undefined;

  constructor(silenceMs: number, caller: AbortSignal) {
    this.#silenceMs = silenceMs;
    this.#whole = setTimeout(() => this.end("long"), ANSWER_MS);
    this.#caller = caller;
    caller.addEventListener("abort", this.#leave);
    if (caller.aborted) this.end("left");
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for the backend, and no longer than it may be silent. */
  async within<T>(work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.end("silent"), this.#silenceMs);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Breaks the call off, unless it was before. */
  end(why: "silent" | "long" | "left" | "over"): void {
    if (this.why !== undefined) return;
    this.why = why;
    this.release();
    this.#controller.abort();
  }

  /** The call is over; what is left of its connection may be read to its end. */
  release(): void {
    clearTimeout(this.#whole);
    this.#caller.removeEventListener("abort", this.#leave);
  }
}

/** One call to the backend, from its request to its last token. */
class Call {
  readonly #backend: Backend;
  readonly #key: string | undefined;
  readonly #deadline: Deadline;

  constructor(backend: Backend, key: string | undefined, caller: AbortSignal) {
    this.#backend = backend;
    this.#key = key;
    this.#deadline = new Deadline(backend.silenceMs, caller);
  }

  /** Nobody wants the rest. */
  leave(): void {
    this.#deadline.end("left");
  }

  /**
   * Asks, and gives the answer's pieces as they come, those that came together together. Rejects with
   * a Refusal when there is no answer, and so do the pieces when it breaks off.
   */
  async ask(model: string, prompt: string): Promise<AsyncGenerator<Piece[]>> {
    const { url } = this.#backend;
    try {
      const response = await this.#deadline.within(fetch(url, {
        method: "POST",
        headers: headersOf(this.#backend, this.#key),
        body: JSON.stringify(askedOf(this.#backend, model, prompt)),
        redirect: "manual",
        signal: this.#deadline.signal,
      }));
      if (!response.ok) throw await this.#refused(response);
      return this.#pieces(response);
    } catch (error) {
      throw this.#failure(error, false);
    }
  }

  async *#pieces(response: Response): AsyncGenerator<Piece[]> {
    const { format } = this.#backend;
    const type = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
    const reader = bodyOf(response).getReader();
    const whole = type === "application/json" && format !== "ollama";
    const frames = new Frames(format !== "ollama");
    const chunks: Uint8Array[] = [];
    let length = 0;
    let ended = false;
    let finished = false;
    let failed: unknown;
    // What came before a fault in the same lump was said, and counts.
    const heard = (given: Iterable<Frame>): Piece[] => {
      const pieces: Piece[] = [];
      try {
        for (const frame of given) {
          if (ended) break;
          const piece = READERS[format](frame);
          if (piece.error !== undefined) throw this.#says("answers with an error", piece.error);
          ended = piece.end === true;
          finished ||= piece.finish !== undefined;
          pieces.push(piece);
        }
      } catch (error) {
        failed = error;
      }
      return pieces;
    };
    try {
      if (type === "text/html") throw new Malformed("answers with a page for people");
      for (;;) {
        const { done, value } = await this.#deadline.within(reader.read());
        if (done) break;
        length += value.length;
        if (whole) {
          if (length > 2 * MAX_ANSWER_BYTES) throw new Malformed("sent a document without end");
          chunks.push(value);
          continue;
        }
        const pieces = heard(frames.take(value));
        if (pieces.length > 0) yield pieces;
        if (failed !== undefined) throw failed;
        if (ended) return void this.#drain(reader);
      }
      if (whole) {
        const piece = documentPiece(format, await new Blob(chunks as BlobPart[]).text());
        if (piece.error !== undefined) throw this.#says("answers with an error", piece.error);
        yield [piece];
        return;
      }
      const pieces = heard(frames.rest());
      if (pieces.length > 0) yield pieces;
      if (failed !== undefined) throw failed;
      // Some servers of OpenAI's format say why they stopped, and leave out the mark.
      if (!ended && !finished) throw new Malformed("ended its answer without its end mark");
    } catch (error) {
      throw this.#failure(error, true);
    } finally {
      // After the end mark, `#drain` has it.
      if (!ended) this.#deadline.end("over");
    }
  }

  /** Reads a connection to its end, so that the next call can use it; the answer is here already. */
  async #drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    this.#deadline.release();
    const timer = setTimeout(() => this.#deadline.end("over"), DRAIN_MS);
    try {
      while (!(await reader.read()).done);
    } catch {
      // The answer is whole; how its connection ends changes nothing.
    } finally {
      clearTimeout(timer);
    }
  }

  /** A status other than 2xx, in words. */
  async #refused(response: Response): Promise<Refusal> {
    const { status } = response;
    const { scheme, key } = this.#backend;
    const words = await this.#wordsOf(response);
    if (status === 429) {
      const after = retryAfter(response.headers.get("retry-after"));
      return this.#says("asks to wait", words, "too-many-requests", after);
    }
    if (status >= 300 && status < 400) {
      return this.#says(`redirects (${status}), and is not followed`, "");
    }
    if ((status === 401 || status === 403) && key !== undefined && this.#key === undefined) {
      return new Refusal(
        "bad-gateway",
        `Cannot answer: the ${scheme} backend answers ${status}, and ${key} is not set where the ` +
          "machine was started",
      );
    }
    const refusal = this.#says(`answers ${status}`, words);
    if (!/\bmodel\b/i.test(words)) return refusal;
    return new Refusal("bad-gateway", `${refusal.message}; \`model\` in ${CONFIG} names another`);
  }

  async #wordsOf(response: Response): Promise<string> {
    const reader = bodyOf(response).getReader();
    const chunks: Uint8Array[] = [];
    for (let length = 0; length < MAX_REFUSAL_BYTES;) {
      const { done, value } = await this.#deadline.within(reader.read());
      if (done) break;
      length += value.length;
      chunks.push(value);
    }
    this.#deadline.end("over");
    try {
      return wordsIn(objectOf(await new Blob(chunks as BlobPart[]).text())) ?? "";
    } catch {
      return ""; // a page for people, or nothing
    }
  }

  /** A refusal that tells what the backend does and, washed, what it says. */
  #says(
    does: string,
    words: string,
    type: "bad-gateway" | "too-many-requests" = "bad-gateway",
    headers: Readonly<Record<string, string>> = {},
  ): Refusal {
    const said = washed(words, this.#key);
    const tail = said === "" ? "" : `: ${said}`;
    return new Refusal(
      type,
      `Cannot answer: the ${this.#backend.scheme} backend ${does}${tail}`,
      headers,
    );
  }

  /** Whatever broke a call off, as what it means to the caller. */
  #failure(error: unknown, answered: boolean): Error {
    const { why } = this.#deadline;
    const { scheme, silenceMs } = this.#backend;
    const late = (how: string) =>
      new Refusal("gateway-timeout", `Cannot answer: the ${scheme} backend ${how}`);
    if (why === "left") return new Gone();
    if (why === "silent") return late(`was silent for ${silenceMs / 1000} s`);
    if (why === "long") return late(`took longer than ${ANSWER_MS / 1000} s`);
    this.#deadline.end("over");
    if (error instanceof Refusal) return error;
    if (error instanceof Malformed) return this.#says(error.message, "");
    return this.#says(answered ? "broke its answer off" : reasonOf(error), "");
  }
}

/** Why the runtime could not reach a backend, without its own words, which hold addresses. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "cannot be reached";
  const cause = error.cause instanceof Error ? error.cause.message : "";
  const words = `${error.name} ${error.message} ${cause}`;
  if (/NotCapable|requires net access/i.test(words)) {
    return "is not to be reached from this machine";
  }
  if (/refused/i.test(words)) return "refuses the connection; is it running?";
  if (/dns|lookup|resolve/i.test(words)) return "has a name that leads nowhere";
  if (/certificate|corrupt message|handshake|tls|ssl/i.test(words)) return "speaks no TLS to trust";
  if (/are blocked/i.test(words)) return "is at a port that no fetch may use";
  if (/before message completed|reset/i.test(words)) return "hung up without an answer";
  return "cannot be reached";
}

/** `Retry-After` in one of its two forms (RFC 9110 §10.2.3), or nothing. */
function retryAfter(value: string | null): Record<string, string> {
  if (value === null) return {};
  const seconds = /^\d{1,9}$/.test(value.trim());
  const date = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(
    value.trim(),
  );
  return seconds || date ? { "retry-after": value.trim() } : {};
}

// Receipts

/** What is kept of a call: who, what, how long and how much; never a word of it. */
interface Receipt {
  readonly route: string;
  readonly backend: Scheme;
  readonly model: string;
  readonly prompt_bytes: number;
  answer_bytes: number;
  status: number;
  finish: Finish | "error" | "left";
}

/** One world a day, and another when it is full, so that none grows without end. */
const shelf = { day: "", part: 1 };

async function keep(env: Env, receipt: Receipt, started: number, first: number): Promise<void> {
  const now = Date.now();
  const at = new Date(now).toISOString();
  const line = {
    at,
    by: env.caller.by,
    ...receipt,
    ...(first === 0 ? {} : { first_ms: first - started }),
    ms: now - started,
  };
  const day = at.slice(0, 10);
  if (shelf.day !== day) {
    shelf.day = day;
    shelf.part = 1;
  }
  const { part } = shelf;
  const world = `${LOG}${day}${part === 1 ? "" : `-${part}`}.ndjson`;
  const response = await env.machine.fetch(world, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: `${JSON.stringify(line)}\n`,
  });
  const text = await response.text();
  if (!response.ok) return console.error(`a receipt was not kept: ${response.status}`);
  const { version } = objectOf(text);
  if (typeof version === "number" && version >= LOG_LINES && shelf.part === part) shelf.part++;
  if (response.status === 201 && part === 1) await forget(env, now);
}

/** Lets go of the days that are too old. */
async function forget(env: Env, now: number): Promise<void> {
  const listing = await env.machine.fetch(LOG, { headers: { accept: "application/json" } });
  const rows: unknown = await listing.json();
  if (!Array.isArray(rows)) return;
  const oldest = new Date(now - LOG_DAYS * DAY_MS).toISOString().slice(0, 10);
  for (const row of rows) {
    const name = isObject(row) ? row.name : undefined;
    if (typeof name !== "string" || !/^\d{4}-\d\d-\d\d(?:-\d+)?\.ndjson$/.test(name)) continue;
    if (name.slice(0, 10) >= oldest) continue;
    const gone = await env.machine.fetch(LOG + name, { method: "DELETE" });
    await gone.body?.cancel();
  }
}

// The device

export default {
  async fetch(request: Request, env: Env, context: Context): Promise<Response> {
    const settings = readSettings(env.config[CONFIG]);
    const headers: Record<string, string> = {};
    try {
      return await answer(request, env, context, settings, headers);
    } catch (error) {
      if (error instanceof Refusal) return problem(error, request, headers);
      throw error;
    }
  },
};

async function answer(
  request: Request,
  env: Env,
  context: Context,
  settings: Settings,
  headers: Record<string, string>,
): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const path = pathname.replace(/\/$/, "");
  const stream = path === "/dev/gpu/stream";
  // Nothing else may answer here: a capability over /home/x reaches /dev/gpu/home/x.
  if (!stream && path !== "/dev/gpu") {
    const detail = `Cannot find ${pathname}: there are /dev/gpu and /dev/gpu/stream`;
    throw new Refusal("not-found", detail);
  }
  const allow = stream ? "POST, OPTIONS" : "GET, HEAD, POST, OPTIONS";
  const { method } = request;
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (!stream && (method === "GET" || method === "HEAD")) return status(request, env, settings);
  if (method !== "POST") {
    const detail = `Cannot ${method} ${path}: it takes ${allow}`;
    throw new Refusal("method-not-allowed", detail, { allow });
  }
  const { backend } = settings;
  if (backend === undefined) throw new Refusal("unavailable", unusable(settings));
  const model = modelOf(backend, searchParams.get("model"));
  headers["x-gpu-backend"] = backend.scheme;
  headers["x-gpu-model"] = model;
  headers["x-gpu-local"] = String(backend.local);
  const prompt = await promptOf(request);
  const call = new Call(backend, keyOf(backend, env.vars), request.signal);
  const receipt: Receipt = {
    route: path,
    backend: backend.scheme,
    model,
    prompt_bytes: new TextEncoder().encode(prompt).length,
    answer_bytes: 0,
    status: 200,
    finish: "stop",
  };
  const talk = { call, model, prompt, receipt, headers, started: Date.now(), first: 0 };
  const over = (): void => context.waitUntil(keep(env, receipt, talk.started, talk.first));
  return stream ? await streamed(talk, over) : await whole(talk, over);
}

function unusable({ fault }: Settings): string {
  const what = fault ?? "no backend is configured";
  const how = fault === undefined ? `a line such as ollama://localhost:11434` : "the line mended";
  return `Cannot answer: ${what}; PUT ${CONFIG} with ${how}, as T3`;
}

function modelOf({ model, models }: Backend, asked: string | null): string {
  if (asked === null) return model;
  if (!MODEL.test(asked)) {
    throw new Refusal("bad-query", "Cannot answer: ?model= names no model");
  }
  if (models === undefined || models.includes(asked) || asked === model) return asked;
  throw new Refusal(
    "bad-query",
    `Cannot answer: ?model= is none of the models that ${CONFIG} allows`,
  );
}

async function promptOf(request: Request): Promise<string> {
  const tooLong = () =>
    new Refusal(
      "body-too-large",
      `Cannot answer: the prompt is longer than ${MAX_PROMPT_BYTES} bytes`,
    );
  if (Number(request.headers.get("content-length") ?? 0) > MAX_PROMPT_BYTES) throw tooLong();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(request)) {
    length += chunk.length;
    if (length > MAX_PROMPT_BYTES) throw tooLong();
    chunks.push(chunk);
  }
  let prompt: string;
  try {
    const bytes = await new Blob(chunks as BlobPart[]).arrayBuffer();
    prompt = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal("bad-body", "Cannot answer: the prompt is not UTF-8 text");
  }
  if (prompt.trim() !== "") return prompt;
  throw new Refusal("bad-body", "Cannot answer: the prompt is empty; POST the text to answer");
}

/** A message's content; of one that has none, an empty one. */
function bodyOf({ body }: Request | Response): ReadableStream<Uint8Array> {
  return body ?? new Blob([]).stream();
}

/** What the device is, for whoever may call it. */
function status(request: Request, env: Env, settings: Settings): Response {
  const { backend } = settings;
  const accept = request.headers.get("accept");
  const json = quality(accept, "application/json") > quality(accept, "text/plain");
  const body = json
    ? `${
      JSON.stringify({
        backend: backend?.scheme ?? null,
        model: backend?.model ?? null,
        local: backend?.local ?? false,
        configured: backend !== undefined,
      })
    }\n`
    : statusWords(env, settings);
  return new Response(request.method === "HEAD" ? null : body, {
    headers: {
      "content-type": json ? "application/json" : "text/plain; charset=utf-8",
      "cache-control": "no-store",
      "vary": "Accept",
      ...(backend === undefined ? {} : {
        "x-gpu-backend": backend.scheme,
        "x-gpu-model": backend.model,
        "x-gpu-local": String(backend.local),
      }),
    },
  });
}

function statusWords(env: Env, settings: Settings): string {
  const { backend } = settings;
  if (backend === undefined) return `${unusable(settings)}\n`;
  const { scheme, model, local, key } = backend;
  const lacking = key !== undefined && (env.vars[key] ?? "").trim() === ""
    ? `; ${key} is not set`
    : "";
  return `${scheme} ${model}, ${local ? "on this computer" : "over the network"}${lacking}\n`;
}

// The two ways to answer

/** One call on its way. */
interface Talk {
  readonly call: Call;
  readonly model: string;
  readonly prompt: string;
  readonly receipt: Receipt;
  readonly headers: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly started: number;
  /** When the first token came, or 0. */
  first: number;
}

/** Notes what came, and gives its text. */
function heardText(talk: Talk, pieces: readonly Piece[]): string[] {
  const texts: string[] = [];
  for (const { text, finish } of pieces) {
    if (finish !== undefined) talk.receipt.finish = finish;
    if (text === undefined || text === "") continue;
    if (talk.first === 0) talk.first = Date.now();
    talk.receipt.answer_bytes += new TextEncoder().encode(text).length;
    texts.push(text);
  }
  return texts;
}

function fail({ receipt }: Talk, error: unknown, status: number): void {
  receipt.finish = error instanceof Gone ? "left" : "error";
  receipt.status = error instanceof Gone ? 499 : status;
}

async function whole(talk: Talk, over: () => void): Promise<Response> {
  const { call, receipt } = talk;
  let text = "";
  try {
    for await (const pieces of await call.ask(talk.model, talk.prompt)) {
      text += heardText(talk, pieces).join("");
      if (receipt.answer_bytes > MAX_ANSWER_BYTES) {
        const detail = `Cannot answer: the answer is longer than ${MAX_ANSWER_BYTES} bytes`;
        throw new Refusal("bad-gateway", `${detail}; /dev/gpu/stream has no such bound`);
      }
    }
  } catch (error) {
    call.leave();
    fail(talk, error, error instanceof Refusal ? error.status : 502);
    throw error;
  } finally {
    over();
  }
  return new Response(text, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      ...talk.headers,
      "x-gpu-finish": receipt.finish,
    },
  });
}

async function streamed(talk: Talk, over: () => void): Promise<Response> {
  const { call, receipt } = talk;
  const encoder = new TextEncoder();
  let pieces: AsyncGenerator<Piece[]>;
  try {
    pieces = await call.ask(talk.model, talk.prompt);
  } catch (error) {
    fail(talk, error, error instanceof Refusal ? error.status : 502);
    over();
    throw error;
  }
  const events = new Events();
  let done = false;
  const end = (): void => {
    if (!done) over();
    done = true;
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      let out = "";
      try {
        while (out === "") {
          const next = await pieces.next();
          if (!next.done) {
            out = events.tokens(heardText(talk, next.value));
            continue;
          }
          out = events.rest() + eventOf("done", receipt.finish);
          end();
          controller.enqueue(encoder.encode(out));
          return controller.close();
        }
        controller.enqueue(encoder.encode(out));
      } catch (error) {
        fail(talk, error, 200);
        end();
        const words = error instanceof Refusal ? error.message : "Cannot go on: the device failed";
        out = events.rest() + eventOf("error", words) + eventOf("done", "error");
        controller.enqueue(encoder.encode(out));
        controller.close();
      }
    },
    cancel() {
      call.leave();
      fail(talk, new Gone(), 499);
      end();
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      ...talk.headers,
    },
  });
}

/** Tokens as events. A carriage return at a token's end waits for the line feed that may follow. */
class Events {
  #carriage = "";

  tokens(texts: readonly string[]): string {
    let out = "";
    for (const text of texts) {
      const token = this.#carriage + text;
      this.#carriage = token.endsWith("\r") ? "\r" : "";
      const ready = this.#carriage === "" ? token : token.slice(0, -1);
      if (ready !== "") out += dataOf(ready);
    }
    return out;
  }

  rest(): string {
    const rest = this.#carriage;
    this.#carriage = "";
    return rest === "" ? "" : dataOf(rest);
  }
}

/** A line of `data:` for each line of the text: the reader joins them with line feeds. */
function dataOf(text: string): string {
  return `${text.split(/\r\n|\n|\r/).map((line) => `data: ${line}\n`).join("")}\n`;
}

function eventOf(name: string, text: string): string {
  return `event: ${name}\n${dataOf(text)}`;
}
