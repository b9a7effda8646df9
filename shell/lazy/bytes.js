/** Bytes that are not UTF-8: their text, and their hexadecimal digits. */

export { readText } from "../charset.js";
export { hexView } from "../hex_view.js";
