/**
 * Colours of Markdown in the editor, line by line: a mode for the StreamLanguage of CodeMirror. Pure. Each
 * pattern has a limited length, because the text is untrusted.
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})[^`]{0,200}$/;
/** Marks within a line, with the names of CodeMirror's tags. */
const MARKS = [
  [/^`{1,3}[^`]{1,500}`{1,3}/, "monospace"],
  [/^\*\*[^*\s][^*]{0,500}\*\*/, "strong"],
  [/^__[^_\s][^_]{0,500}__/, "strong"],
  [/^\*[^*\s][^*]{0,500}\*/, "emphasis"],
  [/^_[^_\s][^_]{0,500}_(?!\w)/, "emphasis"],
  [/^~~[^~]{1,500}~~/, "strikethrough"],
  [/^!?\[[^\]]{0,500}\]\([^)]{0,1000}\)/, "link"],
  [/^!?\[[^\]]{0,500}\]\[[^\]]{0,200}\]/, "link"],
  [/^<?https?:\/\/[^\s<>]{1,1000}>?/, "link"],
  [/^\\./, null],
];

export const markdownMode = {
  name: "markdown",
  startState: () => ({ fence: "" }),
  token(stream, state) {
    if (stream.sol()) {
      const whole = stream.string.length > 1000 ? "" : stream.string;
      const fence = FENCE.exec(whole)?.[1];
      if (state.fence !== "") {
        if (fence?.startsWith(state.fence)) state.fence = "";
        stream.skipToEnd();
        return "monospace";
      }
      if (fence !== undefined) {
        state.fence = fence;
        stream.skipToEnd();
        return "monospace";
      }
      if (/^ {0,3}#{1,6}(?:\s|$)/.test(whole)) {
        stream.skipToEnd();
        return "heading";
      }
      if (stream.match(/^ {0,3}>/)) return "quote";
      if (stream.match(/^\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s)?/)) return "keyword";
    }
    for (const [pattern, style] of MARKS) if (stream.match(pattern)) return style;
    stream.next();
    stream.eatWhile(/[^\\`*_~![<h]/);
    return null;
  },
};
