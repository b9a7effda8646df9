/**
 * Text of worlds in UTF-16 with a byte order mark, as spreadsheets and PowerShell write it. The
 * server's JSON contains UTF-8 text only. The text is for viewers; the editor would save UTF-8.
 */

import { send } from "./api.js";
import { pathOf } from "./place.js";

/** Adds the text to a world without text, if its bytes are UTF-16. */
export async function withUtf16Text(world) {
  const at = world.past ? `&at=${world.version}` : "";
  const response = await send(`${pathOf(world.name)}?raw${at}`);
  const text = decodeUtf16(new Uint8Array(await response.arrayBuffer()));
  return text === undefined ? world : { ...world, text };
}

/**
 * Decodes UTF-16 with a byte order mark.
 *
 * @param {Uint8Array} bytes
 * @returns {string | undefined} undefined if the bytes are something else
 */
export function decodeUtf16(bytes) {
  const mark = bytes[0] << 8 | bytes[1];
  if (mark !== 0xfffe && mark !== 0xfeff) return undefined;
  try {
    return new TextDecoder(mark === 0xfffe ? "utf-16le" : "utf-16be", { fatal: true })
      .decode(bytes);
  } catch {
    return undefined; // an odd number of bytes, or half a character
  }
}
