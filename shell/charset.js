// deno-lint-ignore-file no-import-prefix -- a library of one bundled file
/**
 * Tells text that is not UTF-8 from other bytes, and guesses its encoding. The guesses are made by
 * chardet 2.1.1 (MIT), a port of the detector of ICU. Pure.
 */

import { analyse } from "npm:chardet@2.1.1";

/** Bytes that are looked at. */
const SAMPLE_BYTES = 64 * 1024;
/** Decoders of the platform for names that it does not know. */
const ALIASES = { "iso-8859-1": "windows-1252", "utf-32le": "", "utf-32be": "" };

/** With fewer characters outside ASCII there is not enough text for a guess. */
const MIN_CHARACTERS = 4;
/** Confidence of chardet that means no more than "not impossible". */
const LOW = 20;
const USUAL = "windows-1252";

/**
 * Returns encodings that `TextDecoder` knows, the most probable one first.
 *
 * @param {Uint8Array} bytes
 * @returns {string[]}
 */
export function guessEncodings(bytes) {
  const found = analyse(bytes);
  const names = found.map(({ name }) => {
    const label = name.toLowerCase();
    try {
      return new TextDecoder(ALIASES[label] ?? label).encoding;
    } catch {
      return ""; // the platform has no decoder for it
    }
  });
  const wide = bytes.reduce((sum, byte) => sum + (byte > 127 ? 1 : 0), 0);
  const isUnsure = wide < MIN_CHARACTERS ||
    ((found[0]?.confidence ?? 0) <= LOW && wide < bytes.length / 2);
  const sorted = isUnsure ? [USUAL, ...names] : [...names, USUAL];
  return [...new Set(sorted.filter((name) => name !== ""))];
}

/**
 * Decodes text in its probable encoding.
 *
 * @param {Uint8Array} bytes
 * @returns {{ text?: string, encoding?: string, guesses?: string[] }} nothing if the bytes are not text
 */
export function readText(bytes) {
  const utf16 = decodeUtf16(bytes);
  if (utf16 !== undefined) {
    const encoding = bytes[0] === 0xff ? "utf-16le" : "utf-16be";
    return { text: utf16, encoding, guesses: [encoding] };
  }
  const guesses = guess(bytes);
  if (guesses.length === 0) return {};
  const [encoding] = guesses;
  return { text: new TextDecoder(encoding).decode(bytes), encoding, guesses };
}

/** Returns the probable encodings of a text; none if the bytes are not text. */
function guess(bytes) {
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  const wide = guessUtf16(sample);
  if (wide !== undefined) return [wide];
  if (!isProbablyText(sample)) return [];
  return guessEncodings(sample);
}

/**
 * Whether bytes are text in an encoding that contains ASCII: no control characters except those of
 * lines, tabs, pages and escape sequences.
 *
 * @param {Uint8Array} bytes
 */
export function isProbablyText(bytes) {
  if (bytes.length === 0) return false;
  if (bytes.length > 1 && [0xfffe, 0xfeff].includes(bytes[0] << 8 | bytes[1])) return false;
  return bytes.every((byte) => byte > 31 ? byte !== 127 : byte > 7 && byte < 14 || byte === 27);
}

/** UTF-16 without a byte order mark: text with many ASCII characters has a zero in every second byte. */
function guessUtf16(bytes) {
  if (bytes.length < 8 || bytes.length % 2 !== 0) return undefined;
  const zeros = [0, 0];
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === 0) zeros[at % 2]++;
  const most = bytes.length / 2;
  if (zeros[0] === 0 && zeros[1] > most / 2) return "utf-16le";
  if (zeros[1] === 0 && zeros[0] > most / 2) return "utf-16be";
  return undefined;
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
