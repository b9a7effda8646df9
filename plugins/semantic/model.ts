/** The model behind `/dev/gpu`: which one is configured, and what its error responses mean. */

import type { PluginFetch } from "../kit/env.ts";
import { Problem } from "../kit/problem.ts";

export const GPU_PATH = "/dev/gpu";

/** How long the answer to "which model?" is reused, in milliseconds. */
const LOOKUP_MS = 50;
/** `Retry-After` in seconds if there is no model, or if it did not say. */
const RETRY_SECONDS = 30;
/** Longest `Retry-After` in seconds. */
const MAX_RETRY_SECONDS = 3600;

export interface Model {
  /** `backend/model`, as in `X-Semantic-Gpu`. */
  readonly name: string;
  /** True if it runs on this computer. */
  readonly isLocal: boolean;
  /** Entity tag of `/etc/gpu.conf`; empty if it has none. */
  readonly version: string;
}

/**
 * Asks `/dev/gpu` which model is configured. The answer is reused for {@link LOOKUP_MS}, so that
 * requests at the same time share it and another model soon has other keys.
 */
export class ModelLookup {
  #last: { readonly model: Promise<Model | Problem>; readonly expires: number } | undefined;

  /**
   * Returns the model, or the problem `unavailable` if no model is configured. Never rejects.
   *
   * @param fetch acts with the grants of the plugin
   * @param now monotonic time in milliseconds
   */
  read(fetch: PluginFetch, now: number): Promise<Model | Problem> {
    if (this.#last === undefined || now > this.#last.expires) {
      this.#last = { model: readModel(fetch), expires: now + LOOKUP_MS };
    }
    return this.#last.model;
  }
}

async function readModel(fetch: PluginFetch): Promise<Model | Problem> {
  try {
    // The version is read first: otherwise the old model could be returned with the new version.
    const { headers } = await fetch("/etc/gpu.conf?raw", { method: "HEAD" });
    const response = await fetch(GPU_PATH, { headers: { accept: "application/json" } });
    if (!response.ok) {
      await response.body?.cancel();
      return noModel(
        response.status === 404
          ? "the gpu plugin is not active"
          : `${GPU_PATH} answered ${response.status}`,
      );
    }
    return parseModel(await response.json(), headers.get("etag") ?? "");
  } catch (error) {
    console.warn(`Cannot read ${GPU_PATH}: ${error}`);
    return noModel(`${GPU_PATH} cannot be read`);
  }
}

/** Reads the JSON of `GET /dev/gpu`. */
export function parseModel(value: unknown, version: string): Model | Problem {
  if (typeof value !== "object" || value === null) {
    return noModel(`${GPU_PATH} did not answer with a JSON object`);
  }
  const { backend, model, local, configured } = Object.fromEntries(Object.entries(value));
  if (configured === false) return noModel("/etc/gpu.conf names none");
  return { name: formatModelName(backend, model), isLocal: local === true, version };
}

/** Formats `backend/model` in printable ASCII, at most 200 characters; "unknown" without names. */
export function formatModelName(backend: unknown, model: unknown): string {
  const parts = [backend, model].filter((part) => typeof part === "string" && part !== "");
  return parts.join("/").replace(/[^\x21-\x7e]/g, "_").slice(0, 200) || "unknown";
}

/**
 * Translates an error response of `/dev/gpu/stream` to the problem that the client gets: the model
 * is not available now, whatever the reason is.
 *
 * @param path path of the source
 */
export function modelProblem({ status, headers }: Response, path: string): Problem {
  const seconds = Number(headers.get("retry-after") ?? RETRY_SECONDS) || RETRY_SECONDS;
  return unavailableModel(path, `${GPU_PATH} answered ${status}`, seconds);
}

/**
 * Makes the problem `unavailable` for a model that cannot be reached or fails.
 *
 * @param state what the model did, as the end of a sentence
 * @param seconds value of `Retry-After`
 */
export function unavailableModel(path: string, state: string, seconds = RETRY_SECONDS): Problem {
  const detail = `Cannot shape ${path}: the model is not available, ${state}`;
  return new Problem("unavailable", detail, retryAfter(Math.min(seconds, MAX_RETRY_SECONDS)));
}

/** Returns the header `Retry-After` in whole seconds, at least 1. */
export function retryAfter(seconds: number): Record<string, string> {
  return { "retry-after": String(Math.max(1, Math.ceil(seconds))) };
}

function noModel(state: string): Problem {
  return new Problem(
    "unavailable",
    `Cannot shape anything: there is no model, ${state}`,
    retryAfter(RETRY_SECONDS),
  );
}
