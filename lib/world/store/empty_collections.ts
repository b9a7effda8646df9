/**
 * The marks of collections that exist without worlds, stored in one small file. A mark is in the
 * catalog only after it is on disk. A file that cannot be read stops the start, because the next mark
 * would replace it.
 */

import type { Catalog } from "./catalog.ts";
import { splitLines } from "../../base/decode_text.ts";
import { readRegularFile } from "../../base/regular_file.ts";
import { UnusableEntry } from "../file/data_folder.ts";
import { COLLECTIONS_FILE, pathExists } from "../file/durable_fs.ts";
import { nameFault } from "../name.ts";
import type { WorldFiles } from "./world_files.ts";

/** Size of the largest file of marks, in bytes. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** The marks in the catalog and on disk. */
export class EmptyCollections {
  readonly #catalog: Catalog;
  readonly #files: Pick<WorldFiles, "saveCollections">;
  #turn: Promise<void> = Promise.resolve();

  constructor(catalog: Catalog, files: Pick<WorldFiles, "saveCollections">) {
    this.#catalog = catalog;
    this.#files = files;
  }

  /**
   * Reads the marks of a data folder into the catalog.
   *
   * @param data path of the data folder
   * @param log writes a line for the operator
   * @throws {UnusableEntry} if the file exists and cannot be read
   */
  load(data: string, log: (line: string) => void): void {
    const { names, invalid } = readMarks(data);
    for (const name of names) this.#catalog.markCollection(name, true);
    if (invalid === 0) return;
    keepCopy(`${data}/${COLLECTIONS_FILE}`);
    log(
      `${invalid} lines of ${COLLECTIONS_FILE} are not names of collections and have no effect; ` +
        `the file is kept as ${COLLECTIONS_FILE}.damaged`,
    );
  }

  /**
   * Adds or removes a mark. Calls run one after another, because each writes the whole file.
   *
   * @returns whether that changed something
   */
  mark(name: string, present: boolean): Promise<boolean> {
    const turn = this.#turn.then(() => this.#mark(name, present));
    // The caller gets the error; the next turn only waits for the end of this one.
    this.#turn = turn.then(() => {}, () => {});
    return turn;
  }

  async #mark(name: string, present: boolean): Promise<boolean> {
    const marks = new Set(this.#catalog.markedCollections());
    if (marks.has(name) === present) return false;
    if (present) marks.add(name);
    else marks.delete(name);
    await this.#files.saveCollections([...marks]);
    this.#catalog.markCollection(name, present);
    return true;
  }
}

interface Marks {
  readonly names: readonly string[];
  /** Lines that are not names. */
  readonly invalid: number;
}

function readMarks(data: string): Marks {
  const found = readRegularFile(`${data}/${COLLECTIONS_FILE}`, MAX_FILE_BYTES);
  if (found === undefined) return { names: [], invalid: 0 };
  if (!(found instanceof Uint8Array)) {
    throw new UnusableEntry(
      `Cannot use the data folder ${data}: its file ${COLLECTIONS_FILE} cannot be used: ` +
        `${found.reason}; move it elsewhere, and empty collections are forgotten`,
    );
  }
  const lines = splitLines(new TextDecoder().decode(found)).filter((line) => line !== "");
  const names = lines.filter((line) => nameFault(line) === undefined);
  return { names, invalid: lines.length - names.length };
}

/** Keeps a copy, unless one exists, because the next mark replaces the file. */
function keepCopy(path: string): void {
  const copy = `${path}.damaged`;
  if (!pathExists(copy)) Deno.copyFileSync(path, copy);
}
