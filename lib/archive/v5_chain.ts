/**
 * The event chain of elastik v5 and earlier: `hmac` is HMAC-SHA256 over the `hmac` of the previous
 * event and the text of the payload; the first event has an empty predecessor. Time and type are
 * not signed. Pure; it checks and changes nothing.
 */

import { nodeCrypto } from "../base/node_crypto.ts";
import type { EventRow } from "../world/event_chain.ts";

/** The publicly known key with which elastik v5 signed if none was configured. */
export const V5_DEFAULT_KEY = "elastik-dev-key";

/** The result of checking a chain. The names are stored in the event `world_imported`. */
export interface V5ChainResult {
  readonly events: number;
  /** `hmac` of the newest event; empty if there is no event. */
  readonly head: string;
  /** `unchecked`: the links are consistent, but no given key made the signatures. */
  readonly chain: "holds" | "broken" | "unchecked" | "empty";
  /** Id of the first invalid event. */
  readonly broken_at?: number;
  /**
   * Compares the content with the hash in the newest event that has one; `untold`: no event has
   * one.
   */
  readonly body: "holds" | "differs" | "untold";
}

/** Checks one chain, event by event, oldest first. */
export class V5Chain {
  readonly #key: string;
  readonly #isDefault: boolean;
  #events = 0;
  #head = "";
  #unsigned = false;
  #brokenAt: number | undefined;
  #bodySha256: string | undefined;

  /** @param key the signing key; the default key of elastik v5 if undefined */
  constructor(key: string | undefined) {
    this.#key = key ?? V5_DEFAULT_KEY;
    this.#isDefault = key === undefined;
  }

  /** Adds the next event. */
  add({ id, payload, hmac, prev_hmac }: EventRow): void {
    const linked = prev_hmac === this.#head;
    if (this.#brokenAt === undefined && !this.#unsigned) {
      const signed = nodeCrypto().createHmac("sha256", this.#key).update(prev_hmac + payload)
        .digest("hex");
      if (linked && signed !== hmac && this.#isDefault && this.#events === 0) this.#unsigned = true;
      else if (signed !== hmac) this.#brokenAt = id;
    }
    if (!linked) this.#brokenAt ??= id;
    this.#events += 1;
    this.#head = hmac;
    this.#bodySha256 = hashInPayload(payload) ?? this.#bodySha256;
  }

  /**
   * Returns the result.
   *
   * @param bodySha256 SHA-256 of the content in the row, lower-case hex
   */
  result(bodySha256: string): V5ChainResult {
    const broken = this.#brokenAt === undefined ? {} : { broken_at: this.#brokenAt };
    return {
      events: this.#events,
      head: this.#head,
      chain: this.#events === 0
        ? "empty"
        : this.#brokenAt !== undefined
        ? "broken"
        : this.#unsigned
        ? "unchecked"
        : "holds",
      ...broken,
      body: this.#bodySha256 === undefined
        ? "untold"
        : this.#bodySha256 === bodySha256
        ? "holds"
        : "differs",
    };
  }
}

function hashInPayload(payload: string): string | undefined {
  try {
    const value: unknown = JSON.parse(payload);
    if (typeof value !== "object" || value === null || !("body_sha256_after" in value)) return;
    return typeof value.body_sha256_after === "string" ? value.body_sha256_after : undefined;
  } catch {
    return undefined; // not JSON: no hash to compare; the hmac still protects the payload
  }
}
