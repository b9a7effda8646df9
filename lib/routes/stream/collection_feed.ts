/**
 * The event feed of a collection: sends its listing first, then one event per changed world. Event
 * ids are cursors of the one order of all changes, so that a reader that reconnects, also after a
 * restart of the server, gets the worlds that have changed since its last event. It gets the listing
 * again if too many changes happened, or if the server does not know the cursor. What several readers
 * get is encoded once.
 */

import { canRead, isRedacted, readScopeKey } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { toListingRow } from "../../response/listing.ts";
import { sharedListingsOf } from "../../response/shared_listings.ts";
import { toWorldJson } from "../../response/representation.ts";
import { type Pieces, splitIntoPieces } from "../../http/pieces.ts";
import { encodeEvent } from "../../http/sse.ts";
import { MAX_QUEUED_CHANGE_BYTES, MAX_STREAM_REPLAY_CHANGES } from "../../limits.ts";
import { StoreError, type World } from "../../world/store.ts";
import { type SelectedRow, selectListing } from "../listing/listing_selection.ts";
import { encodeContents } from "../listing/world_contents.ts";
import { type Feed, type FeedOptions, startFeed } from "./feed.ts";
import { readMissedChanges, type StreamedChange } from "./missed_changes.ts";
import { type SharedEvents, sharedEventsOf, versionKey } from "./shared_events.ts";

/** What a feed of a collection needs. */
export interface CollectionFeedOptions extends FeedOptions {
  /** Whether events omit the content of worlds. */
  readonly brief: boolean;
  /** Whether the listing has all worlds below the collection, with their full names. */
  readonly deep: boolean;
  /** Whether the listing has the contents of worlds, as far as they fit into one page. */
  readonly contents: boolean;
}

/** Follows every change below one collection for one reader. */
export class CollectionFeed implements Feed {
  readonly #options: CollectionFeedOptions;
  readonly #lastEventId: string | null;
  readonly #events: SharedEvents;
  #unwatch: () => void = () => {};
  #queue: StreamedChange[] = [];
  /** Versions that were sent with an earlier change than their own, by name, until their own comes. */
  readonly #ahead = new Map<string, number>();
  #busy = true;
  #stopped = false;

  constructor(options: CollectionFeedOptions, lastEventId: string | null) {
    this.#options = options;
    this.#lastEventId = lastEventId;
    this.#events = sharedEventsOf(options.store);
  }

  start(): Promise<void> {
    return startFeed((onStarted) => this.#run(onStarted), this.#options.onError);
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    this.#queue = [];
  }

  async #run(onStarted: () => void): Promise<void> {
    const { store, caller, name } = this.#options;
    // The reader can come from another server that was ahead: what it has already must not follow.
    if (store.isShared && this.#lastEventId !== null) await store.refresh();
    // Follows before it reads: a change in between is then known twice, but never missed.
    let listed = 0;
    // The connection before can have sent later versions than its last cursor.
    let known = this.#lastEventId === null ? 0 : store.seq;
    this.#unwatch = store.follow(`${name}/`, ({ change, cursor }) => {
      // The listing contains changes that get their cursors a moment later.
      if (change === undefined || change.seq <= listed) return;
      if (change.seq > known) this.#changed({ ...change, cursor });
      else if (this.#isLatest(change)) this.#changed({ ...withoutBody(change), cursor });
    });
    const missed = await readMissedChanges(store, caller, name, this.#lastEventId);
    if (missed.changes === undefined) {
      listed = store.seq;
      this.#queue = [];
      await this.#sendListing(missed.cursor);
      // The listing can have later versions: it was made while worlds changed.
      known = store.seq;
      this.#queue = this.#queue.filter((change) => this.#isLatest(change)).map(withoutBody);
    } else {
      // A change that a later one replaces would otherwise be sent after it.
      this.#queue = this.#queue.filter(({ cursor }) => !missed.known.has(cursor));
      this.#queue.unshift(...missed.changes);
    }
    await this.#drain(onStarted);
  }

  /** Whether a change without its content shows the current state; the event of a new world follows. */
  #isLatest({ kind, name }: Pick<StreamedChange, "kind" | "name">): boolean {
    return kind !== "delete" || this.#options.store.stat(name) === undefined;
  }

  /** Sends the listing. Callers that can read the same worlds share it until the next change. */
  async #sendListing(id: string): Promise<void> {
    const { store, name, caller, send, deep, contents } = this.#options;
    const scope = readScopeKey(caller);
    const list = async (): Promise<Pieces> => {
      const data =
        await (deep || contents
          ? sharedListingsOf(store).queue(() => this.#encodeRows())
          : this.#encodeRows());
      return splitIntoPieces(encodeEvent({ event: "list", id, data }));
    };
    const kind = `list ${deep} ${contents}`;
    const bytes = scope === undefined ? await list() : await this.#events.load(
      `${kind}\n${name}\n${id}\n${store.listingRevision}\n${scope}`,
      list,
    );
    if (bytes !== undefined) send(bytes);
  }

  /** Encodes the listing; with contents, rows beyond the limit of a page have no content. */
  async #encodeRows(): Promise<string> {
    const { store, name, caller, deep, contents } = this.#options;
    const { slices } = sharedListingsOf(store);
    const { rows } = await selectListing(store, caller, name, { deep, order: "name" }, slices);
    const nameOf = ({ child }: SelectedRow) =>
      deep || name === "" ? child.name : `${name}/${child.name}`;
    const access = { childOf: ({ child }: SelectedRow) => child, nameOf };
    const encoded = contents
      ? (await encodeContents(store, caller, rows, access, slices))
      : { rows: [], isCut: true };
    const last = encoded.rows.at(-1)?.row;
    const rest = encoded.isCut ? rows.slice(last === undefined ? 0 : rows.indexOf(last) + 1) : [];
    const texts = encoded.rows.map(({ json }) => json);
    for (const row of rest) {
      if (slices.isOver) await slices.next();
      texts.push(JSON.stringify(toListingRow(row.child, isRedacted(caller, `/${nameOf(row)}`))));
    }
    return `[${texts.join(",")}]`;
  }

  #changed(change: StreamedChange): void {
    if (!canRead(this.#options.caller, `/${change.name}`)) return;
    if (!this.#busy && (change.kind === "delete" || change.world !== undefined)) {
      if (!this.#isPast(change)) this.#send(change, change.world);
      return;
    }
    // The reader lags too far behind, as if the events had been sent.
    if (this.#queue.length >= MAX_STREAM_REPLAY_CHANGES) return this.#options.onError();
    // A long content is read again instead of being held for a slow reader.
    const { world, ...rest } = change;
    this.#queue.push(world && world.body.length <= MAX_QUEUED_CHANGE_BYTES ? change : rest);
    if (this.#busy) return;
    this.#busy = true;
    this.#drain(() => {}).catch(() => this.#options.onError());
  }

  async #drain(onStarted: () => void): Promise<void> {
    const { caller, drained } = this.#options;
    for (let change = this.#queue.shift(); change !== undefined; change = this.#queue.shift()) {
      if (!canRead(caller, `/${change.name}`) || this.#isPast(change)) continue;
      if (change.kind === "delete" || change.world !== undefined) {
        this.#send(change, change.world);
        continue;
      }
      const wait = drained?.();
      if (wait !== undefined) {
        onStarted();
        await wait;
      }
      if (this.#stopped) return;
      await this.#sendCurrent(change);
    }
    this.#busy = false;
  }

  /** Sends the current version of a changed world; it is read only if no other reader waits for it. */
  async #sendCurrent(change: StreamedChange): Promise<void> {
    const { store, caller, send } = this.#options;
    const entry = store.stat(change.name);
    const shared = entry && this.#events.get(this.#keyOf(change, versionKey(entry, caller)));
    if (entry !== undefined && shared !== undefined) {
      this.#note(change, entry.version);
      send(shared);
      return;
    }
    const world = await this.#read(change.name);
    // If the world was deleted since, the delete event follows.
    if (world === undefined) return;
    this.#note(change, world.version);
    this.#send(change, world);
  }

  /** Notes a version that is sent with an earlier change. */
  #note({ name, version: own }: StreamedChange, version: number): void {
    if (version > own) this.#ahead.set(name, version);
  }

  /** Whether the reader has a later version of the world than a change made. */
  #isPast({ name, version }: StreamedChange): boolean {
    const ahead = this.#ahead.get(name) ?? 0;
    if (version < ahead) return true;
    this.#ahead.delete(name);
    return false;
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

  #send(change: StreamedChange, world: World | undefined): void {
    const { brief, caller, send } = this.#options;
    const id = change.cursor;
    const version = world === undefined ? "deleted" : versionKey(world, caller);
    const encode = () =>
      world === undefined
        ? encodeDelete(change, id)
        : encodeUpdate(redactFor(caller, world), id, brief);
    send(this.#events.share(this.#keyOf(change, version), encode));
  }

  #keyOf({ name, cursor }: StreamedChange, version: string): string {
    return `${this.#options.brief ? "brief" : "full"}\n${name}\n${cursor}\n${version}`;
  }
}

/** Returns a change for which the reader gets the current state. */
function withoutBody<T extends { readonly world?: World }>({ world: _, ...change }: T) {
  return change;
}

function encodeDelete({ name, version }: StreamedChange, id: string): Pieces {
  return splitIntoPieces(
    encodeEvent({ event: "delete", id, data: JSON.stringify({ name, version }) }),
  );
}

function encodeUpdate(world: World, id: string, brief: boolean): Pieces {
  return splitIntoPieces(encodeEvent({
    event: "update",
    id,
    data: brief ? formatBrief(world) : JSON.stringify({ name: world.name, ...toWorldJson(world) }),
  }));
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
