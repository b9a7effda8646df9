/**
 * Reports worlds whose event chain another key signed. The server refuses changes of them, because
 * an event of this key would break their chains for good; reads continue. The operator gets a line
 * at the start, from a sample of the worlds, and a line at the first refusal.
 */

import { KEY_SAMPLE_WORLDS } from "../../limits.ts";
import type { WorldFiles } from "./world_files.ts";

/** Worlds that are checked at a time; other reads can run between two steps. */
const WORLDS_PER_STEP = 4;

/** Counts refusals and checks a sample of the worlds. */
export class OtherKeyReport {
  #refused = 0;

  /** @param log writes a line for the operator */
  constructor(readonly log: (line: string) => void) {}

  /** Number of changes that were refused since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** Counts a refused change, and reports the first one. */
  recordRefusal(name: string): void {
    this.#refused += 1;
    if (this.#refused > 1) return;
    this.log(
      `refused to change /${name}: another key signed its events; start the server with that key, or add it with elastik key add. ` +
        "Further refusals are counted in elastik_other_key_refusals",
    );
  }

  /**
   * Checks some worlds, evenly distributed, and reports those that another key signed.
   *
   * @param names names of all upper-layer worlds
   */
  async checkSample(
    names: readonly string[],
    files: Pick<WorldFiles, "haveOtherKey" | "isClosing">,
  ): Promise<void> {
    const step = Math.max(1, names.length / KEY_SAMPLE_WORLDS);
    const sample: string[] = [];
    for (let at = 0; at < names.length && sample.length < KEY_SAMPLE_WORLDS; at += step) {
      const name = names[Math.floor(at)];
      if (name !== undefined) sample.push(name);
    }
    const found: string[] = [];
    for (let at = 0; at < sample.length && !files.isClosing; at += WORLDS_PER_STEP) {
      const some = sample.slice(at, at + WORLDS_PER_STEP);
      const other = await files.haveOtherKey(some);
      found.push(...some.filter((_, i) => other[i]));
    }
    if (found.length === 0) return;
    this.log(
      `another key signed the events of ${found.length} of ${sample.length} checked worlds, such as ` +
        `/${found[0]}; they can be read and deleted, and every other change of them is refused. ` +
        "Start the server with the key that signed them (ELASTIK_KEY, or .key of the data folder), or add " +
        "it with elastik key add",
    );
  }
}
