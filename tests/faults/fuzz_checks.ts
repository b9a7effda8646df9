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
  readonly deadlineMs: number;
}

const KNOWN_METHODS = new Set(
  "GET HEAD PUT POST DELETE OPTIONS PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK".split(
    " ",
  ),
);
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
  return statusFault(request, status, headers, body) ?? problemFault(status, headers, body) ??
    contentFault(request, `${head}\n${body}`, facts);
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
  status: number,
  headers: ReadonlyMap<string, string>,
  body: string,
): string | undefined {
  if (headers.get("content-type") !== "application/problem+json" || body === "") return undefined;
  try {
    const problem = JSON.parse(body);
    const isValid = typeof problem.type === "string" && typeof problem.title === "string" &&
      problem.status === status && typeof problem.detail === "string";
    return isValid ? undefined : "a problem without its members";
  } catch {
    return "a problem that is not JSON";
  }
}

function contentFault(
  { tier }: FuzzRequest,
  text: string,
  { secrets, folder }: FuzzFacts,
): string | undefined {
  if (STACK.test(text)) return "a stack trace";
  if (secrets.some((secret) => text.includes(secret))) return "a secret";
  if (tier !== "T3" && text.includes(folder)) return "a path of the server's disk";
  return undefined;
}
