/** Writes one body to all targets, a few at a time, with the rights of the caller. */

import type { PluginFetch } from "../kit/env.ts";
import { parseRecord } from "../kit/json_record.ts";
import { encodePath } from "../kit/encode_path.ts";
import type { Target } from "./targets.ts";

/** What happened to one target. */
export interface Result {
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
export async function findRefused(
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
export async function broadcast(
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
export function isWritten({ status }: Result): boolean {
  return status < 300;
}

/**
 * Returns the status code of the whole broadcast: 200 if all targets were written, the status of the
 * failures if all failed with the same status, else 207.
 */
export function statusOf(results: readonly Result[]): number {
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
