/** Shapes as server-sent events: the text in `message` events, then one `done` or `error` event. */

import { Problem } from "../kit/problem.ts";
import { formatEvent } from "../kit/sse.ts";
import type { Generation } from "./generation.ts";
import type { CacheStatus, HeaderRecord, Shape } from "./shape.ts";

/** Pause before a comment that keeps a silent stream open, in milliseconds. */
const HEARTBEAT_MS = 10_000;

/** Returns the headers of a stream. */
export function streamHeaders(
  headers: HeaderRecord,
  status: CacheStatus | "fallback-raw",
): Record<string, string> {
  return {
    ...headers,
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-semantic-cache": status,
  };
}

/** Formats the stream of a shape that is complete, in pieces of 1024 characters. */
export function formatShapeEvents({ text, etag }: Shape, status: CacheStatus): string {
  // With the flag u no piece ends within a surrogate pair.
  const pieces = text.match(/[^]{1,1024}/gu) ?? [];
  return pieces.map((piece) => formatEvent(piece)).join("") + formatDone(etag, status);
}

/** Formats the stream of a source that is sent instead of a shape. */
export function formatSourceEvents(text: string): string {
  return formatEvent(text) + formatEvent(JSON.stringify({ cache: "fallback-raw" }), "done");
}

function formatDone(etag: string, cache: CacheStatus): string {
  return formatEvent(JSON.stringify({ etag, cache }), "done");
}

/**
 * Streams a generation from its beginning.
 *
 * @param leave called when the stream ends or the client disconnects
 * @param source text of the source, if the client accepts it instead of a shape; it is sent if the
 * model is not available and nothing was sent yet
 */
export function streamGeneration(
  generation: Generation,
  status: CacheStatus,
  leave: () => void,
  source?: string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let sent = 0;

  /** Waits for more text; returns "" at the end. */
  async function nextEvents(): Promise<string> {
    while (generation.text.length === sent && generation.outcome === undefined) {
      if (!await settlesWithin(generation.changed(), HEARTBEAT_MS)) {
        return ": the model is still working\n\n";
      }
    }
    const piece = generation.text.slice(sent);
    sent += piece.length;
    return piece === "" ? "" : formatEvent(piece);
  }

  function formatLast(outcome: Generation["outcome"]): string {
    if (!(outcome instanceof Problem)) return formatDone(outcome?.etag ?? "", status);
    const sendsSource = source !== undefined && sent === 0 && outcome.status === 503;
    return sendsSource ? formatSourceEvents(source) : formatEvent(outcome.message, "error");
  }

  return new ReadableStream({
    async pull(controller) {
      const events = await nextEvents();
      if (events !== "") return controller.enqueue(encoder.encode(events));
      const { outcome } = generation;
      controller.enqueue(encoder.encode(formatLast(outcome)));
      controller.close();
      leave();
    },
    cancel: leave,
  });
}

/** Returns whether a promise resolves within a time. */
async function settlesWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  const { promise: timeout, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
