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

/**
 * A problem with what the backend did, and its own error message.
 *
 * @param action continues "the … backend"
 * @param text error message of the backend; empty if there is none
 */
export function backendProblem(
  { scheme }: Pick<Backend, "scheme">,
  key: string | undefined,
  action: string,
  text = "",
  type: "bad-gateway" | "too-many-requests" | "gateway-timeout" = "bad-gateway",
  headers: Readonly<Record<string, string>> = {},
): Problem {
  const quoted = redactSecrets(text, key);
  const detail = `Cannot answer: the ${scheme} backend ${action}${quoted && `: ${quoted}`}`;
  return new Problem(type, detail, headers);
}

/** The problem for a status other than 2xx. */
export function refusalProblem(
  backend: Pick<Backend, "scheme" | "key">,
  key: string | undefined,
  { status, text, retryAfter }: BackendRefusal,
): Problem {
  if (status === 429) {
    const headers = retryAfterHeader(retryAfter);
    return backendProblem(
      backend,
      key,
      "refuses further requests for now",
      text,
      "too-many-requests",
      headers,
    );
  }
  if (status >= 300 && status < 400) {
    return backendProblem(backend, key, `answered ${status}; redirects are not followed`);
  }
  const isUnauthorized = status === 401 || status === 403;
  if (isUnauthorized && backend.key !== undefined && key === undefined) {
    const action = `answered ${status}; ${backend.key} is not set in the server's environment`;
    return backendProblem(backend, key, action);
  }
  const problem = backendProblem(backend, key, `answered ${status}`, text);
  if (!/\bmodel\b/i.test(text)) return problem;
  const detail = `${problem.message}; \`model\` in /etc/gpu.conf names another model`;
  return new Problem("bad-gateway", detail);
}

/** `Retry-After` in one of its two forms (RFC 9110 §10.2.3), or no header. */
export function retryAfterHeader(value: string | null): Record<string, string> {
  const text = value?.trim() ?? "";
  const isSeconds = /^\d{1,9}$/.test(text);
  const isDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text);
  return isSeconds || isDate ? { "retry-after": text } : {};
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
