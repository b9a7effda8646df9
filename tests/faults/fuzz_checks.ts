/** What the fuzzer demands of every response. Not a test itself. */

import { type FuzzRequest, PLUGIN_PATHS } from "./fuzz_requests.ts";

/** A response as it was received. */
export interface FuzzResponse {
  /** Status line and headers; `""` if the connection was closed without a response. */
  readonly head: string;
  readonly body: string;
  /** The body is as long as the head says. */
  readonly isWhole: boolean;
  readonly ms: number;
}

/** Facts for the checks. */
export interface FuzzFacts {
  /** Texts that no response may contain. */
  readonly secrets: readonly string[];
  /** Path of the data folder, which only T3 may see. */
  readonly folder: string;
  /** In the name and the text of a world that only T3 may read. */
  readonly hidden: string;
  /** In the name and the text of a world that no capability of the run may read. */
  readonly hiddenFromCapabilities: string;
  /** Paths of the pages of all problem types. */
  readonly problemPages: ReadonlySet<string>;
  readonly deadlineMs: number;
}

const KNOWN_METHODS = new Set(
  "GET HEAD PUT POST DELETE OPTIONS PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK".split(
    " ",
  ),
);
/** Callers whose capability is valid. A revoked one reads what is public, so it is not here. */
const CAPABILITIES = new Set(["cap", "read", "rwd", "narrow"]);
/** Methods that `OPTIONS` of a world below `/home` must not name for a caller. */
const NOT_ALLOWED: Readonly<Record<string, RegExp>> = {
  none: /\b(?:PUT|POST|PATCH|DELETE|MOVE|COPY|MKCOL|LOCK|PROPPATCH)\b/,
  read: /\b(?:PUT|POST|PATCH|DELETE|MOVE|MKCOL|LOCK|PROPPATCH)\b/,
  T2: /\b(?:DELETE|MOVE)\b/,
  cap: /\b(?:DELETE|MOVE)\b/,
  narrow: /\b(?:DELETE|MOVE)\b/,
};
const STACK = /^\s+at .*:\d+:\d+\)?$/m;

/** Returns what is wrong with a response, or undefined. */
export function findFault(
  request: FuzzRequest,
  response: FuzzResponse,
  facts: FuzzFacts,
): string | undefined {
  const { head, body, ms } = response;
  if (ms > facts.deadlineMs) return `no response in time: ${Math.round(ms)} ms`;
  if (head === "") return request.isComplete ? "no response" : undefined;
  const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)\b/.exec(head)?.[1]);
  if (Number.isNaN(status)) return "no status line";
  if (!response.isWhole && request.isComplete) return `incomplete ${status} response`;
  const headers = new Map(
    head.split("\r\n").slice(1).map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return statusFault(request, status, headers, body) ??
    problemFault(request, status, headers, body, facts) ??
    allowFault(request, status, headers) ?? contentFault(request, `${head}\n${body}`, facts);
}

function statusFault(
  { method, target }: FuzzRequest,
  status: number,
  headers: ReadonlyMap<string, string>,
  body: string,
): string | undefined {
  // Plugins answer for other servers, and the fallback may be asked about any path.
  const isPlugin = PLUGIN_PATHS.some((path) => target.includes(path)) || target.includes("/mnt");
  if (status === 503) return headers.has("retry-after") ? undefined : "503 without Retry-After";
  if (status === 501) return KNOWN_METHODS.has(method) && !isPlugin ? "501" : undefined;
  // RFC 4918 §9.8.5: the Destination is on another server.
  if (status === 502 && /problems\/foreign-destination|another server/.test(body)) return undefined;
  if (status === 502 || status === 504) return isPlugin ? undefined : `${status} without a plugin`;
  if (status >= 500 && status !== 507 && status !== 508) return String(status);
  if (status === 405 && !headers.has("allow") && !isPlugin) return "405 without Allow";
  if (status === 401 && !headers.has("www-authenticate") && !isPlugin) {
    return "401 without challenge";
  }
  return undefined;
}

function problemFault(
  { kind, target, method }: FuzzRequest,
  status: number,
  headers: ReadonlyMap<string, string>,
  body: string,
  { problemPages }: FuzzFacts,
): string | undefined {
  const type = headers.get("content-type");
  if (type !== "application/problem+json") {
    const isText = /^(?:text\/plain|text\/html)\b/.test(type ?? "");
    // A response to HEAD has the headers of GET; a target that is no path is refused by the runtime.
    const isProblem = status < 400 || isText || !target.startsWith("/") || kind === undefined;
    return isProblem ? undefined : `a ${status} to ${method} that is not a problem`;
  }
  if (body === "") return undefined;
  try {
    const problem = JSON.parse(body);
    const isValid = typeof problem.type === "string" && typeof problem.title === "string" &&
      problem.status === status && typeof problem.detail === "string" && problem.detail !== "";
    if (!isValid) return "a problem without its members";
    return problemPages.has(problem.type) ? undefined : `a problem of an unknown type`;
  } catch {
    return "a problem that is not JSON";
  }
}

/** A caller learns only of methods that it may use. */
function allowFault(
  { method, target, tier }: FuzzRequest,
  status: number,
  headers: ReadonlyMap<string, string>,
): string | undefined {
  if (method !== "OPTIONS" || status >= 300 || !/^\/home\/[\w./%]*$/.test(target)) return undefined;
  const found = NOT_ALLOWED[tier]?.exec(headers.get("allow") ?? "");
  return found ? `Allow names ${found[0]} to ${tier}` : undefined;
}

function contentFault(
  { tier }: FuzzRequest,
  text: string,
  { secrets, folder, hidden, hiddenFromCapabilities }: FuzzFacts,
): string | undefined {
  if (STACK.test(text)) return "a stack trace";
  if (secrets.some((secret) => text.includes(secret))) return "a secret";
  if (tier !== "T3" && text.includes(folder)) return "a path of the server's disk";
  if (tier !== "T3" && text.includes(hidden)) return "a world that only T3 may read";
  if (CAPABILITIES.has(tier) && text.includes(hiddenFromCapabilities)) {
    return "a world that the capability may not read";
  }
  return undefined;
}
