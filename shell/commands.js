/** Texts that can be copied, such as the curl commands of a world. */

import { button, h } from "./dom.js";
import { pathOf } from "./place.js";

/** The commands that read, write and follow a world. */
export function commands(name, origin) {
  const path = pathOf(name).replaceAll("'", "%27");
  const url = `'${origin}${path}`;
  const token = '-H "Authorization: Bearer $ELASTIK_TOKEN"';
  return [
    ["Read", `curl ${url}?raw'`],
    ["Write", `curl -X PUT ${url}' ${token} --data-binary @file`],
    ["Append", `curl -X POST ${url}' ${token} -d 'one more line'`],
    ["Follow", `curl -N '${origin}/stream${path}'`],
  ];
}

/** A text with a button that copies it. */
export function copyable(label, text) {
  const area = h("pre", { class: "command", tabindex: "0", "aria-label": label }, text);
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(text).then(() => {
      copy.textContent = "Copied";
    }, () => {
      // Without the permission to copy, the text is selected.
      getSelection()?.selectAllChildren(area);
      copy.textContent = "Selected";
    });
    setTimeout(() => copy.textContent = "Copy", 1500);
  }, { "aria-label": `Copy: ${label}` });
  return h(
    "div",
    { class: "copyable" },
    h("div", { class: "title" }, h("h3", {}, label), copy),
    area,
  );
}
