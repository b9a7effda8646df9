/**
 * The event feed of one world: sends missed versions, the current one, and every later one. A
 * version is encoded once for all its readers. Versions are never sent twice or out of order. If
 * changes arrive faster than they can be read, only the newest is sent.
 */

import type { Caller } from "../../auth/caller.ts";
import { redactFor } from "../../auth/redact.ts";
import { toWorldJson } from "../../response/representation.ts";
import { encodeEvent } from "../../http/sse.ts";
import { MAX_STREAM_REPLAY_VERSIONS } from "../../limits.ts";
import { type Change, type Store, StoreError, type World } from "../../world/store.ts";

/** What a feed of one world needs. */
export interface WorldFeedOptions {
  readonly store: Store;
  readonly caller: Caller;
  readonly name: string;
  /** Sends bytes to the reader; returns false if it has disconnected. */
  readonly send: (bytes: Uint8Array) => boolean;
  /**
   * Ends the stream if the world cannot be read. The reader reconnects and gets the error as a
   * response.
   */
  readonly onError: () => void;
}

const encoded = new WeakMap<World, Uint8Array<ArrayBuffer>>();

/** Encodes a version as an event, once for all readers. */
export function encodeUpdate(world: World): Uint8Array<ArrayBuffer> {
  let bytes = encoded.get(world);
  if (bytes === undefined) {
    bytes = encodeEvent({
      event: "update",
      id: String(world.version),
      data: JSON.stringify(toWorldJson(world)),
    });
    encoded.set(world, bytes);
  }
  return bytes;
}

/** Follows one world for one reader. */
export class WorldFeed {
  readonly #options: WorldFeedOptions;
  readonly #lastEventId: string | null;
  #unwatch: () => void = () => {};
  /** The newest change that arrived during a read; older ones are dropped. */
  #pending: Change | undefined;
  #busy = true;
  /** The version that the reader has. */
  #sent: World | undefined;

  constructor(options: WorldFeedOptions, lastEventId: string | null) {
    this.#options = options;
    this.#lastEventId = lastEventId;
  }

  async start(): Promise<void> {
    const { store, name } = this.#options;
    // Watches before it reads: a change in between is then seen twice, but never missed.
    this.#unwatch = store.watch(name, (change) => this.#changed(change));
    const world = await store.read(name);
    const lastVersion = versionOf(this.#lastEventId);
    if (world !== undefined) await this.#catchUp(world, lastVersion);
    else if (lastVersion !== undefined) this.#sendDelete(lastVersion);
    await this.#drain();
  }

  stop(): void {
    this.#unwatch();
  }

  /**
   * Sends the versions that a reconnecting reader has missed, as far as they are kept, and the
   * current one.
   */
  async #catchUp(world: World, lastVersion: number | undefined): Promise<void> {
    if (lastVersion === world.version) {
      this.#sent = world;
      return;
    }
    if (lastVersion !== undefined && lastVersion < world.version) {
      const first = Math.max(lastVersion + 1, world.version - MAX_STREAM_REPLAY_VERSIONS);
      for (let version = first; version < world.version; version++) {
        const missed = await this.#readVersion(version);
        if (missed !== undefined) this.#send(missed);
      }
    }
    this.#send(world);
  }

  async #readVersion(version: number): Promise<World | undefined> {
    try {
      return await this.#options.store.readAt(this.#options.name, version);
    } catch (error) {
      // The history limit has dropped this version; the reader gets the remaining ones.
      if (error instanceof StoreError && (error.code === "gone" || error.code === "absent")) {
        return undefined;
      }
      throw error;
    }
  }

  #changed(change: Change): void {
    if (this.#busy || (change.kind === "update" && change.world === undefined)) {
      this.#pending = change;
      if (this.#busy) return;
      this.#busy = true;
      this.#drain().catch(() => this.#options.onError());
    } else this.#sendChange(change, change.world);
  }

  async #drain(): Promise<void> {
    const { store, name } = this.#options;
    while (this.#pending !== undefined) {
      const change = this.#pending;
      this.#pending = undefined;
      const world = change.kind === "delete" ? undefined : change.world ?? await store.read(name);
      this.#sendChange(change, world);
    }
    this.#busy = false;
  }

  #sendChange(change: Change, world: World | undefined): void {
    if (world !== undefined) this.#send(world);
    else this.#sendDelete(change.version);
  }

  #sendDelete(version: number): void {
    this.#sent = undefined;
    const data = JSON.stringify({ name: this.#options.name, version });
    this.#options.send(encodeEvent({ event: "delete", id: String(version), data }));
  }

  #send(world: World): void {
    if (isSame(this.#sent, world)) return;
    this.#sent = world;
    this.#options.send(encodeUpdate(redactFor(this.#options.caller, world)));
  }
}

/** Parses the version in a Last-Event-ID. */
function versionOf(lastEventId: string | null): number | undefined {
  return lastEventId !== null && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined;
}

/**
 * The version number is not sufficient: it starts again after a delete, and the state of a plugin
 * can change without a new version.
 */
function isSame(a: World | undefined, b: World): boolean {
  return a?.version === b.version && a.updatedAt === b.updatedAt && a.sha256 === b.sha256;
}
