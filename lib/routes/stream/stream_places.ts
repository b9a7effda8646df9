/**
 * Limits how many event streams are open, in total and per client. A client is a credential; callers
 * without one are counted by address.
 */

import { type Caller, credentialKey } from "../../auth/caller.ts";
import { parseIp } from "../../http/ip_address.ts";
import { Problem } from "../../http/problem.ts";
import { STREAM_RETRY_SECONDS } from "../../limits.ts";

/** Limits of {@link StreamPlaces}. */
export interface StreamLimits {
  readonly maxStreams: number;
  readonly maxStreamsPerClient: number;
}

/** Groups of an IPv6 address that one client usually has for itself: a /64 network. */
const CLIENT_V6_GROUPS = 4;

/** Counts open streams. */
export class StreamPlaces {
  readonly #limits: StreamLimits;
  readonly #clients = new Map<string, number>();
  #taken = 0;
  #refusedTotal = 0;
  #refusedClient = 0;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Streams that were refused since the start, by the limit that refused them. */
  get refused(): { readonly total: number; readonly client: number } {
    return { total: this.#refusedTotal, client: this.#refusedClient };
  }

  /**
   * Takes a place.
   *
   * @param path path of the stream, for the error
   * @param address address of the client; absent for a subrequest of a plugin
   * @returns gives the place back; idempotent
   * @throws {Problem} `unavailable` if no place is left, `too-many-requests` if the client has too
   * many
   */
  take(path: string, caller: Caller, address: string | undefined): () => void {
    const { maxStreams, maxStreamsPerClient } = this.#limits;
    const headers = { "retry-after": String(STREAM_RETRY_SECONDS) };
    const key = clientKey(caller, address);
    const own = this.#clients.get(key) ?? 0;
    if (own >= maxStreamsPerClient) {
      this.#refusedClient++;
      throw new Problem(
        "too-many-requests",
        `Cannot open ${path}: this client has ${own} open streams; at most ${maxStreamsPerClient} ` +
          "are allowed; close one first",
        headers,
      );
    }
    if (this.#taken >= maxStreams) {
      this.#refusedTotal++;
      throw new Problem(
        "unavailable",
        `Cannot open ${path}: the server has ${this.#taken} open streams; at most ${maxStreams} ` +
          "are allowed; try again later",
        headers,
      );
    }
    this.#taken++;
    this.#clients.set(key, own + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#taken--;
      const left = (this.#clients.get(key) ?? 1) - 1;
      if (left > 0) this.#clients.set(key, left);
      else this.#clients.delete(key);
    };
  }
}

function clientKey(caller: Caller, address: string | undefined): string {
  if (caller.authenticated === true || address === undefined) return credentialKey(caller);
  const ip = parseIp(address);
  if (ip === undefined) return `address:${address}`;
  if (ip.v4) return `address:${ip.text}`;
  return `address:${ip.groups.slice(0, CLIENT_V6_GROUPS).join(":")}`;
}
