/**
 * The upkeep of a shared database: adds published changes to the lists that queries read, and deletes
 * content that no version has, old heartbeats and ended locks. Every node does it now and then; the
 * functions of the database let one at a time work, in short steps.
 */

import {
  CONTENT_KEEP_SECONDS,
  INDEX_STEP_BATCHES,
  INDEX_STEP_MS,
  NODE_KEEP_SECONDS,
  UPKEEP_MS,
  UPKEEP_STEP_CONTENTS,
} from "../../cluster_limits.ts";
import type { Link } from "./link.ts";

const INDEX = "SELECT elastik.index_1($1) AS more";
const UPKEEP = "SELECT elastik.upkeep_1($1, $2, $3) AS deleted";

/** The upkeep that one node does. */
export class Upkeep {
  readonly #link: Pick<Link, "ask">;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #running = new Map<string, Promise<void>>();
  #isStopped = false;

  constructor(link: Pick<Link, "ask">) {
    this.#link = link;
  }

  /** Begins the work. */
  start(): void {
    this.#timers.push(
      setInterval(() => this.#begin("index", () => this.#index()), INDEX_STEP_MS),
      setInterval(() => this.#begin("upkeep", () => this.#cleanUp()), UPKEEP_MS),
    );
  }

  /** Ends the work; resolves when the step that runs has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running.values());
  }

  #begin(name: string, work: () => Promise<void>): void {
    if (this.#running.has(name)) return;
    const run = work().catch(() => {
      // Safe to ignore: the next step tries again, and the feed reports that the database is lost.
    }).finally(() => this.#running.delete(name));
    this.#running.set(name, run);
  }

  async #index(): Promise<void> {
    for (let more = true; more && !this.#isStopped;) {
      const [row] = await this.#link.ask(
        "write",
        (session) => session.query(INDEX, [INDEX_STEP_BATCHES]),
      );
      more = row?.more === true;
    }
  }

  async #cleanUp(): Promise<void> {
    const values = [CONTENT_KEEP_SECONDS, NODE_KEEP_SECONDS, UPKEEP_STEP_CONTENTS];
    for (let deleted = UPKEEP_STEP_CONTENTS; deleted === UPKEEP_STEP_CONTENTS;) {
      if (this.#isStopped) return;
      const [row] = await this.#link.ask("write", (session) => session.query(UPKEEP, values));
      deleted = Number(row?.deleted ?? 0);
    }
  }
}
