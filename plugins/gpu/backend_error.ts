/**
 * Translates a failure of a backend to a problem for the caller. Every text of the backend passes
 * {@link redactSecrets} first.
 */

import { Problem } from "../kit/problem.ts";
import type { Backend } from "./backend.ts";
import { redactSecrets } from "./redact_secrets.ts";

/** A response with a status other than 2xx. */
export interface BackendRefusal {
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
export function unavailableProblem(
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
export function refusalProblem(
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
export function retrySeconds(value: string | null, now: number): number | undefined {
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
export function connectionFailure(error: unknown): string {
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
