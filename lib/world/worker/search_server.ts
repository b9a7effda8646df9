/**
 * Serves the jobs of the search index in the Worker of the indexes, see `SearchFile`. A Worker of its
 * own would need 16 MB more, and the jobs run in steps of some milliseconds anyway. It opens the index
 * with its first job, so that other readers have no index.
 */

import { setImmediate } from "node:timers";
import type { SearchPage } from "../search.ts";
import { StoreError } from "../store.ts";
import type { JobResults, SearchJob, SearchUpdateJob } from "../store/worker_messages.ts";
import type { Reader } from "./reader.ts";
import { SearchFile } from "./search_file.ts";

/** See the module. */
export class SearchServer {
  readonly #data: string;
  readonly #assertFolder: () => void;
  #opened: SearchFile | undefined;
  readonly #reader: Pick<Reader, "read">;

  /**
   * @param data path of the data folder
   * @param assertFolder throws if the folder was replaced
   */
  constructor(data: string, reader: Pick<Reader, "read">, assertFolder: () => void) {
    this.#data = data;
    this.#assertFolder = assertFolder;
    this.#reader = reader;
  }

  /** Runs a job that changes the index. */
  update(job: SearchUpdateJob): JobResults[SearchUpdateJob["kind"]] {
    switch (job.kind) {
      case "openSearch":
        return this.#file.open(job.isDamaged);
      case "updateSearch":
        return this.#file.update(job.entries, (name) => this.#reader.read(name));
      case "sweepSearch":
        return this.#file.removeUnseen();
      case "indexSearch":
        return this.#file.indexSome();
    }
  }

  /**
   * Searches; other jobs run between the steps.
   *
   * @param signal stops the search between two steps
   * @throws {StoreError} `busy` if the signal is aborted
   */
  async search({ query }: SearchJob, signal: AbortSignal): Promise<SearchPage> {
    const steps = this.#file.search(query);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await new Promise((resume) => setImmediate(resume));
      if (signal.aborted) {
        throw new StoreError("busy", "Cannot complete the search: it was stopped");
      }
    }
  }

  /** The file of the index. The global `process` takes 14 ms of a start with its first use. */
  get #file(): SearchFile {
    // deno-lint-ignore no-process-global
    const unicode = process.versions.unicode ?? "";
    return this.#opened ??= new SearchFile(this.#data, unicode, this.#assertFolder);
  }

  /** Closes the file of the index. */
  close(): void {
    this.#opened?.close();
  }
}
