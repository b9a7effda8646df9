/**
 * Whether a world is a collection too. The stream of what lies below it begins with the listing, which
 * is all that is taken of it: the listing's own path would answer 404 where nothing is below.
 */

import { request } from "./api.js?raw";

/**
 * @param {string} path of the world
 * @param {AbortSignal} signal
 * @returns {Promise<number>} how many children it has; 0 when nobody can tell
 */
export async function childrenOf(path, signal) {
  const connection = new AbortController();
  signal.addEventListener("abort", () => connection.abort());
  try {
    const { body, ok } = await request(`/stream${path}/?brief`, { signal: connection.signal });
    const parts = ok ? body.pipeThrough(new TextDecoderStream()) : [];
    let text = "";
    for await (const part of parts) {
      text += part;
      const list = /^data: (.*)\n/m.exec(text);
      if (list) return JSON.parse(list[1]).length;
    }
  } catch {
    // The page is left, or the machine is not reached, which the page says elsewhere.
  } finally {
    connection.abort();
  }
  return 0;
}
