/** The field of an editor with the type of the world, which decides how it is shown. */

import { h } from "./dom.js";

const TYPES = {
  md: "Markdown",
  html: "HTML page",
  txt: "plain text",
  csv: "table (CSV)",
  json: "JSON",
  svg: "SVG image",
  css: "CSS",
  js: "JavaScript",
  ts: "TypeScript",
  py: "Python",
};
const OTHER = "…";

/**
 * What the server chooses without a type: it decides by the suffix of the name, and if there is none by
 * the text.
 *
 * @param {string} name
 * @param {string} text
 * @param {string} [before] type of the current version
 */
export function guessType(name, text, before) {
  const suffix = /[^/.]\.([a-z0-9]{1,16})$/i.exec(name)?.[1].toLowerCase();
  if (suffix !== undefined) return suffix;
  if (before !== undefined && !["txt", "html", "bin"].includes(before)) return before;
  return /^\s*</.test(text.slice(0, 1000)) ? "html" : "txt";
}

/**
 * @param {string} type empty if the server chooses it
 * @param {() => void} onInput
 */
export function typeField(type, onInput) {
  const select = h(
    "select",
    { "aria-label": "Type", on: { change: onChange } },
    h("option", { value: "" }, "automatic"),
    Object.entries(TYPES).map(([value, label]) => h("option", { value }, `${value} · ${label}`)),
    h("option", { value: OTHER }, "other …"),
  );
  const other = h("input", {
    "aria-label": "Other type",
    placeholder: "type",
    maxlength: "16",
    pattern: "[A-Za-z0-9]{1,16}",
    title: "1 to 16 letters and digits",
    spellcheck: "false",
    autocapitalize: "none",
    on: { input: onInput },
  });
  function onChange() {
    other.hidden = select.value !== OTHER;
    if (!other.hidden) other.focus();
    onInput();
  }
  function setValue(value) {
    const isListed = value === "" || value in TYPES;
    select.value = isListed ? value : OTHER;
    other.value = isListed ? "" : value;
    other.hidden = isListed;
  }
  setValue(type);
  return {
    node: h("span", { class: "type" }, h("span", { "aria-hidden": "true" }, "Type"), select, other),
    get value() {
      return select.value === OTHER ? other.value.trim().toLowerCase() : select.value;
    },
    set value(value) {
      setValue(value);
    },
    /** Shows which type the server would choose. */
    showGuess(guess) {
      select.options[0].textContent = `automatic (${guess})`;
    },
  };
}
