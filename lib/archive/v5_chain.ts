/**
 * The event chain of the original elastik (v5 and before): `hmac` is HMAC-SHA256 over the previous event's
 * `hmac` and the payload's text, the first having none before it; time and type are not covered. Pure;
 * it judges, and changes nothing.
 */

import { createHmac } from "node:crypto";
import type { EventRow } from "../world/event_chain.ts";

/** The key the original signed with where nobody had set one: everybody knows it. */
export const ORIGINAL_DEFAULT_KEY = "elastik-dev-key";

/** What became of a chain. */
export interface OriginalVerdict {
  readonly events: number;
  /** `hmac` of the newest event; empty where there is none. */
  readonly head: string;
  /** `unchecked`: it hangs together, and no key was at hand that signed it. */
  readonly chain: "holds" | "broken" | "unchecked" | "empty";
  /** Id of the first event that does not hold. */
  readonly broken_at?: number;
  /** The bytes beside what the newest event that tells of them says. */
  readonly body: "holds" | "differs" | "untold";
}

/** Walks one chain, oldest event first. */
export class OriginalChain {
  readonly #key: string;
  readonly #isDefault: boolean;
  #events = 0;
  #head = "";
  #unsigned = false;
  #brokenAt: number | undefined;
  #bodySha256: string | undefined;

  /** @param key what signed it; the original's own default when it is not known */
  constructor(key: string | undefined) {
    this.#key = key ?? ORIGINAL_DEFAULT_KEY;
    this.#isDefault = key === undefined;
  }

  /** Takes the next event. */
  step({ id, payload, hmac, prev_hmac }: EventRow): void {
    const linked = prev_hmac === this.#head;
    if (this.#brokenAt === undefined && !this.#unsigned) {
      const signed = createHmac("sha256", this.#key).update(prev_hmac + payload).digest("hex");
      if (linked && signed !== hmac && this.#isDefault && this.#events === 0) this.#unsigned = true;
      else if (signed !== hmac) this.#brokenAt = id;
    }
    if (!linked) this.#brokenAt ??= id;
    this.#events += 1;
    this.#head = hmac;
    this.#bodySha256 = toldHash(payload) ?? this.#bodySha256;
  }

  /**
   * Judges.
   *
   * @param bodySha256 of the bytes that are in the row now
   */
  verdict(bodySha256: string): OriginalVerdict {
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

function toldHash(payload: string): string | undefined {
  try {
    const value: unknown = JSON.parse(payload);
    if (typeof value !== "object" || value === null || !("body_sha256_after" in value)) return;
    return typeof value.body_sha256_after === "string" ? value.body_sha256_after : undefined;
  } catch {
    return undefined; // a payload that is not JSON tells nothing; its hmac tells whether it was altered
  }
}
