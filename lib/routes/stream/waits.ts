/**
 * Requests that wait for a change (`?wait=`). A waiting request takes a place among the streams, and
 * ends with its time, its client, the authority of its caller or the server. It never keeps a result
 * that its caller may no longer read.
 */

import type { Caller } from "../../auth/caller.ts";
import { CHALLENGE } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { STREAM_EXPIRY_CHECK_MS } from "../../limits.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import type { StreamPlaces } from "./stream_places.ts";

/** What a waiting request looks for. */
export interface Awaited<T> {
  /** Longest time to wait in seconds; 0 looks once. */
  readonly seconds: number;
  /** Looks for the result; undefined if it is not there yet. */
  readonly look: () => Promise<T | undefined> | T | undefined;
  /** Calls its argument when `look` can have another result; returns the function that stops it. */
  readonly subscribe: (wake: () => void) => () => void;
}

/** The requests of one server that wait. */
export class Waits {
  readonly #server: Pick<ServerContext, "authenticator" | "monotonic">;
  readonly #places: StreamPlaces;
  readonly #open = new Set<() => void>();
  #isClosed = false;

  /**
   * @param server services of the server
   * @param places the places that streams and waiting requests share
   */
  constructor(
    server: Pick<ServerContext, "authenticator" | "monotonic">,
    places: StreamPlaces,
  ) {
    this.#server = server;
    this.#places = places;
    server.authenticator.onChange(() => this.#wakeAll());
  }

  /** Requests that wait now. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Waits for a result.
   *
   * @returns the result, or undefined if the time is over
   * @throws {Problem} `too-many-requests`, `unavailable`, `unauthorized` if the credential ends while it
   * waits
   * @throws {DOMException} `AbortError` if the client disconnects
   */
  async until<T>(context: RequestContext, { seconds, look, subscribe }: Awaited<T>): Promise<
    T | undefined
  > {
    if (seconds === 0) return await look();
    const { request: { signal }, target, caller, client } = context;
    const leave = this.#places.take(target.path, caller, client);
    const end = this.#server.monotonic() + seconds * 1000;
    const alarm = new Alarm();
    const wake = () => alarm.ring();
    // Before the first look: a change in between wakes it.
    const unsubscribe = subscribe(wake);
    this.#open.add(wake);
    signal.addEventListener("abort", wake);
    try {
      for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        const left = end - this.#server.monotonic();
        if (left <= 0 || this.#isClosed) return undefined;
        // The time of expiry is a date, and the clock can be set: it is looked at regularly.
        await alarm.wait(Math.min(left, STREAM_EXPIRY_CHECK_MS));
        signal.throwIfAborted();
        this.#assertCurrent(caller);
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#open.delete(wake);
      unsubscribe();
      leave();
    }
  }

  /** Ends all waiting requests as if their time were over. */
  close(): void {
    this.#isClosed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of [...this.#open]) wake();
  }

  #assertCurrent(caller: Caller): void {
    if (this.#server.authenticator.isCurrent(caller)) return;
    throw new Problem(
      "unauthorized",
      "Cannot wait any longer: the credential expired or was changed",
      { "www-authenticate": CHALLENGE },
    );
  }
}

/** Wakes one waiting request; a ring before the wait is not lost. */
class Alarm {
  #isRung = false;
  #resume: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#resume?.();
  }

  async wait(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resume) => {
      this.#resume = resume;
      if (this.#isRung) return resume();
      timer = setTimeout(resume, ms);
    });
    clearTimeout(timer);
    this.#resume = undefined;
    this.#isRung = false;
  }
}
