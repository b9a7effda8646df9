/** The colours of source text, with the grammars of the most frequent languages. */

export { paint, readTokens } from "../paint_text.js";
