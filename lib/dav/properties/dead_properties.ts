/**
 * Dead properties (RFC 4918 §4): properties that clients set and the server only stores.
 *
 * The properties of one resource are one record: a world below `/var/lib/dav`, named by the hash of
 * the resource's path. They are therefore in an event chain, survive restarts and are part of
 * audits and backups, also for collections, which have no chain. Records of resources that only T3
 * can read are below `/boot/dav`, which only T3 can read.
 *
 * A record contains the identity of its world (see creation_info.ts). Properties of a deleted world
 * must never appear on a new world of the same name.
 */

import { sha256Hex } from "../../base/hash.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_LIMITS } from "../../dav_limits.ts";
import { type Precondition, type Store, StoreError, type World } from "../../world/store.ts";
import { Turns } from "../../world/turns.ts";
import type { CreationInfoCache } from "./creation_info.ts";
import { DavLimiter } from "../resource/dav_limiter.ts";
import { RECORD_CALLER, RECORD_FOLDERS, recordWorldName } from "../resource/property_record.ts";
import type { Resource } from "../resource/resource.ts";
import { toNameKey, type XmlName } from "../xml/xml_writer.ts";

/** A property: its name, and its element as XML with all namespace declarations. */
export interface DeadProperty extends XmlName {
  readonly xml: string;
}

/** One change by a PROPPATCH; without `xml` the property is removed. */
export interface PropertyChange extends XmlName {
  readonly xml?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NONE: readonly DeadProperty[] = [];
/** Names of changed properties in an event. */
const NAMED_IN_EVENT = 32;
/** Attempts to change a record. Each failed one means that another server has changed it. */
const MAX_ATTEMPTS = 100;

/** Stores and reads dead properties. */
export class DeadProperties {
  readonly #store: Store;
  readonly #limiter: DavLimiter;
  readonly #creationInfo: CreationInfoCache;
  readonly #parsed = new WeakMap<World, PropertyRecord>();
  /** Changes of one record run one after another. */
  readonly #turns = new Turns();

  constructor(
    store: Store,
    creationInfo: CreationInfoCache,
    limiter: DavLimiter = new DavLimiter(DAV_LIMITS),
  ) {
    this.#store = store;
    this.#limiter = limiter;
    this.#creationInfo = creationInfo;
  }

  /** Whether no resource has dead properties; checked first by long listings. */
  get isEmpty(): boolean {
    return RECORD_FOLDERS.every((folder) => !this.#store.isCollection(folder));
  }

  /** Whether a resource has a record, without a disk access. */
  hasRecord(path: string): boolean {
    return this.#store.stat(recordWorldName(path)) !== undefined;
  }

  /** Reads the properties of a resource, in the order in which they were set. */
  async read(found: Resource): Promise<readonly DeadProperty[]> {
    return await this.#propertiesIn(await this.#readRecord(found.path), found);
  }

  async #readRecord(path: string): Promise<World | undefined> {
    const name = recordWorldName(path);
    if (this.#store.stat(name) === undefined) return undefined;
    return this.#store.peek(name) ?? await this.#store.read(name);
  }

  async #propertiesIn(
    world: World | undefined,
    found: Resource,
  ): Promise<readonly DeadProperty[]> {
    if (world === undefined) return NONE;
    let record = this.#parsed.get(world);
    if (record === undefined) this.#parsed.set(world, record = parseRecord(world.body));
    return record.worldId === await this.#identityOf(found) ? record.properties : NONE;
  }

  /**
   * Applies all changes or none.
   *
   * @param by the caller, as in events
   * @throws {Problem} `insufficient-storage` if the properties would exceed
   * the limits of one resource
   */
  async change(found: Resource, changes: readonly PropertyChange[], by: string): Promise<void> {
    const named = changes.map(toNameKey).slice(0, NAMED_IN_EVENT);
    await this.#turns.run(found.path, async () => {
      for (let attempt = 1;; attempt++) {
        const before = await this.#readRecord(found.path);
        const kept = new Map(
          (await this.#propertiesIn(before, found)).map((property) => [
            toNameKey(property),
            property,
          ]),
        );
        for (const { ns, name, xml } of changes) {
          const key = toNameKey({ ns, name });
          if (xml === undefined) kept.delete(key);
          else kept.set(key, { ns, name, xml });
        }
        try {
          const fields = { properties: named };
          return await this.#write(found, [...kept.values()], by, fields, onlyAfter(before));
        } catch (error) {
          // Another server has changed the record since it was read.
          const hasChanged = error instanceof StoreError && error.code === "precondition";
          if (!hasChanged || attempt === MAX_ATTEMPTS) throw error;
          await this.#store.refresh();
        }
      }
    });
  }

  /** Replaces all properties of a resource, for COPY and MOVE. */
  async replace(found: Resource, properties: readonly DeadProperty[], by: string): Promise<void> {
    if (properties.length === 0 && !this.hasRecord(found.path)) return;
    await this.#turns.run(
      found.path,
      () => this.#write(found, properties, by, { properties: properties.length }),
    );
  }

  /** Removes the properties of a deleted resource. */
  async remove(path: string): Promise<void> {
    if (!this.hasRecord(path)) return;
    await this.#turns.run(path, () => this.#drop(path));
  }

  /**
   * Writes the properties of a world for the path to which it is about to move, so that a crash after
   * the move loses none. The record is not held while the world is locked by another process.
   *
   * @returns false if a world has appeared at that path; its properties are not changed then
   */
  async carry(
    found: Resource,
    path: string,
    properties: readonly DeadProperty[],
    by: string,
  ): Promise<boolean> {
    const isFree = () => this.#store.stat(path.slice(1)) === undefined;
    if (!isFree()) return false;
    const moved = { ...found, path };
    const body = await this.#createRecord(moved, properties, by);
    await this.#noteChange(moved, body, by, { properties: properties.length });
    return await this.#turns.run(path, async () => {
      if (!isFree()) return false;
      // The record of the old path is removed after the move.
      await this.#putRecord({ path, body, by, from: recordWorldName(found.path) });
      return true;
    });
  }

  /** Removes the properties that {@link DeadProperties.carry} wrote for a move that failed. */
  async discard(path: string): Promise<void> {
    await this.#turns.run(path, async () => {
      if (this.#store.stat(path.slice(1)) === undefined) await this.#drop(path);
    });
  }

  async #write(
    found: Resource,
    properties: readonly DeadProperty[],
    by: string,
    eventFields: { readonly properties: unknown },
    condition: Conditional = {},
  ): Promise<void> {
    const body = await this.#createRecord(found, properties, by);
    const note = () => this.#noteChange(found, body, by, eventFields);
    if (properties.length > 0) {
      return await this.#putRecord({ path: found.path, body, by, before: note, ...condition });
    }
    await note();
    await this.#drop(found.path, condition);
  }

  async #createRecord(
    found: Resource,
    properties: readonly DeadProperty[],
    by: string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { path } = found;
    const worldId = await this.#identityOf(found);
    const text = JSON.stringify({ of: path, seal: worldId, by, properties });
    const body = encoder.encode(text);
    const { properties: most, propertyBytes } = this.#limiter.limits;
    if (properties.length > most || body.length > propertyBytes) {
      const problem = new Problem(
        "insufficient-storage",
        `Cannot store the properties of ${path}: they would be ${properties.length} properties in ` +
          `${body.length} bytes; at most ${most} in ${propertyBytes} bytes are allowed`,
      );
      const limit = properties.length > most ? "properties" : "propertyBytes";
      throw this.#limiter.refuse(limit, problem);
    }
    return body;
  }

  /**
   * Records in the chain of the world that its properties were changed, and by which caller. The
   * event is first, because the store can refuse it, and then nothing may be changed.
   */
  async #noteChange(
    { entry }: Resource,
    body: Uint8Array,
    by: string,
    eventFields: { readonly properties: unknown },
  ): Promise<void> {
    if (entry?.layer !== "upper") return;
    const payload = { ...eventFields, sha256: sha256Hex(body) };
    await this.#store.note({ name: entry.name, by, type: "properties_changed", payload });
  }

  async #putRecord(write: RecordWrite): Promise<void> {
    const { path, body, by, from, before, precondition } = write;
    await this.#store.put({
      name: recordWorldName(path),
      body,
      ext: "json",
      meta: [],
      by: RECORD_CALLER,
      eventFields: { of: path, for: by },
      owner: { name: path.slice(1), by },
      ...(from === undefined ? {} : { from }),
      ...(before === undefined ? {} : { before }),
      ...(precondition === undefined ? {} : { precondition }),
    });
  }

  async #drop(path: string, condition: Conditional = {}): Promise<void> {
    if (condition.precondition?.noneMatch !== undefined) return; // there is no record
    try {
      const name = recordWorldName(path);
      await this.#store.remove({ name, by: RECORD_CALLER, ...condition });
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "absent") throw error;
    }
  }

  async #identityOf({ entry, collection }: Resource): Promise<string> {
    if (entry === undefined || (collection && entry.layer === "lower")) return "";
    return (await this.#creationInfo.read(entry))?.id ?? "";
  }
}

/** The condition of a change of a record. */
type Conditional = { readonly precondition?: Precondition };

/** Lets a change of a record happen only while the record is the one that was read, or still none. */
function onlyAfter(record: World | undefined): Conditional {
  const precondition: Precondition = record === undefined
    ? { noneMatch: "*" }
    : { match: [{ version: record.version }] };
  return { precondition };
}

/** The write of a record. */
interface RecordWrite extends Conditional {
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The caller that set the properties. */
  readonly by: string;
  /** Name of the record that this one replaces. */
  readonly from?: string;
  /** Runs before the write, if the quotas have the space. */
  readonly before?: () => Promise<void>;
}

interface PropertyRecord {
  /** Identity of the world; the member `seal` of the stored JSON. */
  readonly worldId: string;
  readonly properties: readonly DeadProperty[];
}

/** Parses a record; content that is not a record, after an edit for example, has no properties. */
function parseRecord(body: Uint8Array): PropertyRecord {
  const empty = { worldId: "-", properties: NONE };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch {
    return empty; // not JSON
  }
  if (!isObject(value) || typeof value.seal !== "string" || !Array.isArray(value.properties)) {
    return empty;
  }
  const list: readonly unknown[] = value.properties;
  const properties = list.flatMap((item) => {
    if (!isObject(item)) return [];
    const { ns, name, xml } = item;
    const isProperty = typeof ns === "string" && typeof name === "string" &&
      typeof xml === "string";
    return isProperty ? [{ ns, name, xml }] : [];
  });
  return { worldId: value.seal, properties };
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
