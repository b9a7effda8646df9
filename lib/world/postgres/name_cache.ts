/**
 * The worlds in use, as this node knows them: what a change needs to be worked out without a query. It can
 * be older than the database; every change is compared there. Least recently used names are dropped.
 */

import { MAX_CACHED_NAMES, MAX_CACHED_NAMES_BYTES } from "../../cluster_limits.ts";
import type { CachedName } from "./stage_batch.ts";

/** Names and their worlds by name. */
export class NameCache {
  readonly #names = new Map<string, CachedName>();
  #bytes = 0;

  /** Returns a name, and remembers that it was used. */
  get(name: string): CachedName | undefined {
    const found = this.#names.get(name);
    if (found === undefined) return undefined;
    this.#names.delete(name);
    this.#names.set(name, found);
    return found;
  }

  /** Remembers a name, without long bytes. */
  set(name: string, known: CachedName): void {
    this.drop(name);
    this.#names.set(name, withoutLong(known));
    this.#bytes += bytesOf(known);
    for (const oldest of this.#names.keys()) {
      if (this.#names.size <= MAX_CACHED_NAMES && this.#bytes <= MAX_CACHED_NAMES_BYTES) break;
      this.drop(oldest);
    }
  }

  /** Forgets a name. */
  drop(name: string): void {
    const found = this.#names.get(name);
    if (found === undefined) return;
    this.#names.delete(name);
    this.#bytes -= bytesOf(found);
  }

  /** Forgets all names. */
  clear(): void {
    this.#names.clear();
    this.#bytes = 0;
  }
}

function withoutLong(known: CachedName): CachedName {
  if (known.world?.loaded === undefined) return known;
  const { loaded: _, ...world } = known.world;
  return { ...known, world };
}

/** What a name costs: its inline bytes, and about as much as its row. */
function bytesOf({ world }: CachedName): number {
  return 512 + (world?.row.body?.length ?? 0) + (world?.row.headers.length ?? 0);
}
