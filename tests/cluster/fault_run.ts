/**
 * A run under load: starts clients and followers, causes faults, waits until everything has settled, and
 * judges the record.
 *
 * ```text
 * const cluster = await Cluster.start({ folder, count: 3, store: servers.url(database) });
 * const { urls, headers } = { urls: () => cluster.urls, headers: cluster.approval };
 * const { report, violations } = await runUnderLoad(
 *   { seed, urls, headers, prefix: "home/run/", hasDurableLocks: true },
 *   async (load) => {
 *     await load.untilAcknowledged(500);
 *     await cluster.node(0).kill();
 *     await load.untilAcknowledged(500);
 *     await cluster.node(0).start();
 *   },
 * );
 * assertEquals(showViolations(violations), "");
 * ```
 */

import { attribute } from "./attribution.ts";
import { checkCalls } from "./checker.ts";
import { listWorlds, readFinalState, type Send } from "./final_state.ts";
import { checkFollowers } from "./follower_checks.ts";
import { ChangesFollower, CollectionFollower, StreamFollower } from "./followers.ts";
import type { FinalState, History, Violation } from "./history.ts";
import { Load, type LoadOptions, type LoadReport } from "./load.ts";

/** What a run needs, apart from the faults. */
export interface RunOptions extends LoadOptions {
  /** Followers of each kind, by default 1 for each node. */
  readonly followers?: number;
  /**
   * Addresses at which the final state is read; by default those of the load. Another path to the nodes
   * can show what a proxy in front of them hides.
   */
  readonly finalUrls?: LoadOptions["urls"];
  /** Whether locks survive the end of a node, as they do in a database. */
  readonly hasDurableLocks?: boolean;
  /** Most versions of each world whose bytes are compared at the end, by default all. */
  readonly texts?: number;
}

/** What a run found. */
export interface RunResult {
  readonly report: LoadReport;
  readonly violations: readonly Violation[];
  readonly history: History;
  readonly final: FinalState;
}

/**
 * Sends load while `faults` runs, and judges what happened.
 *
 * @param faults ends when enough load was sent; all nodes that it ended must run again
 */
export async function runUnderLoad(
  options: RunOptions,
  faults: (load: Load) => Promise<void>,
): Promise<RunResult> {
  const { seed, urls, headers, prefix, followers = urls().length, finalUrls = urls } = options;
  const load = new Load(options);
  const follower = (i: number) => ({ seed: seed + i, urls, headers });
  const each = <T>(create: (i: number) => T) =>
    Array.from({ length: followers }, (_, i) => create(i));
  const streams = load.followed.flatMap((world) =>
    each((i) => ({ world, follower: new StreamFollower(follower(i), world) }))
  );
  const collections = each((i) => new CollectionFollower(follower(i), prefix));
  const changes = each((i) => new ChangesFollower(follower(i), prefix));
  const followersOfAll = [...streams.map(({ follower }) => follower), ...collections, ...changes];
  load.start();
  for (const follower of followersOfAll) follower.start();
  try {
    await faults(load);
  } catch (error) {
    await Promise.allSettled([load.stop(), ...followersOfAll.map((one) => one.stop())]);
    throw error;
  }
  await load.stop();
  const send: Send = (path, init = {}) => sendToAny(finalUrls(), path, init, headers);
  const worlds = await listWorlds(send, prefix);
  const history: History = {
    calls: load.calls,
    locks: load.locks,
    streams: await Promise.all(
      streams.map(({ world, follower }) => follower.finish(worlds.get(world) ?? 0)),
    ),
    collections: await Promise.all(collections.map((one) => one.finish(worlds))),
    changes: await Promise.all(changes.map((one) => one.finish())),
  };
  const final = await readFinalState(send, prefix, options.texts);
  const report = load.report();
  const lost: readonly Violation[] = options.hasDurableLocks
    ? report.lostLocks.map((found) => ({ rule: "lock", ...found }))
    : [];
  const states = attribute(history.calls, final, () => {});
  const violations = [
    ...checkCalls(history, final),
    ...checkFollowers(history, final, states),
    ...lost,
  ];
  return { report, violations, history, final };
}

async function sendToAny(
  urls: readonly (string | undefined)[],
  path: string,
  init: RequestInit,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const url = urls.find((found) => found !== undefined);
  if (url === undefined) throw new TypeError("no node runs");
  const all = { ...headers, "cache-control": "no-cache", ...init.headers };
  return await fetch(`${url}${path}`, { ...init, headers: all });
}

/** Violations as text, by rule: the number of each and the first ones. */
export function showViolations(violations: readonly Violation[]): string {
  const byRule = Map.groupBy(violations, ({ rule }) => rule);
  return [...byRule].map(([rule, found]) =>
    [
      `rule ${rule}: ${found.length}`,
      ...found.slice(0, 5).map(({ world, text }) => `  ${world}: ${text}`),
    ]
      .join("\n")
  ).join("\n");
}

/** Milliseconds around a call within which other calls are shown with it. */
const AROUND_MS = 150;

/** The call that a violation names, and the calls of its world around it, one a line. */
export function explain({ text, world }: Violation, { calls }: History): string {
  const id = /\b(\d+\.\d+)\b/.exec(text)?.[1];
  const named = calls.find((call) => call.id === id);
  if (named === undefined) return "";
  const { began, ended } = named;
  const near = calls.filter((call) =>
    (call.world === world || call.to === world) && call.began < ended + AROUND_MS &&
    call.ended > began - AROUND_MS
  ).sort((a, b) => a.began - b.began);
  return near.map((call) => {
    const { text: _, began: from, ended: until, ...rest } = call;
    const times = `${(from - began).toFixed(1)} to ${(until - began).toFixed(1)} ms`;
    return `${call === named ? "->" : "  "} ${times} ${JSON.stringify(rest)}`;
  }).join("\n");
}
