/**
 * What the feeds of worlds and collections share: how they send, how they wait for their reader, and
 * when their start is complete.
 */

import type { Caller } from "../../auth/caller.ts";
import type { Store } from "../../world/store.ts";
import type { Pieces } from "../../http/pieces.ts";

/** Sends the events of one stream until it ends. */
export interface Feed {
  /**
   * Sends the current state and starts to follow changes. The promise is fulfilled when the response
   * can begin: the current state was sent, or the reader must take something first.
   *
   * @throws any error before that, which becomes the response
   */
  start(): Promise<void>;
  /** Stops following changes. */
  stop(): void;
}

/** What every feed needs. */
export interface FeedOptions {
  readonly store: Store;
  readonly caller: Caller;
  /** Name of the world, or of the collection without a trailing slash; `""` is the whole tree. */
  readonly name: string;
  /** Sends an event to the reader; returns false if it has disconnected. */
  readonly send: (event: Pieces) => boolean;
  /**
   * Waits until the reader has taken everything. Absent or undefined: there is nothing to wait for.
   * What can be read again later is sent only after that, so that a slow reader costs little.
   */
  readonly drained?: () => Promise<void> | undefined;
  /** Ends the stream after an error. The reader reconnects and gets the error as a response. */
  readonly onError: () => void;
}

/**
 * Runs a feed, as {@link Feed.start} describes.
 *
 * @param run sends everything; it calls its argument before it waits for the reader
 * @param onError called if `run` fails after its start was complete
 */
export function startFeed(
  run: (onStarted: () => void) => Promise<void>,
  onError: () => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isStarted = false;
  const onStarted = () => {
    isStarted = true;
    resolve();
  };
  run(onStarted).then(onStarted, (error) => isStarted ? onError() : reject(error));
  return promise;
}
