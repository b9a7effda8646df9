/**
 * Audits of worlds on disk. The result of an audit is kept with the state of the world's file
 * before the audit: device, inode, size and times of the file and of its log. While that state is
 * the same, the chain has the same newest event and the row the same version, so the result is
 * still valid. Any change of the file makes it invalid, also one by another program.
 */

import { AUDIT_RESULT_CACHE_ENTRIES } from "../../limits.ts";
import { WORLD_FILE } from "../file/durable_fs.ts";
import { type FileState, readFileState } from "../file/file_state.ts";
import { toFolderName } from "../name.ts";
import type { AuditResult, JobCaller } from "../store.ts";
import type { LongJobs } from "./long_jobs.ts";
import type { WorldFiles } from "./world_files.ts";

/** Dependencies of {@link Audits}. */
export interface AuditsOptions {
  /** Path of the data folder. */
  readonly data: string;
  readonly files: Pick<WorldFiles, "audit">;
  readonly jobs: Pick<LongJobs, "run">;
  /** Current time in Unix milliseconds; see {@link readFileState}. */
  readonly now?: () => number;
}

/** Runs audits and keeps their results. */
export class Audits {
  readonly #options: AuditsOptions;
  readonly #results = new Map<string, { readonly state: string; readonly result: AuditResult }>();

  constructor(options: AuditsOptions) {
    this.#options = options;
  }

  /** Audits a world; undefined if it has no file. */
  async audit(name: string, caller: JobCaller): Promise<AuditResult | undefined> {
    const { data, files, jobs, now } = this.#options;
    const path = `${data}/${toFolderName(name)}/${WORLD_FILE}`;
    const before = await readFileState(path, now?.());
    const known = this.#results.get(name);
    if (known?.state === before.text) return known.result;
    return await jobs.run({
      key: `audit ${name}`,
      name,
      fileState: before,
      start: async (signal) => {
        const state = await readFileState(path, now?.());
        const result = await files.audit(name, signal);
        if (result !== undefined) this.#keep(name, state, result);
        return result;
      },
    }, caller);
  }

  #keep(name: string, { text, isSettled }: FileState, result: AuditResult): void {
    this.#results.delete(name);
    if (!isSettled) return;
    this.#results.set(name, { state: text, result });
    if (this.#results.size <= AUDIT_RESULT_CACHE_ENTRIES) return;
    const [oldest] = this.#results.keys();
    if (oldest !== undefined) this.#results.delete(oldest);
  }
}
