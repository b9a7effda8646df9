/** What an error of the database means for the batch that caused it. Pure. */

import { StoreError } from "../store.ts";
import { SessionError } from "./session.ts";

/**
 * - `session`: the session or its server failed; another one may work.
 * - `retry`: nothing was changed; the next try may work.
 * - `guard`: the WebDAV locks have changed; the changes must be judged again.
 * - `authority`: the accounts or the revoked capabilities have changed, or an active plugin has ended,
 *   likewise.
 * - `upload`: uploaded bytes were deleted; they must be uploaded again.
 * - `final`: every try would fail.
 */
export type BatchErrorKind = "session" | "retry" | "guard" | "authority" | "upload" | "final";

/** States of a transaction that was in the way of another one, was cancelled, or lacked a resource. */
const RETRIED = /^(?:40...|57014|55...|53...|58030)$/;
/** States of a server that is not the primary, or that is starting or stopping. */
const OTHER_SERVER = /^(?:25006|57P0.)$/;
const DISK_FULL = "53100";

/** An error of a batch. */
export class BatchError extends Error {
  override readonly name = "BatchError";

  constructor(
    readonly kind: BatchErrorKind,
    /** Whether what was sent may have happened. */
    readonly isUnknown: boolean,
    override readonly cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause));
  }

  /** Returns the error that the caller of a change gets. */
  toStoreError(name: string): unknown {
    const { cause } = this;
    if (!(cause instanceof SessionError)) return cause;
    if (cause.code === "EL003") return new StoreError("claimed", this.message, name);
    if (cause.code === DISK_FULL) {
      return new StoreError(
        "full",
        "Cannot change the world: the disk of the database is full",
        name,
      );
    }
    return new StoreError(
      "damaged",
      `Cannot change the world: the database failed: ${this.message}`,
      name,
    );
  }
}

/** Returns what an error means. */
export function batchErrorOf(error: unknown): BatchError {
  if (!(error instanceof SessionError)) return new BatchError("final", false, error);
  const { code, isUnknown } = error;
  if (isUnknown || code === "refused" || OTHER_SERVER.test(code)) {
    return new BatchError("session", isUnknown, error);
  }
  if (code === "EL001") return new BatchError("guard", false, error);
  if (code === "EL004") return new BatchError("authority", false, error);
  if (code === "EL002") return new BatchError("upload", false, error);
  if (code !== DISK_FULL && RETRIED.test(code)) return new BatchError("retry", false, error);
  return new BatchError("final", false, error);
}

/**
 * Returns the units of a batch that an error does not concern. A damaged world must not stop the changes
 * of other worlds that are in the same batch by chance.
 */
export function unitsWithout<T extends { readonly names: readonly string[] }>(
  error: unknown,
  units: readonly T[],
): ReadonlySet<T> {
  const world = error instanceof StoreError && error.code === "damaged" ? error.world : undefined;
  const others = units.filter(({ names }) => world !== undefined && !names.includes(world));
  // Without a unit that it concerns, the next try would fail as this one did.
  return new Set(others.length < units.length ? others : []);
}

/** Why the database does not answer; see `Link`. */
export interface DatabaseTrouble {
  /** As the newest search has found; undefined if it has found none. */
  readonly trouble: string | undefined;
  /** Returns the error of a change of a world that was not sent. */
  createUnreachableError(cause: undefined, world: string): StoreError;
}

/** Returns the error of a change whose time is over. */
export function lateError(name: string, isUnknown: boolean, link: DatabaseTrouble): StoreError {
  return isUnknown ? outcomeUnknown(name, link) : link.createUnreachableError(undefined, name);
}

/** Returns the error of a change that may have happened. */
export function outcomeUnknown(
  name: string,
  { trouble }: Pick<DatabaseTrouble, "trouble">,
): StoreError {
  const reason = trouble === undefined ? "" : `; ${trouble}`;
  return new StoreError(
    "unknown",
    "The database did not confirm the change in time: it may have happened, or may yet happen" +
      reason,
    name,
  );
}
