/**
 * Events with an idempotency key that the change index does not have yet, so that a repeated request
 * finds them at once. While the index cannot be written they would grow without end; once this is full
 * the server takes no further keys.
 */

import { MAX_WAITING_KEYED_CHARS } from "../../limits.ts";
import type { CommittedEvent, KeyedEvent } from "../changes.ts";
import { readMark } from "../idempotency_mark.ts";
import { StoreError } from "../store.ts";

/** Memory of an event without its text, as compared with characters. */
const EVENT_CHARS = 512;

/** An event with the memory that it takes. */
interface Held {
  readonly event: KeyedEvent;
  readonly chars: number;
}

/** See the module. */
export class KeyedEvents {
  /** The events by key and name: a request can delete the worlds of a long collection. */
  readonly #events = new Map<string, Map<string, Held[]>>();
  #chars = 0;

  /** Returns the events of a key. */
  get(key: string): readonly KeyedEvent[] {
    return [...this.#events.get(key)?.values() ?? []].flat().map(({ event }) => event);
  }

  /** Remembers the events that have a key; returns the key. */
  add(name: string, events: readonly CommittedEvent[]): string | undefined {
    let key: string | undefined;
    for (const { id, timestamp, type, payload } of events) {
      const mark = readMark(payload);
      if (mark === undefined) continue;
      key = mark.key;
      const event = { name, id, timestamp, type, payload: JSON.parse(payload) };
      const names = this.#events.get(key) ?? new Map<string, Held[]>();
      this.#events.set(key, names);
      const chars = EVENT_CHARS + payload.length;
      names.set(name, [...names.get(name) ?? [], { event, chars }]);
      this.#chars += chars;
    }
    return key;
  }

  /** Forgets the events of a name with some keys: the index has them. */
  remove(name: string, ...keys: readonly string[]): void {
    for (const key of keys) {
      const names = this.#events.get(key);
      for (const { chars } of names?.get(name) ?? []) this.#chars -= chars;
      names?.delete(name);
      if (names?.size === 0) this.#events.delete(key);
    }
  }

  /**
   * Returns the events of a key: those of the index, and those that waited for it before.
   *
   * @throws {StoreError} `busy` if there are none, and those of the key could not be remembered
   */
  join(indexed: readonly KeyedEvent[], waiting: readonly KeyedEvent[]): readonly KeyedEvent[] {
    const known = new Set(indexed.map(identityOf));
    const found = [...indexed, ...waiting.filter((event) => !known.has(identityOf(event)))];
    if (found.length > 0 || this.#chars < MAX_WAITING_KEYED_CHARS) return found;
    throw new StoreError(
      "busy",
      "Cannot use an Idempotency-Key: no further Idempotency-Key can be remembered, because the index " +
        "of changes cannot be written; try again later, or send no key",
    );
  }
}

function identityOf({ name, id, timestamp }: KeyedEvent): string {
  return `${id} ${timestamp} ${name}`;
}
