/** Changes on their way to followers. */

import type { CursorCodec, CursorPosition } from "../change_cursor.ts";
import type { Change, Published } from "../store.ts";

/** Formats its cursor when a follower reads it: most changes have no follower. */
export class LazyPublished implements Published {
  readonly #codec: CursorCodec;
  readonly #position: CursorPosition;

  constructor(
    codec: CursorCodec,
    position: CursorPosition,
    readonly name: string,
    readonly change: Change | undefined,
  ) {
    this.#codec = codec;
    this.#position = position;
  }

  get cursor(): string {
    return this.#codec.format(this.#position);
  }
}

/** Returns a change whose body a follower must read. */
export function withoutBody({ world: _, ...change }: Change): Change {
  return change;
}

/** Length of the body that a change holds in memory. */
export function bytesOf(change: Change | undefined): number {
  return change?.world?.body.length ?? 0;
}
