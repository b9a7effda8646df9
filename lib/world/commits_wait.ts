/** The error of a database that answers, and does not confirm changes. */

import { StoreError } from "./store.ts";

/** The reason for clients. */
export const STANDBY_MISSING =
  "the database answers, but its commits wait for a synchronous standby";

/**
 * Commits wait for a synchronous standby that does not confirm them. For a client it is as if the database
 * could not be reached; for the operator it is another fault with another remedy.
 */
export class CommitsWait extends StoreError {
  constructor(message: string, world?: string) {
    super("unreachable", message, world);
  }
}
