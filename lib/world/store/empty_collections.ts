/**
 * Collections that exist without a world in them, kept in one small file. A mark counts once it is on
 * disk; a list that cannot be read costs empty collections, and never a start.
 */

import type { Catalog } from "./catalog.ts";
import { COLLECTIONS_FILE } from "../file/durable_fs.ts";
import { nameFault } from "../name.ts";
import type { WorldFiles } from "./world_files.ts";

/** Marks in a catalog and on disk. */
export class EmptyCollections {
  readonly #catalog: Catalog;
  readonly #files: Pick<WorldFiles, "saveCollections">;
  #turn: Promise<void> = Promise.resolve();

  constructor(catalog: Catalog, files: Pick<WorldFiles, "saveCollections">) {
    this.#catalog = catalog;
    this.#files = files;
  }

  /** Takes the marks of a data folder into the catalog. */
  load(data: string): void {
    for (const name of readMarks(data)) this.#catalog.markCollection(name, true);
  }

  /** Marks or unmarks a collection; one at a time, because each writes all of them. */
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
    return []; // no list, or what lies there is none: the next mark writes it anew
  }
}
