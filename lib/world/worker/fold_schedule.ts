/**
 * When the appended bytes of the open worlds are folded into their rows, so that a program that reads
 * the row of a file finds the current version within seconds. Times are milliseconds of a monotonic
 * clock. It opens and changes no file.
 */

/** A world is folded after this time without an append, in milliseconds. */
export const FOLD_QUIET_MS = 2_000;
/** A world is folded at the latest this long after its oldest piece, in milliseconds. */
export const FOLD_STEADY_MS = 5_000;
/** Instead, a world whose fold takes long is folded after this multiple of the time of its last fold. */
export const FOLD_PAUSE_FACTOR = 50;
/** A fold that failed is tried again after this time, in milliseconds. */
export const FOLD_RETRY_MS = 5_000;

/** The part of an open world that the schedule reads. */
export interface FoldedFile {
  /** Whether appended bytes are not in the row yet. */
  readonly hasPieces: boolean;
}

interface Due {
  /** Time of the oldest piece that is known, and of the newest. */
  readonly first: number;
  last: number;
  notBefore: number;
}

/** The worlds that have pieces. */
export class FoldSchedule<F extends FoldedFile> {
  readonly #due = new Map<F, Due>();
  readonly #foldMs = new WeakMap<F, number>();

  /** Number of worlds that have pieces. */
  get size(): number {
    return this.#due.size;
  }

  /** Records a world after a change, or when it is opened. */
  record(file: F, now: number): void {
    if (!file.hasPieces) return this.remove(file);
    const due = this.#due.get(file);
    if (due === undefined) this.#due.set(file, { first: now, last: now, notBefore: now });
    else due.last = now;
  }

  /** Removes a world that is closed. */
  remove(file: F): void {
    this.#due.delete(file);
  }

  /** Time at which the next world is due; undefined if no world has pieces. */
  get dueAt(): number | undefined {
    let earliest: number | undefined;
    for (const [file, due] of this.#due) {
      earliest = Math.min(earliest ?? Infinity, this.#dueAtOf(file, due));
    }
    return earliest;
  }

  /** Returns a world that is due; undefined if there is none. */
  next(now: number): F | undefined {
    for (const [file, due] of this.#due) if (this.#dueAtOf(file, due) <= now) return file;
    return undefined;
  }

  /** Records a fold. @param ms how long it took */
  recordFold(file: F, ms: number): void {
    this.#foldMs.set(file, ms);
    this.#due.delete(file);
  }

  /** Records that a fold failed. */
  recordFailure(file: F, now: number): void {
    const due = this.#due.get(file);
    if (due !== undefined) due.notBefore = now + FOLD_RETRY_MS;
  }

  #dueAtOf(file: F, { first, last, notBefore }: Due): number {
    const steady = Math.max(FOLD_STEADY_MS, FOLD_PAUSE_FACTOR * (this.#foldMs.get(file) ?? 0));
    return Math.max(notBefore, Math.min(last + FOLD_QUIET_MS, first + steady));
  }
}
