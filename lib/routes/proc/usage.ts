/**
 * `/proc/usage`: how many worlds and bytes are below a prefix, by child and by the caller of the last
 * change. A caller gets the sums of the worlds that it can read, and only those: what it cannot read
 * is in no sum. Worlds of the lower layer ship with the server and are not counted.
 */

import {
  assertAllowed,
  canRead,
  isRedacted,
  readScopeKey,
  seesSecrets,
} from "../../auth/policy.ts";
import { limitReadScope, toReadScope } from "../../auth/read_scope.ts";
import type { Caller } from "../../auth/caller.ts";
import { createDiskSpaceReader, type DiskSpaceReader } from "../../dav/resource/disk_space.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { hasQuery, readQueryValue } from "../../http/query.ts";
import { LISTING_STEP_WORLDS } from "../../limits.ts";
import { DISK_STEP_WORLDS, MAX_CACHED_USAGES, MAX_USAGE_ROWS } from "../../usage_limits.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, textResponse } from "../../response/json_response.ts";
import { sharedListingsOf } from "../../response/shared_listings.ts";
import { respondShell } from "../../response/shell_page.ts";
import { createByFilter } from "../../world/by_filter.ts";
import type { Store, WorldEntry } from "../../world/store.ts";
import type { Handler } from "../handler.ts";
import { readPrefix } from "./collection_prefix.ts";

const HTML = "text/html";
const chooseType = createTypeChooser(["application/json", "text/plain", HTML], "application/json");

/** Number of worlds, and bytes of their content. */
export interface Sum {
  readonly worlds: number;
  readonly bytes: number;
  /** Bytes of their files, if they were measured. */
  readonly on_disk?: number;
}

/** What is below a prefix. */
export interface Usage extends Sum {
  /** By the segment below the prefix, largest first. */
  readonly children: readonly (Sum & { readonly name: string })[];
  /** By the caller of the last change, largest first. */
  readonly by: readonly (Sum & { readonly by: string })[];
  /** Rows of both lists that are left out because there are too many. */
  readonly leftOut: number;
}

/** Sums of a store until a world changes. */
interface CachedUsages {
  readonly revision: number;
  readonly byKey: Map<string, Promise<Usage>>;
}

interface Total {
  worlds: number;
  bytes: number;
  on_disk?: number;
}

/** A world that is counted. */
interface CountedWorld {
  readonly name: string;
  readonly by: string;
  /** 0 if the caller must not know it. */
  readonly bytes: number;
}

/** Adds up the worlds below a prefix. It gets them in the order of names, so that a child is looked up once. */
export class UsageSums {
  readonly #children = new Map<string, Total>();
  readonly #callers = new Map<string, Total>();
  readonly #all: Total = { worlds: 0, bytes: 0 };
  readonly #start: number;
  #child: Total = { worlds: 0, bytes: 0 };
  /** The name of the last child with a slash: its worlds begin with it. */
  #within = "/";

  /** @param prefix name of the collection that contains the worlds; `""` for the whole tree */
  constructor(prefix: string) {
    this.#start = prefix === "" ? 0 : prefix.length + 1;
  }

  /**
   * Adds a world.
   *
   * @param bytes length of the content; 0 if the caller must not know it
   * @param onDisk bytes of its files; undefined if they are not measured
   */
  add(name: string, by: string, bytes: number, onDisk?: number): void {
    if (!name.startsWith(this.#within)) {
      const end = name.indexOf("/", this.#start);
      const path = end < 0 ? name : name.slice(0, end);
      this.#child = totalOf(this.#children, path.slice(this.#start));
      this.#within = `${path}/`;
    }
    for (const total of [this.#child, totalOf(this.#callers, by), this.#all]) {
      total.worlds += 1;
      total.bytes += bytes;
      if (onDisk !== undefined) total.on_disk = (total.on_disk ?? 0) + onDisk;
    }
  }

  /** @param maxRows maximum length of each list */
  build(maxRows: number): Usage {
    const [children, callers] = [this.#children, this.#callers];
    const leftOut = Math.max(0, children.size - maxRows) + Math.max(0, callers.size - maxRows);
    return {
      ...this.#all,
      children: largest(children, maxRows).map(([name, sum]) => ({ name, ...sum })),
      by: largest(callers, maxRows).map(([by, sum]) => ({ by, ...sum })),
      leftOut,
    };
  }
}

function totalOf(totals: Map<string, Total>, key: string): Total {
  let total = totals.get(key);
  if (total === undefined) totals.set(key, total = { worlds: 0, bytes: 0 });
  return total;
}

function largest(totals: Map<string, Total>, max: number): [string, Total][] {
  return [...totals]
    .sort(([a, one], [b, two]) =>
      two.bytes - one.bytes || two.worlds - one.worlds || (a < b ? -1 : 1)
    )
    .slice(0, max);
}

/**
 * Creates the handler of `GET /proc/usage/<prefix>/?by=&disk`: a JSON object, or for a client that
 * prefers text one line with worlds, bytes and name for the whole, for each child and for each caller.
 * With `?disk`, which needs T3, the sizes of the files are read as well, for one request at a time.
 */
export function createUsageHandler(
  { store, config, monotonic }: Pick<ServerContext, "store" | "config" | "monotonic">,
): Handler {
  const readDiskSpace = createDiskSpaceReader(config.data, monotonic);
  let cached: CachedUsages = { revision: -1, byKey: new Map() };

  /** Adds up the worlds once for all callers that can read the same ones, until a world changes. */
  async function readUsage(caller: Caller, name: string, by: string | undefined): Promise<Usage> {
    const scope = readScopeKey(caller);
    if (scope === undefined) return await measure(store, caller, name, by);
    const revision = store.listingRevision;
    if (cached.revision !== revision) cached = { revision, byKey: new Map() };
    const { byKey } = cached;
    // No part contains a line break: names and credentials have no control characters.
    const key = `${scope}\n${name}\n${by === undefined ? "" : `by ${by}`}`;
    const known = byKey.get(key);
    if (known !== undefined) return await known;
    const measured = measure(store, caller, name, by);
    if (byKey.size >= MAX_CACHED_USAGES) byKey.clear();
    byKey.set(key, measured);
    measured.catch(() => byKey.delete(key));
    return await measured;
  }

  let measuring: Promise<unknown> = Promise.resolve();

  /** Also reads the sizes of all files, so it is not shared and not kept. */
  async function readUsageOnDisk(
    context: RequestContext,
    name: string,
    by: string | undefined,
  ): Promise<Usage> {
    const { caller, request: { signal } } = context;
    assertOperator(caller);
    const measured = measuring.then(() => measureOnDisk(store, caller, name, by, signal));
    measuring = measured.catch(() => {}); // the request has the error
    return await measured;
  }

  return async function respondUsage(context: RequestContext): Promise<Response> {
    const name = readPrefix(context, "proc/usage", "the usage");
    const { request, caller, target: { query } } = context;
    const type = chooseType(request.headers.get("accept"));
    if (type === HTML) return await respondShell(store, request);
    const by = readQueryValue(query, "by") ?? undefined;
    const { leftOut, ...usage } = hasQuery(query, "disk")
      ? await readUsageOnDisk(context, name, by)
      : await readUsage(caller, name, by);
    const headers = { "vary": "Accept" };
    if (type === "text/plain") return textResponse(toLines(usage), headers);
    return jsonResponse({
      prefix: name === "" ? "/" : `/${name}/`,
      ...usage,
      ...(leftOut === 0 ? {} : { left_out: leftOut }),
      ...await readTotals(store, readDiskSpace, caller, name),
    }, headers);
  };
}

async function measure(
  store: Store,
  caller: Caller,
  name: string,
  by: string | undefined,
): Promise<Usage> {
  const sums = new UsageSums(name);
  await walk(store, caller, name, by, ({ name, by, bytes }) => sums.add(name, by, bytes));
  return sums.build(MAX_USAGE_ROWS);
}

/** Measures the files after the walk, which other requests wait for. */
async function measureOnDisk(
  store: Store,
  caller: Caller,
  name: string,
  by: string | undefined,
  signal: AbortSignal,
): Promise<Usage> {
  const worlds: CountedWorld[] = [];
  await walk(store, caller, name, by, (world) => void worlds.push(world));
  const sums = new UsageSums(name);
  for (let at = 0; at < worlds.length; at += DISK_STEP_WORLDS) {
    signal.throwIfAborted();
    const step = worlds.slice(at, at + DISK_STEP_WORLDS);
    const sizes = await store.fileSizes(step.map(({ name }) => name));
    for (const [i, { name, by, bytes }] of step.entries()) sums.add(name, by, bytes, sizes[i] ?? 0);
  }
  const usage = sums.build(MAX_USAGE_ROWS);
  return { ...usage, on_disk: usage.on_disk ?? 0 };
}

/** Calls back with each world of the upper layer below a prefix that the caller can read. */
async function walk(
  store: Store,
  caller: Caller,
  name: string,
  by: string | undefined,
  visit: (world: CountedWorld) => void,
): Promise<void> {
  const matches = createByFilter(by);
  const parts = limitReadScope(toReadScope(caller), name);
  const { slices } = sharedListingsOf(store);
  await sharedListingsOf(store).queue(async () => {
    for (let last: string | undefined = ""; last !== undefined;) {
      const page: readonly WorldEntry[] = await store.entries(parts, last, LISTING_STEP_WORLDS);
      for (const entry of page) {
        if (entry.layer === "lower" || !matches(entry.by)) continue;
        const path = `/${entry.name}`;
        if (!canRead(caller, path)) continue;
        visit({
          name: entry.name,
          by: entry.by,
          bytes: isRedacted(caller, path) ? 0 : entry.len,
        });
      }
      last = page.length < LISTING_STEP_WORLDS ? undefined : page.at(-1)?.name;
      if (slices.isOver) await slices.next();
    }
  });
}

/** Whether the caller is T3 without a limit: sums of the server include what others cannot read. */
function isOperator(caller: Caller): boolean {
  return seesSecrets(caller) && caller.scope === undefined && caller.grants === undefined;
}

/**
 * Files also contain earlier versions and events, and reading their sizes takes seconds.
 *
 * @throws {Problem} `unauthorized`, `forbidden`
 */
function assertOperator(caller: Caller): void {
  if (isOperator(caller)) return;
  assertAllowed({
    allowed: false,
    status: caller.tier === "T1" ? 401 : 403,
    needs: "T3",
    detail:
      "Cannot read the sizes of files: T3 is required; the usage without ?disk is not limited",
  });
}

/** The sums of the whole server, which only T3 gets, since they include what others cannot read. */
async function readTotals(
  { counts }: Pick<Store, "counts">,
  readDiskSpace: DiskSpaceReader,
  caller: Caller,
  name: string,
): Promise<Record<string, unknown>> {
  if (name !== "" || !isOperator(caller)) return {};
  const { entries, bytes } = counts.trash;
  const space = await readDiskSpace();
  return {
    trash: { worlds: entries, bytes },
    ...(space === undefined ? {} : { disk: { free: space.available, used: space.used } }),
  };
}

function toLines({ children, by, ...all }: Omit<Usage, "leftOut">): string {
  const line = ({ worlds, bytes, on_disk }: Sum, label: string) =>
    [worlds, bytes, ...(on_disk === undefined ? [] : [on_disk]), label].join("\t") + "\n";
  return [
    line(all, "."),
    ...children.map((row) => line(row, row.name)),
    ...by.map((row) => line(row, `by ${row.by}`)),
  ].join("");
}
