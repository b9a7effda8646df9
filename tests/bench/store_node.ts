/** Stores of nodes without HTTP for the benchmarks, each in a process of its own with its callers. */

import { readLines } from "../faults/server_process.ts";
import { cpuSeconds } from "./process.ts";
import type { PutResult, PutRun } from "./store_callers.ts";

const PROGRAM = new URL("store_callers.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** A store in a process of its own. */
export class StoreNode implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reading: Promise<void>;
  #answer = Promise.withResolvers<string>();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#reading = readLines(child.stdout, (line) => this.#answer.resolve(line))
      .then(() => this.#answer.reject(new Error("Cannot measure: the store has ended")));
    this.#answer.promise.catch(() => {}); // its end at the stop is expected
  }

  /** Starts the store of a node of a database, and waits until it is open. */
  static async start(url: string, name: string, key: string): Promise<StoreNode> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--config", CONFIG, PROGRAM, url, name, key],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const node = new StoreNode(child);
    await node.#answer.promise;
    return node;
  }

  /** Seconds of processor time used so far, all threads, with the callers. */
  cpu(): number {
    return cpuSeconds(this.#child.pid);
  }

  /** Lets the callers put. */
  async run(run: PutRun): Promise<PutResult> {
    this.#answer = Promise.withResolvers();
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(run)}\n`));
    return JSON.parse(await this.#answer.promise);
  }

  async stop(): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#reading;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
