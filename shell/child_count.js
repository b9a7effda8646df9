/**
 * Counts the children of a world, which may be a collection too. The first event of the stream below
 * it is the listing. The path of the listing itself would answer 404 if there are no children.
 */

import { request } from "./api.js";
import { firstViewDrawn } from "./first_view.js";

/**
 * @param {string} path of the world
 * @param {AbortSignal} signal
 * @returns {Promise<number>} 0 also if the listing cannot be read
 */
export async function countChildren(path, signal) {
  const connection = new AbortController();
  signal.addEventListener("abort", () => connection.abort());
  await firstViewDrawn();
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
    // The view ended, or the server is not reached, which the page shows elsewhere.
  } finally {
    connection.abort();
  }
  return 0;
}
