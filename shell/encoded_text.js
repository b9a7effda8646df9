/**
 * Text of worlds that is not UTF-8: UTF-16, as spreadsheets and PowerShell write it, and older
 * encodings, which are guessed. The server's JSON contains UTF-8 text only. The text is for viewers; the
 * editor would save UTF-8.
 */

import { send } from "./api.js";
import { lazyUrl } from "./lazy_url.js";
import { pathOf } from "./place.js";

/** Encodings that can be chosen, in addition to the guesses. */
export const ENCODINGS = [
  "utf-8",
  "utf-16le",
  "utf-16be",
  "windows-1250",
  "windows-1251",
  "windows-1252",
  "windows-1253",
  "windows-1254",
  "windows-1255",
  "windows-1256",
  "iso-8859-2",
  "iso-8859-15",
  "koi8-r",
  "ibm866",
  "macintosh",
  "shift_jis",
  "euc-jp",
  "iso-2022-jp",
  "euc-kr",
  "gb18030",
  "big5",
];

/**
 * Adds the bytes to a world without text and, if they are text, the text with its probable encoding.
 *
 * @param {any} world
 */
export async function withEncodedText(world) {
  const at = world.past ? `&at=${world.version}` : "";
  const [response, { readText }] = await Promise.all([
    send(`${pathOf(world.name)}?raw${at}`),
    import(lazyUrl("bytes")),
  ]);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { ...world, bytes, ...readText(bytes) };
}

/** Decodes bytes; what is not valid becomes U+FFFD. */
export function decode(bytes, encoding) {
  return new TextDecoder(encoding).decode(bytes);
}
