/**
 * Follows the changes of a server that is killed again and again, as a client does that keeps its
 * cursor: no event may be missing, none may come twice, and a cursor must stay valid.
 */

import { assert, assertEquals } from "../support/assert.ts";
import type { ServerProcess } from "./server_process.ts";

/** Longest time until an event of a log is received, in milliseconds. */
const MAX_WAIT_MS = 120_000;

/** An event, as the log of its world and the changes show it. */
export interface ChangeEvent {
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: unknown;
}

/** A client that keeps its cursor while the server is killed. */
export class ChangeFollower {
  /** Events that were received, without the names of their worlds, which a move changes. */
  readonly #events = new Set<string>();
  readonly #named = new Set<string>();
  readonly #cursors = new Set<string>();
  readonly #headers: Record<string, string>;
  #cursor = "";
  #reading: Promise<number> | undefined;

  /** @param headers the credential of a caller that can read everything */
  constructor(headers: Record<string, string>) {
    this.#headers = { ...headers, accept: "application/json" };
  }

  /** Number of events that were received. */
  get count(): number {
    return this.#events.size;
  }

  /**
   * Follows until the server has ended.
   *
   * @param isOver whether to end before that; asked after each response
   */
  async run(server: ServerProcess, isOver = () => false): Promise<void> {
    try {
      while (!isOver()) await this.#read(server, "&wait=20&limit=20");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the connection broke: the server is dead
    }
  }

  /**
   * Waits until all events of a log were received. The server completes its index after a crash while it
   * answers requests.
   */
  async waitForAll(
    server: ServerProcess,
    where: string,
    log: readonly ChangeEvent[],
  ): Promise<void> {
    const end = performance.now() + MAX_WAIT_MS;
    for (;;) {
      const missed = log.find((event) => !this.#events.has(keyOf(event)));
      if (missed === undefined) return;
      assert(performance.now() < end, `${where}: missed ${JSON.stringify(missed)}`);
      // One request at a time, because each continues from the cursor of the one before.
      await (this.#reading ??= this.#read(server, "&wait=1&limit=1000").finally(() => {
        this.#reading = undefined;
      }));
    }
  }

  async #read(server: ServerProcess, query: string): Promise<number> {
    const after = this.#cursor === "" ? "" : `after=${this.#cursor}`;
    const { status, text } = await server.ask(`/proc/changes/?${after}${query}`, {
      headers: this.#headers,
    });
    if (status === 503) {
      // The index of a server that has just started is not complete.
      await new Promise((resume) => setTimeout(resume, 100));
      return 0;
    }
    assertEquals(status, 200, text);
    const { changes, cursor }: {
      changes: (ChangeEvent & { name: string; cursor: string })[];
      cursor: string;
    } = JSON
      .parse(text);
    for (const change of changes) {
      assertEquals(
        this.#cursors.has(change.cursor),
        false,
        `the cursor ${change.cursor} came twice`,
      );
      this.#cursors.add(change.cursor);
      // Two worlds can have the same event.
      const key = `${change.name} ${keyOf(change)}`;
      assertEquals(this.#named.has(key), false, `the event ${key} came twice`);
      this.#named.add(key);
      this.#events.add(keyOf(change));
    }
    this.#cursor = cursor;
    return changes.length;
  }
}

function keyOf({ id, timestamp, type, payload }: ChangeEvent): string {
  return JSON.stringify([id, timestamp, type, payload]);
}
