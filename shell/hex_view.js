/** Bytes without another viewer: offset, hexadecimal digits and ASCII characters. */

import { button, h } from "./dom.js";
import { size } from "./format.js";

/** Bytes drawn at a time. */
const STEP = 8192;

/** The viewer. */
export function hexView() {
  const text = h("pre", { class: "hex", tabindex: "0" });
  const node = h("div", {}, text);

  function update({ bytes }) {
    const width = matchMedia("(max-width: 700px)").matches ? 8 : 16;
    text.textContent = "";
    node.replaceChildren(text);
    function more(from) {
      text.append(hexDump(bytes.subarray(from, from + STEP), from, width));
      const left = bytes.length - from - STEP;
      if (left <= 0) return;
      const next = button(`${size(left)} more`, () => {
        next.remove();
        more(from + STEP);
      }, { class: "quiet" });
      node.append(next);
    }
    more(0);
  }

  return { node, update };
}

/**
 * Formats bytes as lines of `width` bytes.
 *
 * @param {Uint8Array} bytes
 * @param {number} offset of the first byte
 * @param {number} width bytes per line
 */
export function hexDump(bytes, offset, width) {
  let out = "";
  for (let at = 0; at < bytes.length; at += width) {
    const line = bytes.subarray(at, at + width);
    const hex = Array.from(line, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = Array.from(
      line,
      (byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·",
    );
    out += `${(offset + at).toString(16).padStart(8, "0")}  ${hex.padEnd(width * 3)} ${
      ascii.join("")
    }\n`;
  }
  return out;
}
