/**
 * How the shell asks the machine: like any other client, by path and method. A refusal becomes an
 * error that carries the machine's own words.
 */

import { authorization } from "./session.js?raw";

/** An answer that is none: the machine's problem document (RFC 9457), or why nothing came. */
export class Refusal extends Error {
  /** @param {number} status 0 when the machine was not reached */
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

/** Asks; any status comes back. Throws a Refusal when the machine cannot be reached. */
export async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  const credential = authorization();
  if (credential !== null && !headers.has("authorization")) {
    headers.set("authorization", credential);
  }
  if (!headers.has("accept")) headers.set("accept", "application/json");
  // Exactly this path (RFC 7240): a plugin that resolves what is not there would have another world
  // shown, and written, under this name.
  headers.set("prefer", "handling=strict");
  try {
    return await fetch(path, { ...init, headers, credentials: "omit", cache: "no-cache" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refusal(
      0,
      "The machine does not answer",
      "It may be restarting, or the network is gone",
    );
  }
}

/** Asks, and takes nothing but a success; throws a Refusal. */
export async function ask(path, init) {
  const response = await request(path, init);
  if (!response.ok) throw await refusalOf(response);
  return response;
}

/** Asks for JSON. */
export async function askJson(path, init) {
  return await (await ask(path, init)).json();
}

/** Reads a refusal out of a response. */
export async function refusalOf(response) {
  const text = await response.text().catch(() => "");
  try {
    const { title, detail } = JSON.parse(text);
    return new Refusal(response.status, String(title ?? response.statusText), String(detail ?? ""));
  } catch {
    return new Refusal(response.status, response.statusText || "Refused", text.slice(0, 500));
  }
}
