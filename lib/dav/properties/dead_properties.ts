/**
 * Dead properties (RFC 4918 §4): what clients set and the machine only keeps. Those of one resource
 * stand in one world below `/var/lib/dav`, named by the hash of the resource's path, so they have a
 * chain, survive restarts, are audited and backed up like everything else; collections, which have no
 * chain of their own, have them too. Properties of what only T3 may read stay where only T3 may read.
 *
 * A record names the seal of its world's first event: a world that was deleted by other ways and made
 * anew does not inherit what its name once had.
 */

import { ANONYMOUS } from "../../auth/authenticate.ts";
import { canRead } from "../../auth/policy.ts";
import { sha256Hex } from "../../base/hash.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_DEAD_PROPERTIES, MAX_DEAD_PROPERTIES_BYTES } from "../../limits.ts";
import { type Store, StoreError, type World } from "../../world/store.ts";
import type { CreationInfoCache } from "./creation_info.ts";
import type { Resource } from "../resource/resource.ts";
import { toNameKey, type XmlName } from "../xml/xml_writer.ts";

/** One property: its name, and the whole element as XML that stands on its own. */
export interface DeadProperty extends XmlName {
  readonly xml: string;
}

/** One instruction of a PROPPATCH; without `xml` the property is removed. */
export interface PropertyChange extends XmlName {
  readonly xml?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const HASH_DIGITS = 32;
/** Where records stand: of what everybody may read, and of what only T3 may. */
const FOLDERS = ["var/lib/dav", "boot/dav"] as const;
const NONE: readonly DeadProperty[] = [];

/** Keeps and finds dead properties. */
export class DeadProperties {
  readonly #store: Store;
  readonly #births: CreationInfoCache;
  readonly #parsed = new WeakMap<World, Record>();
  /** Changes of one record come after each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(store: Store, births: CreationInfoCache) {
    this.#store = store;
    this.#births = births;
  }

  /** Whether no resource at all has properties: what a long listing asks first. */
  get isEmpty(): boolean {
    return FOLDERS.every((folder) => !this.#store.isCollection(folder));
  }

  /** Whether a resource may have properties; asks no disk. */
  hasRecord(path: string): boolean {
    return this.#store.stat(recordWorldName(path)) !== undefined;
  }

  /** The properties of a resource, in the order they were set. */
  async read(found: Resource): Promise<readonly DeadProperty[]> {
    const name = recordWorldName(found.path);
    if (this.#store.stat(name) === undefined) return NONE;
    const world = this.#store.peek(name) ?? await this.#store.read(name);
    if (world === undefined) return NONE;
    let record = this.#parsed.get(world);
    if (record === undefined) this.#parsed.set(world, record = parseRecord(world.body));
    return record.seal === await this.#sealOf(found) ? record.properties : NONE;
  }

  /**
   * Applies all of the changes or none.
   *
   * @param by who asked for it
   * @throws {Problem} `insufficient-storage` past the bounds
   */
  async change(found: Resource, changes: readonly PropertyChange[], by: string): Promise<void> {
    await this.#inTurn(found.path, async () => {
      const kept = new Map(
        (await this.read(found)).map((property) => [toNameKey(property), property]),
      );
      for (const { ns, name, xml } of changes) {
        const key = toNameKey({ ns, name });
        if (xml === undefined) kept.delete(key);
        else kept.set(key, { ns, name, xml });
      }
      const named = changes.map(toNameKey);
      await this.#write(found, [...kept.values()], by, { properties: named.slice(0, 32) });
    });
  }

  /** Gives a resource exactly these properties, as COPY and MOVE do. */
  async replace(found: Resource, properties: readonly DeadProperty[], by: string): Promise<void> {
    if (properties.length === 0 && !this.hasRecord(found.path)) return;
    await this.#inTurn(
      found.path,
      () => this.#write(found, properties, by, { properties: properties.length }),
    );
  }

  /** Forgets the properties of what is no longer there. */
  async remove(path: string): Promise<void> {
    if (!this.hasRecord(path)) return;
    await this.#inTurn(path, () => this.#drop(path));
  }

  async #write(
    found: Resource,
    properties: readonly DeadProperty[],
    by: string,
    facts: { readonly properties: unknown },
  ): Promise<void> {
    const { path, entry } = found;
    const seal = await this.#sealOf(found);
    const text = JSON.stringify({ of: path, seal, properties });
    const body = encoder.encode(text);
    if (properties.length > MAX_DEAD_PROPERTIES || body.length > MAX_DEAD_PROPERTIES_BYTES) {
      throw new Problem(
        "insufficient-storage",
        `Cannot keep the properties of ${path}: they would be ${properties.length} in ` +
          `${body.length} bytes; ${MAX_DEAD_PROPERTIES} in ${MAX_DEAD_PROPERTIES_BYTES} is the most`,
      );
    }
    if (properties.length === 0) await this.#drop(path);
    else {
      const record = { name: recordWorldName(path), body, ext: "json", meta: [], by: "dav" };
      await this.#store.put({ ...record, facts: { of: path, for: by } });
    }
    // The world's own chain says that something about it changed, and by whom.
    if (entry?.layer === "upper") {
      const payload = { ...facts, sha256: sha256Hex(body) };
      await this.#store.note({ name: entry.name, by, type: "properties_changed", payload });
    }
  }

  async #drop(path: string): Promise<void> {
    try {
      await this.#store.remove({ name: recordWorldName(path), by: "dav" });
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "absent") throw error;
    }
  }

  async #sealOf({ entry, collection }: Resource): Promise<string> {
    if (entry === undefined || (collection && entry.layer === "lower")) return "";
    return (await this.#births.read(entry))?.id ?? "";
  }

  async #inTurn<T>(path: string, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(path) ?? Promise.resolve();
    const turn = before.then(act, act);
    this.#turns.set(path, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(path) === turn) this.#turns.delete(path);
    }
  }
}

interface Record {
  readonly seal: string;
  readonly properties: readonly DeadProperty[];
}

/** The world that keeps the properties of a path. */
export function recordWorldName(path: string): string {
  const folder = FOLDERS[canRead(ANONYMOUS, path) ? 0 : 1];
  return `${folder}/${sha256Hex(path).slice(0, HASH_DIGITS)}.json`;
}

/** Reads a record; a hand may have edited it, and what is none holds no properties. */
function parseRecord(body: Uint8Array): Record {
  const empty = { seal: "-", properties: NONE };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch {
    return empty; // no JSON, so no properties
  }
  if (!isRecord(value) || typeof value.seal !== "string" || !Array.isArray(value.properties)) {
    return empty;
  }
  const list: readonly unknown[] = value.properties;
  const properties = list.flatMap((item) => {
    if (!isRecord(item)) return [];
    const { ns, name, xml } = item;
    const whole = typeof ns === "string" && typeof name === "string" && typeof xml === "string";
    return whole ? [{ ns, name, xml }] : [];
  });
  return { seal: value.seal, properties };
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
