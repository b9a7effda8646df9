/**
 * Watches whether the data folder is still the one that this server has locked, also while no
 * client writes. The Workers check it for each batch of changes; this check finds a second server
 * that starts after `.lock` was deleted.
 */

import { FOLDER_CHECK_MS } from "../../limits.ts";
import { findFolderFault, type FolderIdentity } from "../file/folder_identity.ts";

/** A running watch. */
export class FolderWatch {
  readonly #onFault: (fault: string) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasReported = false;
  #isStopped = false;

  /**
   * @param identity the folder; without it nothing is watched
   * @param onFault called at most once, with what was found
   */
  constructor(
    identity: FolderIdentity | undefined,
    onFault: (fault: string) => void,
    intervalMs: number = FOLDER_CHECK_MS,
  ) {
    this.#onFault = onFault;
    if (identity !== undefined) this.#schedule(identity, intervalMs);
  }

  /** Whether a fault was reported. */
  get hasReported(): boolean {
    return this.#hasReported;
  }

  /** Reports a fault that a Worker has found. */
  report(fault: string): void {
    if (this.#hasReported || this.#isStopped) return;
    this.#hasReported = true;
    this.stop();
    this.#onFault(fault);
  }

  /** Ends the watch. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(identity: FolderIdentity, intervalMs: number): void {
    this.#timer = setTimeout(async () => {
      const fault = await findFolderFault(identity);
      if (fault !== undefined) this.report(fault);
      else if (!this.#isStopped) this.#schedule(identity, intervalMs);
    }, intervalMs);
    // The watch must not keep a program alive that has nothing else to do.
    Deno.unrefTimer(this.#timer);
  }
}
