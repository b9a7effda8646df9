/**
 * The backend of the device: parses a line such as `ollama://localhost:11434`, and combines it with
 * the other settings of `/etc/gpu.conf`. Its errors never quote the line, because a user may have
 * written a key in the wrong place.
 */

import { isLoopback } from "../kit/loopback.ts";
import { hostAndPort, isPermittedHost } from "../kit/net_permission.ts";

/** What a backend line starts with. */
export type Scheme = "ollama" | "openai" | "claude" | "deepseek" | "vast";
/** What is sent over HTTP: NDJSON, anonymous server-sent events, named server-sent events. */
export type WireFormat = "ollama" | "openai" | "claude";

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
export class ConfigError extends Error {}

/** A configured backend. */
export interface Backend {
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
export interface Endpoint {
  readonly scheme: Scheme;
  readonly url: URL;
  readonly isLocal: boolean;
}

/**
 * Parses `scheme[+http|+https]://host[:port][/path]`.
 *
 * @throws {ConfigError}
 */
export function parseEndpoint(line: string): Endpoint {
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
export function createBackend(
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
export function isOpenAi({ hostname }: URL): boolean {
  return hostname === OPENAI_HOST;
}
