/**
 * Follows one of the machine's event streams for as long as a view lives: connects again when the
 * connection breaks or falls silent, and lets it rest while nobody looks at the tab, because a
 * browser grants a machine only six connections.
 */

import { refusalOf, request } from "./api.js?raw";
import { setLive } from "./chrome.js?raw";
import { eventParser } from "./sse.js?raw";

/** Longest silence in milliseconds; the machine beats every 15 seconds. */
const SILENCE = 40_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** `last` is the id of the event that is known already; `onRefusal` hears a no that is for good. */
export async function follow(path, { signal, last = "", onEvent, onRefusal }) {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    await whileHidden(signal);
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener("abort", stop);
    document.addEventListener("visibilitychange", stop);
    let silence = setTimeout(stop, SILENCE);
    try {
      const response = await request(path, {
        headers: { accept: "text/event-stream", ...(last === "" ? {} : { "last-event-id": last }) },
        signal: connection.signal,
      });
      if (response.status >= 400 && response.status < 500) {
        const refusal = await refusalOf(response);
        if (!signal.aborted) setLive("off");
        onRefusal?.(refusal);
        return;
      }
      if (response.ok) {
        setLive("live");
        pause = FIRST_PAUSE;
        const feed = eventParser((event) => {
          last = event.id || last;
          if (!signal.aborted) onEvent({ ...event, data: JSON.parse(event.data) });
        });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          clearTimeout(silence);
          silence = setTimeout(stop, SILENCE);
          feed(part.value);
        }
      }
    } catch (error) {
      // A broken connection is what the loop is for; anything else is a fault of ours.
      if (error instanceof SyntaxError || error instanceof ReferenceError) throw error;
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", stop);
      document.removeEventListener("visibilitychange", stop);
    }
    if (signal.aborted) return;
    setLive("waiting");
    if (!document.hidden) await sleep(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

function whileHidden(signal) {
  if (!document.hidden) return undefined;
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", resolve, { once: true, signal });
    signal.addEventListener("abort", resolve, { once: true });
  });
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve, { once: true });
  });
}
