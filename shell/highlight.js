/** Colours source text. The code for it is loaded when it is first needed. */

import { lazyUrl } from "./lazy_url.js";

/** Extensions of text without a language. */
const PLAIN = new Set("txt log md markdown csv tsv bin org tex srt vtt rst text plain".split(" "));

/**
 * Colours a text node. Without the code, or without the CSS Custom Highlight API, it stays as it is.
 *
 * @param {Text} node
 * @param {string} language an extension, or a name of a language
 */
export async function paint(node, language) {
  if (!("highlights" in CSS)) return;
  try {
    const isPlain = language === "" || PLAIN.has(language);
    // Colours of an earlier text are removed, too.
    if (isPlain && CSS.highlights.size === 0) return;
    const module = await import(lazyUrl("highlight"));
    await module.paint(node, isPlain ? "" : language, lazyUrl("grammars"));
  } catch {
    // Without colours the text can be read as well.
  }
}
