/**
 * Feeds one stream with the versions of one world: what it missed, what is current, what comes. The
 * same version is encoded once for all its readers. It never sends a version twice or out of order;
 * a reader who does not wait for the store is told of the newest one alone.
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
  /** Hands bytes to the reader; false when the reader is gone. */
  readonly send: (bytes: Uint8Array) => boolean;
  /** Ends the stream when the world cannot be read; its reader comes back and is told why. */
  readonly onError: () => void;
}

const encoded = new WeakMap<World, Uint8Array<ArrayBuffer>>();

/** One version as an event; encoded once. */
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

/** Follows one world. */
export class WorldFeed {
  readonly #options: WorldFeedOptions;
  readonly #lastEventId: string | null;
  #unwatch: () => void = () => {};
  /** Changes that came while something is being read; afterwards only the newest counts. */
  #behind: Change | undefined;
  #busy = true;
  /** What the reader has. */
  #sent: World | undefined;

  constructor(options: WorldFeedOptions, lastEventId: string | null) {
    this.#options = options;
    this.#lastEventId = lastEventId;
  }

  async start(): Promise<void> {
    const { store, name } = this.#options;
    // First the watch, then the look: what changes in between is seen twice rather than never.
    this.#unwatch = store.watch(name, (change) => this.#changed(change));
    const world = await store.read(name);
    const seen = versionOf(this.#lastEventId);
    if (world !== undefined) await this.#catchUp(world, seen);
    else if (seen !== undefined) this.#sendDelete(seen);
    await this.#drain();
  }

  stop(): void {
    this.#unwatch();
  }

  /** Sends what a reader who reconnects has missed, as far as it is kept, and the current state. */
  async #catchUp(world: World, seen: number | undefined): Promise<void> {
    if (seen === world.version) {
      this.#sent = world;
      return;
    }
    if (seen !== undefined && seen < world.version) {
      const first = Math.max(seen + 1, world.version - MAX_STREAM_REPLAY_VERSIONS);
      for (let version = first; version < world.version; version++) {
        const missed = await this.#kept(version);
        if (missed !== undefined) this.#send(missed);
      }
    }
    this.#send(world);
  }

  async #kept(version: number): Promise<World | undefined> {
    try {
      return await this.#options.store.readAt(this.#options.name, version);
    } catch (error) {
      // Let go by the history bound: the reader gets what is left, and the current state.
      if (error instanceof StoreError && (error.code === "gone" || error.code === "absent")) {
        return undefined;
      }
      throw error;
    }
  }

  #changed(change: Change): void {
    if (this.#busy || (change.kind === "update" && change.world === undefined)) {
      this.#behind = change;
      if (this.#busy) return;
      this.#busy = true;
      this.#drain().catch(() => this.#options.onError());
    } else this.#tell(change, change.world);
  }

  async #drain(): Promise<void> {
    const { store, name } = this.#options;
    while (this.#behind !== undefined) {
      const change = this.#behind;
      this.#behind = undefined;
      const world = change.kind === "delete" ? undefined : change.world ?? await store.read(name);
      this.#tell(change, world);
    }
    this.#busy = false;
  }

  #tell(change: Change, world: World | undefined): void {
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

/** The version a Last-Event-ID names. */
function versionOf(lastEventId: string | null): number | undefined {
  return lastEventId !== null && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined;
}

/** A version number alone begins anew after a delete, and a state may change without a new one. */
function isSame(a: World | undefined, b: World): boolean {
  return a?.version === b.version && a.updatedAt === b.updatedAt && a.sha256 === b.sha256;
}
