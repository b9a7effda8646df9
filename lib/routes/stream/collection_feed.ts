/**
 * The event feed of a collection: sends its listing first, then one event per changed world. Event
 * ids count the changes of the server since its start. A reader that reconnects gets the worlds
 * that have changed since its last event, or the listing again if too many changes happened.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead, isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { toListingRow } from "../../response/listing.ts";
import { toWorldJson } from "../../response/representation.ts";
import { encodeEvent } from "../../http/sse.ts";
import { type Change, type Child, type Store, StoreError, type World } from "../../world/store.ts";
import { type ReplayBuffer, replayBufferOf } from "./replay_buffer.ts";

/** What a feed of a collection needs. */
export interface CollectionFeedOptions {
  readonly store: Store;
  readonly caller: Caller;
  /** Name of the collection without a trailing slash; `""` is the whole tree. */
  readonly name: string;
  /** Whether events omit the content of worlds. */
  readonly brief: boolean;
  /** Sends bytes to the reader; returns false if it has disconnected. */
  readonly send: (bytes: Uint8Array) => boolean;
  /** Ends the stream after an error. The reader reconnects and gets the error as a response. */
  readonly onError: () => void;
}

interface EncodedEvents {
  readonly id: string;
  full?: Uint8Array<ArrayBuffer>;
  brief?: Uint8Array<ArrayBuffer>;
}

const encodedEvents = new WeakMap<World, EncodedEvents>();

/** Follows every change below one collection for one reader. */
export class CollectionFeed {
  readonly #options: CollectionFeedOptions;
  readonly #lastEventId: string | null;
  readonly #replay: ReplayBuffer;
  #unwatch: () => void = () => {};
  #queue: Change[] = [];
  #busy = true;

  constructor(options: CollectionFeedOptions, lastEventId: string | null) {
    this.#options = options;
    this.#lastEventId = lastEventId;
    this.#replay = replayBufferOf(options.store);
  }

  async start(): Promise<void> {
    const { store, name } = this.#options;
    this.#unwatch = store.watch(`${name}/`, (change) => this.#changed(change));
    const missed = this.#replay.since(this.#lastEventId);
    if (missed === undefined) await this.#sendListing();
    else {
      const prefix = name === "" ? "" : `${name}/`;
      this.#queue.unshift(...missed.filter((change) => change.name.startsWith(prefix)));
    }
    await this.#drain();
  }

  stop(): void {
    this.#unwatch();
    this.#queue = [];
  }

  async #sendListing(): Promise<void> {
    const { store, name, caller, send } = this.#options;
    const id = this.#replay.eventId(store.seq);
    const children = await store.list(name);
    const pathOf = (child: Child) => name === "" ? `/${child.name}` : `/${name}/${child.name}`;
    const rows = children.filter((child) => canRead(caller, pathOf(child)))
      .map((child) => toListingRow(child, isRedacted(caller, pathOf(child))));
    send(encodeEvent({ event: "list", id, data: JSON.stringify(rows) }));
  }

  #changed(change: Change): void {
    if (!canRead(this.#options.caller, `/${change.name}`)) return;
    this.#queue.push(change);
    if (this.#busy) return;
    this.#busy = true;
    this.#drain().catch(() => this.#options.onError());
  }

  async #drain(): Promise<void> {
    for (let change = this.#queue.shift(); change !== undefined; change = this.#queue.shift()) {
      if (!canRead(this.#options.caller, `/${change.name}`)) continue;
      if (change.kind === "update" && change.world === undefined) {
        const world = await this.#read(change.name);
        // The world was deleted since; the delete event follows.
        if (world !== undefined) this.#sendChange(change, world);
      } else this.#sendChange(change, change.world);
    }
    this.#busy = false;
  }

  /**
   * Reads a world; one that cannot be read is skipped, so that the feed continues with the others.
   */
  async #read(name: string): Promise<World | undefined> {
    try {
      return await this.#options.store.read(name);
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }

  #sendChange(change: Change, world: World | undefined): void {
    const id = this.#replay.eventId(change.seq);
    const { brief, caller, send } = this.#options;
    if (world === undefined) {
      const { name, version } = change;
      send(encodeEvent({ event: "delete", id, data: JSON.stringify({ name, version }) }));
    } else send(encodeUpdate(redactFor(caller, world), id, brief));
  }
}

/** Encodes a change as an event, once for all readers. */
function encodeUpdate(world: World, id: string, brief: boolean): Uint8Array<ArrayBuffer> {
  let cached = encodedEvents.get(world);
  if (cached?.id !== id) encodedEvents.set(world, cached = { id });
  return cached[brief ? "brief" : "full"] ??= encodeEvent({
    event: "update",
    id,
    data: brief ? formatBrief(world) : JSON.stringify({ name: world.name, ...toWorldJson(world) }),
  });
}

function formatBrief({ name, version, ext, state, updatedAt, body }: World): string {
  return JSON.stringify({
    name,
    version,
    ext,
    type: ext,
    updated_at: updatedAt,
    len: body.length,
    ...(state === "" ? {} : { state }),
  });
}
