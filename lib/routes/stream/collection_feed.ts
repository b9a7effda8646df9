/**
 * Feeds one stream with what happens below a collection: its listing at once, then an event a
 * changed world. Event ids count the machine's changes since its start, so a reader who comes back
 * gets the worlds that changed meanwhile, or the listing again when too much has happened.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { toListingRow } from "../../response/listing.ts";
import { toWorldJson } from "../../response/representation.ts";
import { encodeEvent } from "../../http/sse.ts";
import { type Change, type Store, StoreError, type World } from "../../world/store.ts";
import { type ReplayBuffer, replayBufferOf } from "./replay_buffer.ts";

/** What a feed of a collection needs. */
export interface CollectionFeedOptions {
  readonly store: Store;
  readonly caller: Caller;
  /** The collection's name without a slash at its end; `""` is everything. */
  readonly name: string;
  /** Leave the worlds' contents out. */
  readonly brief: boolean;
  readonly send: (bytes: Uint8Array) => boolean;
  /** Ends the stream when the feed cannot go on; its reader comes back and is told why. */
  readonly onError: () => void;
}

interface Encoded {
  readonly id: string;
  full?: Uint8Array<ArrayBuffer>;
  brief?: Uint8Array<ArrayBuffer>;
}

const encoded = new WeakMap<World, Encoded>();

/** Follows everything below one collection. */
export class CollectionFeed {
  readonly #options: CollectionFeedOptions;
  readonly #lastEventId: string | null;
  readonly #log: ReplayBuffer;
  #unwatch: () => void = () => {};
  #queue: Change[] = [];
  #busy = true;

  constructor(options: CollectionFeedOptions, lastEventId: string | null) {
    this.#options = options;
    this.#lastEventId = lastEventId;
    this.#log = replayBufferOf(options.store);
  }

  async start(): Promise<void> {
    const { store, name } = this.#options;
    this.#unwatch = store.watch(`${name}/`, (change) => this.#changed(change));
    const missed = this.#log.since(this.#lastEventId);
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
    const id = this.#log.eventId(store.seq);
    const children = await store.list(name);
    const shown = children.filter((child) =>
      canRead(caller, name === "" ? `/${child.name}` : `/${name}/${child.name}`)
    );
    send(encodeEvent({ event: "list", id, data: JSON.stringify(shown.map(toListingRow)) }));
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
        // Deleted meanwhile: the event that says so comes next.
        if (world !== undefined) this.#tell(change, world);
      } else this.#tell(change, change.world);
    }
    this.#busy = false;
  }

  /** A world that cannot be read is passed over: its neighbours' readers go on. */
  async #read(name: string): Promise<World | undefined> {
    try {
      return await this.#options.store.read(name);
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }

  #tell(change: Change, world: World | undefined): void {
    const id = this.#log.eventId(change.seq);
    const { brief, caller, send } = this.#options;
    if (world === undefined) {
      const { name, version } = change;
      send(encodeEvent({ event: "delete", id, data: JSON.stringify({ name, version }) }));
    } else send(updateOf(redactFor(caller, world), id, brief));
  }
}

/** A change as an event; encoded once for all its readers. */
function updateOf(world: World, id: string, brief: boolean): Uint8Array<ArrayBuffer> {
  let known = encoded.get(world);
  if (known?.id !== id) encoded.set(world, known = { id });
  return known[brief ? "brief" : "full"] ??= encodeEvent({
    event: "update",
    id,
    data: brief ? briefly(world) : JSON.stringify({ name: world.name, ...toWorldJson(world) }),
  });
}

function briefly({ name, version, ext, state, updatedAt, body }: World): string {
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
