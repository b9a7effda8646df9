/**
 * The marks of collections that exist without worlds, stored in one small file. A mark is in the
 * catalog only after it is on disk. If the file cannot be read, the marks are lost, but the store
 * starts.
 */

import type { Catalog } from "./catalog.ts";
import { COLLECTIONS_FILE } from "../file/durable_fs.ts";
import { nameFault } from "../name.ts";
import type { WorldFiles } from "./world_files.ts";

/** The marks in the catalog and on disk. */
export class EmptyCollections {
  readonly #catalog: Catalog;
  readonly #files: Pick<WorldFiles, "saveCollections">;
  #turn: Promise<void> = Promise.resolve();

  constructor(catalog: Catalog, files: Pick<WorldFiles, "saveCollections">) {
    this.#catalog = catalog;
    this.#files = files;
  }

  /** Reads the marks of a data folder into the catalog. */
  load(data: string): void {
    for (const name of readMarks(data)) this.#catalog.markCollection(name, true);
  }

  /** Adds or removes a mark. Calls run one after another, because each writes the whole file. */
  mark(name: string, present: boolean): Promise<void> {
    const turn = this.#turn.then(() => this.#mark(name, present));
    // The caller gets the error; the next turn only waits for the end of this one.
    this.#turn = turn.then(() => {}, () => {});
    return turn;
  }

  async #mark(name: string, present: boolean): Promise<void> {
    const marks = new Set(this.#catalog.markedCollections());
    if (marks.has(name) === present) return;
    if (present) marks.add(name);
    else marks.delete(name);
    await this.#files.saveCollections([...marks]);
    this.#catalog.markCollection(name, present);
  }
}

function readMarks(data: string): string[] {
  try {
    return Deno.readTextFileSync(`${data}/${COLLECTIONS_FILE}`).split("\n")
      .filter((name) => name !== "" && nameFault(name) === undefined);
  } catch {
    return []; // missing or not a text file: the next mark writes it again
  }
}
