/** The error for a world whose rows in a database are damaged. */

import { StoreError } from "./store.ts";

/** Error: rows of a world are missing or do not fit together. Its texts have no paths of files. */
export class DamagedRows extends StoreError {
  /**
   * @param action what failed, such as `read home/x`
   * @param fault what was found, as the end of a sentence
   * @param world name of the world
   */
  constructor(action: string, readonly fault: string, world: string) {
    super("damaged", `Cannot ${action}: ${fault}`, world);
  }
}
