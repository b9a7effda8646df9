/**
 * Requests to the server, as any HTTP client sends them. An error status becomes a RequestError.
 */

import { takeFirstAnswer } from "./first_answers.js";
import { authorization } from "./session.js";

/** A problem of the server (RFC 9457), or why there is no response. */
export class RequestError extends Error {
  /** @param {number} status 0 if the server was not reached */
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

/** Sends a request and returns any response. @throws {RequestError} if there is none */
export async function request(path, init = {}) {
  // A name that begins with a slash would make a URL of another host of the path.
  if (
    !URL.canParse(path, location.href) || new URL(path, location.href).origin !== location.origin
  ) {
    throw new RequestError(0, "Not a path of this server", `The path ${path} names another server`);
  }
  const headers = new Headers(init.headers);
  const credential = authorization();
  const isOwn = credential !== null && !headers.has("authorization");
  if (isOwn) headers.set("authorization", credential);
  if (!headers.has("accept")) {
    headers.set("accept", "application/json");
    const isAnonymous = credential === null && !headers.has("authorization");
    const first = isAnonymous ? takeFirstAnswer(init.method ?? "GET", path) : undefined;
    if (first !== undefined) return first;
  }
  // Exactly this path (RFC 7240): without it, a plugin may answer for a missing path with another
  // world, which would then be shown, and written, under this name.
  headers.set("prefer", "handling=strict");
  try {
    const response = await fetch(path, {
      ...init,
      headers,
      credentials: "omit",
      cache: "no-cache",
    });
    // A valid credential that is not sufficient gets 403. `whoami` itself is asked after this event.
    if (response.status === 401 && isOwn && path !== "/auth/whoami") {
      dispatchEvent(new CustomEvent("shell:check-caller"));
    }
    return response;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new RequestError(
      0,
      "The server does not answer",
      "The server may be restarting, or the network is down",
    );
  }
}

/** Sends a request. @throws {RequestError} unless the response is 2xx */
export async function send(path, init) {
  const response = await request(path, init);
  if (!response.ok) throw await readError(response);
  return response;
}

/** Requests JSON. */
export async function requestJson(path, init) {
  return await (await send(path, init)).json();
}

/** Reads the problem of a response. */
export async function readError(response) {
  const text = await response.text().catch(() => "");
  try {
    const { title, detail } = JSON.parse(text);
    return new RequestError(
      response.status,
      String(title ?? response.statusText),
      String(detail ?? ""),
    );
  } catch {
    return new RequestError(response.status, response.statusText || "Error", text.slice(0, 500));
  }
}
