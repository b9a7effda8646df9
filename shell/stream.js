/**
 * Follows an event stream until the view ends. Reconnects after an error or when the connection is
 * idle. Disconnects while the tab is hidden: a browser allows six connections to one server.
 */

import { readError, request } from "./api.js";
import { setLive } from "./chrome.js";
import { firstViewDrawn } from "./first_view.js";
import { nextSession } from "./session.js";
import { eventParser } from "./sse.js";

/** Longest time without a byte; the server sends a comment every 15 seconds. */
const IDLE_MS = 40_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** `last`: id of the last known event. `onError` gets a 4xx response, which ends the function; after a
 * 401 it continues when the user has signed in. */
export async function follow(path, { signal, last = "", onEvent, onError }) {
  let pause = FIRST_PAUSE_MS;
  await firstViewDrawn();
  while (!signal.aborted) {
    await whileHidden(signal);
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener("abort", stop);
    document.addEventListener("visibilitychange", stop);
    let idle = setTimeout(stop, IDLE_MS);
    try {
      const response = await request(path, {
        headers: { accept: "text/event-stream", ...(last === "" ? {} : { "last-event-id": last }) },
        signal: connection.signal,
      });
      if (response.status >= 400 && response.status < 500) {
        const error = await readError(response);
        if (signal.aborted) return;
        setLive("off");
        onError?.(error);
        if (response.status !== 401) return;
        await nextSession(signal);
        continue;
      }
      if (response.ok) {
        setLive("live");
        pause = FIRST_PAUSE_MS;
        const feed = eventParser((event) => {
          last = event.id || last;
          if (!signal.aborted) onEvent({ ...event, data: JSON.parse(event.data) });
        });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          clearTimeout(idle);
          idle = setTimeout(stop, IDLE_MS);
          feed(part.value);
        }
        // The server ends the streams of a capability that is revoked.
        if (!signal.aborted) dispatchEvent(new CustomEvent("shell:check-caller"));
      }
    } catch (error) {
      // The loop handles a broken connection; an error of the shell itself is thrown.
      if (error instanceof SyntaxError || error instanceof ReferenceError) throw error;
    } finally {
      clearTimeout(idle);
      signal.removeEventListener("abort", stop);
      document.removeEventListener("visibilitychange", stop);
    }
    if (signal.aborted) return;
    setLive("waiting");
    if (!document.hidden) await sleep(pause, signal);
    pause = Math.min(pause * 2, MAX_PAUSE_MS);
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
