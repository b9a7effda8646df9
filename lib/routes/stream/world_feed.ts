/**
 * The event feed of one world: sends missed versions, the current one, and every later one, as far as
 * they are kept. A version is encoded once for all its readers. Versions are never sent twice or out of
 * order, also if the reader comes from another server of a shared store that was ahead. Versions that
 * are not in memory are read one by one, as fast as the reader takes them; a reader that is too far
 * behind gets the newest ones.
 */

import { isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { toWorldJson } from "../../response/representation.ts";
import { type Pieces, splitIntoPieces } from "../../http/pieces.ts";
import { encodeEvent } from "../../http/sse.ts";
import { MAX_STREAM_REPLAY_VERSIONS } from "../../limits.ts";
import { type Change, StoreError, type World } from "../../world/store.ts";
import { type Feed, type FeedOptions, startFeed } from "./feed.ts";
import { type SharedEvents, sharedEventsOf, versionKey } from "./shared_events.ts";

interface Version {
  readonly version: number;
  readonly key: string;
  readonly bytes: Pieces;
}

/** Follows one world for one reader. */
export class WorldFeed implements Feed {
  readonly #options: FeedOptions;
  readonly #lastEventId: string | null;
  readonly #events: SharedEvents;
  #unwatch: () => void = () => {};
  /** The newest change that arrived during a read; older ones are dropped. */
  #pending: Change | undefined;
  #busy = true;
  #isStopped = false;
  /** Key of the version that the reader has. */
  #sent: string | undefined;
  /** Number of the newest version that the reader has, also of a deleted world; undefined without one. */
  #reached: number | undefined;

  constructor(options: FeedOptions, lastEventId: string | null) {
    this.#options = options;
    this.#lastEventId = lastEventId;
    this.#events = sharedEventsOf(options.store);
  }

  start(): Promise<void> {
    return startFeed((onStarted) => this.#run(onStarted), this.#options.onError);
  }

  stop(): void {
    this.#isStopped = true;
    this.#unwatch();
    this.#pending = undefined;
  }

  async #run(onStarted: () => void): Promise<void> {
    const { store, name } = this.#options;
    // Watches before it reads: a change in between is then seen twice, but never missed.
    this.#unwatch = store.watch(name, (change) => this.#changed(change));
    const last = versionOf(this.#lastEventId);
    let current = await this.#loadCurrent();
    // The id of an event is a version, and the state of a plugin changes without a new one.
    const hasState = (store.stat(name)?.state ?? "") !== "";
    const isUnsure = last !== undefined && (hasState || (current?.version ?? -1) < last);
    if (store.isShared && isUnsure) {
      // The server that the reader comes from can have known more than this one.
      await store.refresh();
      current = await this.#loadCurrent();
    }
    if (current === undefined) {
      if (last !== undefined) this.#sendDelete(last);
    } else if (last === current.version && !hasState) {
      [this.#sent, this.#reached] = [current.key, last];
    } else if (last === undefined || last >= current.version) this.#send(current);
    else {
      this.#reached = last;
      await this.#catchUp(onStarted);
    }
    await this.#drain();
  }

  /** Sends the versions after the last one that the reader has, as far as they are kept. */
  async #catchUp(onStarted?: () => void): Promise<void> {
    const { store, name, drained, send } = this.#options;
    for (let version = (this.#reached ?? Infinity) + 1;;) {
      const wait = drained?.();
      if (wait !== undefined) {
        onStarted?.();
        await wait;
      }
      let current = store.stat(name)?.version;
      if (current === undefined) return; // deleted since; the event of the deletion is pending
      if (version >= current) {
        const found = await this.#loadCurrent();
        if (found === undefined) return;
        if (version >= found.version) return this.#send(found);
        current = found.version; // a later one was written during the read
      }
      version = Math.max(version, current - MAX_STREAM_REPLAY_VERSIONS);
      const missed = await this.#loadVersion(version++);
      if (this.#isStopped || missed !== undefined && !send(missed)) return;
      this.#reached = version - 1;
    }
  }

  /** Returns the current version; it is read only if no other reader waits for it. */
  async #loadCurrent(): Promise<Version | undefined> {
    const { store, name, caller } = this.#options;
    const entry = store.stat(name);
    if (entry !== undefined) {
      const key = versionKey(entry, caller);
      const bytes = this.#events.get(key);
      if (bytes !== undefined) return { version: entry.version, key, bytes };
    }
    const world = await store.read(name);
    return world && this.#encode(world);
  }

  #encode(world: World): Version {
    const { caller } = this.#options;
    const key = versionKey(world, caller);
    const encode = () => encodeUpdate(redactFor(caller, world));
    return { version: world.version, key, bytes: this.#events.share(key, encode) };
  }

  /** Returns an earlier version, or undefined if it is no longer kept. */
  #loadVersion(version: number): Promise<Pieces | undefined> {
    const { store, name, caller } = this.#options;
    const view = isRedacted(caller, `/${name}`) ? "redacted" : "";
    return this.#events.load(`at\n${name}\n${version}\n${view}`, async () => {
      try {
        return encodeUpdate(redactFor(caller, await store.readAt(name, version)));
      } catch (error) {
        // The history limit has dropped this version; the reader gets the remaining ones.
        if (error instanceof StoreError && (error.code === "gone" || error.code === "absent")) {
          return undefined;
        }
        throw error;
      }
    });
  }

  #changed(change: Change): void {
    if (!this.#busy && change.version >= (this.#reached ?? 0)) {
      if (change.kind === "delete") return this.#sendDelete(change.version);
      if (change.world !== undefined) return this.#send(this.#encode(change.world));
    }
    // Without the content, which would otherwise be held for a slow reader.
    const { world: _, ...rest } = change;
    this.#pending = rest;
    if (this.#busy) return;
    this.#busy = true;
    this.#drain().catch(() => this.#options.onError());
  }

  async #drain(): Promise<void> {
    const { store, name, caller } = this.#options;
    while (this.#pending !== undefined) {
      const { kind, version } = this.#pending;
      this.#pending = undefined;
      // A read can have returned more than memory has.
      if (store.isShared && version < (this.#reached ?? 0)) await store.refresh();
      const entry = store.stat(name);
      if (entry !== undefined) {
        if (versionKey(entry, caller) !== this.#sent) await this.#catchUp();
      } else if (kind === "delete") this.#sendDelete(version);
      // If an updated world is absent, the event of its deletion follows.
    }
    this.#busy = false;
  }

  #sendDelete(version: number): void {
    this.#sent = undefined;
    this.#reached = version;
    const data = JSON.stringify({ name: this.#options.name, version });
    this.#options.send(
      splitIntoPieces(encodeEvent({ event: "delete", id: String(version), data })),
    );
  }

  #send({ version, key, bytes }: Version): void {
    if (this.#sent === key || this.#isStopped) return;
    this.#sent = key;
    this.#reached = Math.max(this.#reached ?? 0, version);
    this.#options.send(bytes);
  }
}

function encodeUpdate(world: World): Pieces {
  return splitIntoPieces(encodeEvent({
    event: "update",
    id: String(world.version),
    data: JSON.stringify(toWorldJson(world)),
  }));
}

/** Parses the version in a Last-Event-ID. */
function versionOf(lastEventId: string | null): number | undefined {
  return lastEventId !== null && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined;
}
