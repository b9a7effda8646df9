/**
 * The mark of a request with an idempotency key in the events of its changes. It is written in the
 * transaction of the change, so that a change and its mark exist together, also after a crash. A mark
 * contains keyed hashes only: it shows neither the key nor the content. Pure.
 */

/** A mark, as the member `idem` of a payload contains it: `key.content` or `key.content.of`. */
export interface IdempotencyMark {
  /** Keyed hash of caller, method, path and key. */
  readonly key: string;
  /** Keyed hash of what the request asks for. */
  readonly content: string;
  /** Number of worlds that the request changes; absent for one. */
  readonly of?: number;
}

const MARK = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})(?:\.(\d{1,9}))?$/;
/** Cheap to look for; a text in a payload cannot contain it, because JSON escapes its quotes. */
const MEMBER = '"idem":"';

/** Formats a mark for the event. */
export function formatMark({ key, content, of }: IdempotencyMark): string {
  return of === undefined ? `${key}.${content}` : `${key}.${content}.${of}`;
}

/**
 * Reads the mark of an event.
 *
 * @param payload payload of an event, as JSON text or as a value
 * @returns undefined if it has none
 */
export function readMark(payload: unknown): IdempotencyMark | undefined {
  if (typeof payload === "string") {
    return payload.includes(MEMBER) ? readMark(parse(payload)) : undefined;
  }
  if (typeof payload !== "object" || payload === null) return undefined;
  const { idem }: { idem?: unknown } = payload;
  const [, key, content, of] = typeof idem === "string" ? MARK.exec(idem) ?? [] : [];
  if (key === undefined || content === undefined) return undefined;
  return of === undefined ? { key, content } : { key, content, of: Number(of) };
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? undefined : value;
  } catch {
    return undefined; // not JSON: the audit reports it
  }
}
