/**
 * What the suites of the `Store` interface need of an engine, and the calls that they share. An engine
 * is a kind of store, such as one on SQLite files. Its test describes it in an {@link Engine} and passes
 * it to engine_suites.ts. No suite knows how an engine stores worlds.
 */

import { assertRejects } from "../support/assert.ts";
import type { AttachedWorlds } from "../../lib/world/quota.ts";
import type { ChangeResult, Store, StoreErrorCode, World } from "../../lib/world/store.ts";
import type { LongJobLimits } from "../../lib/world/store/long_jobs.ts";
import type { Redaction } from "../../lib/world/store/sqlite_store_options.ts";

/** Options of a test's store; an engine's defaults apply to those that are absent. */
export interface SuiteOptions {
  /** Texts of the lower layer by name; their extension is `txt`. */
  readonly lower?: Readonly<Record<string, string>>;
  readonly history?: { readonly versions: number; readonly bytes: number };
  readonly maxWorldBytes?: number;
  /** Memory for cached worlds in bytes; with 0 no world stays in memory. */
  readonly cacheBytes?: number;
  /** Whether only T3 can read a world. */
  readonly isRestricted?: (name: string) => boolean;
  readonly redaction?: Redaction;
  readonly attached?: AttachedWorlds;
  /** Limits of searches. */
  readonly searches?: LongJobLimits;
}

/** The store of a test. */
export interface StoreFixture {
  readonly store: Store;
  /** Closes the store if it is open, and opens its data again with the same options. */
  reopen(): Promise<Store>;
}

/** Opens an empty store, passes it to `use`, and removes its data afterwards. */
export type WithStore = (
  options: SuiteOptions,
  use: (fixture: StoreFixture) => Promise<void>,
) => Promise<void>;

/** An engine under test. */
export interface Engine {
  /** The name in the titles of the tests, such as `SqliteStore`. */
  readonly name: string;
  readonly withStore: WithStore;
  /**
   * Whether each call goes to a random node of a cluster. Then figures, limits of jobs and quotas, and the
   * order of calls at the same time are those of one node, and the tests of these are left out.
   */
  readonly isScattered?: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A part of the tree that covers all worlds, also those that only T3 can read. */
export const ALL_WORLDS = [{ name: "", part: "tree", restricted: true }] as const;
/** The same without the worlds that only T3 can read. */
export const OPEN_WORLDS = [{ name: "", part: "tree", restricted: false }] as const;

export function put(store: Store, name: string, text: string, more = {}): Promise<ChangeResult> {
  return store.put({ name, body: encoder.encode(text), ext: "txt", meta: [], by: "T2", ...more });
}

export function append(store: Store, name: string, text: string, more = {}): Promise<ChangeResult> {
  return store.append({ name, body: encoder.encode(text), ext: "txt", by: "T2", ...more });
}

/** Edits a world with a JSON patch. */
export function patch(store: Store, name: string, text: string, more = {}): Promise<ChangeResult> {
  const edit = { format: "application/json", body: encoder.encode(text) } as const;
  return store.patch({ name, by: "T2", meta: [], edit, ...more });
}

export function textOf(world: World | undefined): string | undefined {
  return world === undefined ? undefined : decoder.decode(world.body);
}

export async function readText(store: Store, name: string): Promise<string | undefined> {
  return textOf(await store.read(name));
}

export async function assertFails(promise: Promise<unknown>, code: StoreErrorCode): Promise<void> {
  await assertRejects(promise, { name: "StoreError", code });
}

/** Runs a check on a store, before and after reopening. */
export async function beforeAndAfter(
  { store, reopen }: StoreFixture,
  check: (store: Store) => Promise<void>,
): Promise<void> {
  await check(store);
  await check(await reopen());
}
