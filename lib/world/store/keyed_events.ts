/**
 * Events with an idempotency key that the change index does not have yet, so that a repeated request
 * finds them at once.
 */

import type { CommittedEvent, KeyedEvent } from "../changes.ts";
import { readMark } from "../idempotency_mark.ts";

/** See the module. */
export class KeyedEvents {
  readonly #events = new Map<string, readonly KeyedEvent[]>();

  /** Returns the events of a key. */
  get(key: string): readonly KeyedEvent[] {
    return this.#events.get(key) ?? [];
  }

  /** Remembers the events that have a key; returns the key. */
  add(name: string, events: readonly CommittedEvent[]): string | undefined {
    let key: string | undefined;
    for (const { id, timestamp, type, payload } of events) {
      const mark = readMark(payload);
      if (mark === undefined) continue;
      key = mark.key;
      const event = { name, id, timestamp, type, payload: JSON.parse(payload) };
      this.#events.set(key, [...this.get(key), event]);
    }
    return key;
  }

  /** Forgets the events of a name with a key: the index has them. */
  remove(name: string, key: string): void {
    const others = this.get(key).filter((event) => event.name !== name);
    if (others.length === 0) this.#events.delete(key);
    else this.#events.set(key, others);
  }
}
