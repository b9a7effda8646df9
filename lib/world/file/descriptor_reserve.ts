/**
 * Keeps file descriptors for Workers that start later: Deno 2.9.6 ends the process if a Worker is
 * started when the descriptors are used up. They are released in the turn in which the Worker starts,
 * in which this thread opens nothing else.
 */

/** Descriptors of the event loop of a Worker; Deno 2.9.6 opens six. */
export const DESCRIPTORS_PER_WORKER = 8;
/** Descriptors that a Worker needs while it loads its modules. */
export const DESCRIPTORS_PER_START = 32;

/** The descriptors that are kept, each of the open data folder. */
export class DescriptorReserve {
  readonly #folder: string;
  readonly #files: Deno.FsFile[] = [];
  /** Workers that have not been started. */
  #waiting: number;

  /**
   * @param folder path of a folder
   * @param workers number of Workers that will start
   */
  constructor(folder: string, workers: number) {
    this.#folder = folder;
    this.#waiting = workers;
    this.#fill();
  }

  /** Number of descriptors that are kept now. */
  get size(): number {
    return this.#files.length;
  }

  /** Releases what the start of one Worker needs. To be called directly before the start. */
  release(): void {
    this.#waiting = Math.max(0, this.#waiting - 1);
    const files = this.#files.splice(0, DESCRIPTORS_PER_WORKER + DESCRIPTORS_PER_START);
    for (const file of files) file.close();
  }

  /** Takes descriptors for the next start, after a Worker has loaded its modules. */
  refill(): void {
    const wanted = this.#target();
    for (const file of this.#files.splice(wanted)) file.close();
    this.#fill();
  }

  /** Releases all descriptors. */
  close(): void {
    this.#waiting = 0;
    for (const file of this.#files.splice(0)) file.close();
  }

  #target(): number {
    return this.#waiting === 0 ? 0 : this.#waiting * DESCRIPTORS_PER_WORKER + DESCRIPTORS_PER_START;
  }

  #fill(): void {
    try {
      while (this.#files.length < this.#target()) {
        this.#files.push(Deno.openSync(this.#folder, { read: true }));
      }
    } catch {
      // Fewer are kept: none is left, or the system opens no folders and has no such limit (Windows).
    }
  }
}
