/** The errors of the change index. Their texts are for clients. */

import { StoreError } from "./store.ts";

/** The error of every job for an index whose file must be created again; the store does it. */
export function indexLost(): StoreError {
  return new StoreError("index-lost", "Cannot use the index of changes: it must be created again");
}

/** Whether an error is that of a lost index. */
export function isIndexLost(error: unknown): boolean {
  return error instanceof StoreError && error.code === "index-lost";
}

/** The error of every query after the end of the store. */
export function indexClosed(): StoreError {
  return new StoreError("closed", "Cannot read the changes: the server is stopping");
}

/** The error of a query that waited too long for the index. */
export function indexNotReady(): StoreError {
  return new StoreError("busy", "Cannot read the changes: the index is being created");
}

/** The error of a query that could not get all changes that were acknowledged before it. */
export function indexNotWritten(): StoreError {
  return new StoreError(
    "busy",
    "Cannot read the changes: the index does not have the newest ones, because it cannot be written now",
  );
}

/** The error of a request with an idempotency key for a world whose events are not known. */
export function eventsNotRead(name: string): StoreError {
  return new StoreError(
    "busy",
    `Cannot use an Idempotency-Key: the events of /${name} cannot be read now; try again later, or ` +
      "send no key",
  );
}
