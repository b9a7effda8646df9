/**
 * Sessions of the protocol versions that begin with `initialize`. The id of a session contains what the
 * later requests need, and a hash that binds it to the credential of its client. The plugin keeps only
 * the subscriptions of a session, so other requests work after a restart of its process.
 *
 * An id is not a credential: it gives no authority, and it is useless to a caller with another one.
 */

import type { Credential } from "./credential.ts";
import {
  MAX_ENDED_SESSIONS,
  MAX_SESSIONS,
  MAX_SESSIONS_PER_CALLER,
  SESSION_IDLE_MS,
  SESSION_LIFETIME_MS,
} from "./limits.ts";

/** What the id of a session says. */
export interface Session {
  readonly id: string;
  /** Version of the protocol. */
  readonly version: string;
  /** Name that the client gave itself; may be `""`. */
  readonly client: string;
  /** Whether this process began the session, so that its subscriptions are known. */
  readonly isComplete: boolean;
  /** The credential that sent the id. */
  readonly credential: Credential;
}

/** The subscriptions of one session. */
export interface Subscriptions {
  /** Names of the worlds, each with the URI as the client wrote it. */
  readonly uris: Map<string, string>;
  /** Cursor of the last change that was reported; undefined before the first subscription. */
  cursor?: string;
  /** The open stream of the session. */
  stream?: SessionStream;
  /** When the session was last used, in milliseconds. */
  usedAt: number;
  /** Whose limit it counts for. */
  readonly owner: string;
}

/** The open stream of a session. */
export interface SessionStream {
  /** Makes the stream look at the subscriptions again. */
  wake: () => void;
  /** Ends the stream. */
  close: () => void;
}

const MAX_ID_LENGTH = 1024;
const TAG_BYTES = 18;

/** The sessions that this process knows. */
export class Sessions {
  readonly #now: () => number;
  /** Distinguishes this process from earlier ones. */
  readonly #run = randomText();
  readonly #subscriptions = new Map<string, Subscriptions>();
  readonly #ended = new Set<string>();

  /** @param now returns the time in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Sessions with subscriptions or a stream. */
  get size(): number {
    return this.#subscriptions.size;
  }

  /**
   * Begins a session.
   *
   * @param holder the credential of the client, as {@link Credential.holder}
   * @returns the id, visible ASCII
   */
  async begin(version: string, client: string, holder: string): Promise<string> {
    const fields = [version, client, this.#now(), this.#run, randomText()];
    const payload = new TextEncoder().encode(JSON.stringify(fields))
      .toBase64({ alphabet: "base64url", omitPadding: true });
    return `${payload}.${await sessionTag(payload, holder)}`;
  }

  /**
   * Reads the id of a session.
   *
   * @param credential the credential of the client that sent it
   * @returns undefined if it is malformed, has ended, or belongs to another credential
   */
  async find(id: string, credential: Credential): Promise<Session | undefined> {
    const [payload = "", tag = "", ...more] = id.split(".");
    if (id.length > MAX_ID_LENGTH || more.length > 0 || this.#ended.has(id)) return undefined;
    // The hash is not secret, and both sides of the comparison come from the client's own request.
    if (tag !== await sessionTag(payload, credential.holder)) return undefined;
    const [version, client, startedAt, run] = sessionFields(payload);
    if (typeof version !== "string" || typeof client !== "string") return undefined;
    const age = this.#now() - Number(startedAt);
    if (!(age >= 0 && age <= SESSION_LIFETIME_MS)) return undefined;
    const found = this.#subscriptions.get(id);
    if (found !== undefined) found.usedAt = this.#now();
    return { id, version, client, credential, isComplete: run === this.#run };
  }

  /**
   * Returns the subscriptions of a session, and begins to keep them.
   *
   * @returns undefined if too many sessions are kept
   */
  keep({ id, credential: { client: owner } }: Session): Subscriptions | undefined {
    const known = this.#subscriptions.get(id);
    if (known !== undefined) return known;
    this.#dropIdle();
    const own = [...this.#subscriptions].filter(([, kept]) => kept.owner === owner);
    if (own.length >= MAX_SESSIONS_PER_CALLER) {
      const [oldest] = own.filter(([, { stream }]) => stream === undefined)
        .sort(([, a], [, b]) => a.usedAt - b.usedAt);
      if (oldest === undefined) return undefined;
      this.end(oldest[0]);
    }
    if (this.#subscriptions.size >= MAX_SESSIONS) return undefined;
    const kept: Subscriptions = { uris: new Map(), usedAt: this.#now(), owner };
    this.#subscriptions.set(id, kept);
    return kept;
  }

  /** Returns the subscriptions of a session; undefined if it has none. */
  subscriptions(id: string): Subscriptions | undefined {
    return this.#subscriptions.get(id);
  }

  /** Stops to keep a session without subscriptions and stream. Its id stays valid. */
  release(id: string): void {
    const kept = this.#subscriptions.get(id);
    if (kept === undefined) return;
    kept.usedAt = this.#now();
    if (kept.uris.size === 0 && kept.stream === undefined) this.#subscriptions.delete(id);
  }

  /** Ends a session and its stream. Its id is not valid any more. */
  end(id: string): void {
    this.#subscriptions.get(id)?.stream?.close();
    this.#subscriptions.delete(id);
    this.#ended.add(id);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= MAX_ENDED_SESSIONS) break;
      this.#ended.delete(oldest);
    }
  }

  #dropIdle(): void {
    const since = this.#now() - SESSION_IDLE_MS;
    for (const [id, { stream, usedAt }] of this.#subscriptions) {
      if (stream === undefined && usedAt < since) this.end(id);
    }
  }
}

function randomText(): string {
  return crypto.getRandomValues(new Uint8Array(12)).toBase64({ alphabet: "base64url" });
}

async function sessionTag(payload: string, holder: string): Promise<string> {
  const bytes = new TextEncoder().encode(`mcp-session\n${payload}\n${holder}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return hash.subarray(0, TAG_BYTES).toBase64({ alphabet: "base64url" });
}

function sessionFields(payload: string): readonly unknown[] {
  try {
    const bytes = Uint8Array.fromBase64(payload, { alphabet: "base64url" });
    const fields: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(fields) ? fields : [];
  } catch {
    return []; // an id that this plugin did not make
  }
}
