/** The searches of a store. Equal searches share one job as long as nothing changes. */

import type { SearchPage, SearchQuery } from "../search.ts";
import type { JobCaller } from "../store.ts";
import type { SearchCounts } from "../store_counts.ts";
import { type LongJobLimits, LongJobs } from "./long_jobs.ts";

/** See the module. */
export class SearchJobs {
  readonly #jobs: LongJobs;
  #changes = 0;
  #answered = 0;

  constructor(limits: LongJobLimits) {
    this.#jobs = new LongJobs(limits, "searches");
  }

  /** Figures since the start. */
  get counts(): Pick<SearchCounts, "answered" | "jobs"> {
    return { answered: this.#answered, jobs: this.#jobs.counts };
  }

  /** Records that a world changed: a search that runs already is not shared by later callers. */
  recordChange(): void {
    this.#changes += 1;
  }

  /**
   * Runs a search, or waits for an equal one.
   *
   * @throws {StoreError} `busy` if too many searches wait, and what the search throws
   */
  async run(
    query: SearchQuery,
    caller: JobCaller,
    start: (signal: AbortSignal) => Promise<SearchPage>,
  ): Promise<SearchPage> {
    const page = await this.#jobs.run<SearchPage>({
      key: JSON.stringify(query),
      name: "",
      fileState: { text: String(this.#changes), isSettled: true },
      start,
    }, caller);
    this.#answered += 1;
    return page;
  }

  /** Stops all searches. */
  close(): void {
    this.#jobs.close();
  }
}
