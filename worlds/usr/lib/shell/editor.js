/**
 * Writes a world from the browser. It sends what it began with as `If-Match`, so nobody's work is
 * overwritten unseen; when somebody was faster, both texts are shown side by side.
 */

import { ask, askJson } from "./api.js?raw";
import { noteRefusal } from "./chrome.js?raw";
import { changedSpan } from "./code_view.js?raw";
import { button, h, style } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";

await style("boxes");

/**
 * @param {string} name
 * @param {import("./viewers.js").Shown | undefined} world what is there now
 * @param {[string, string][]} meta its `x-meta-*` pairs
 * @param {() => void} done called when it was saved or given up
 */
export function editor(name, world, meta, done) {
  const path = pathOf(name);
  // A text area knows only LF; what came with CRLF goes back with it.
  const crlf = /\r\n/.test(world?.text ?? "") && !/[^\r]\n/.test(world?.text ?? "");
  const text = h("textarea", {
    "aria-label": `Text of /${name}`,
    spellcheck: "false",
    value: world?.text ?? "",
  });
  const ext = h("input", {
    "aria-label": "Type",
    value: world?.ext ?? "",
    placeholder: "type",
    maxlength: "16",
    size: "6",
    spellcheck: "false",
  });
  const pairs = h("textarea", {
    "aria-label": "Metadata, one name: value a line",
    class: "pairs",
    placeholder: "author: you",
    spellcheck: "false",
    value: meta.map(([key, value]) => `${key.slice("x-meta-".length)}: ${value}`).join("\n"),
  });
  const other = h("div", { class: "theirs", hidden: true });
  const save = button("Save", () => send(), { class: "primary" });
  const node = h(
    "form",
    { class: "editor", on: { submit: (event) => event.preventDefault() } },
    h("div", { class: "sides" }, text, other),
    h("details", { open: meta.length > 0 }, h("summary", {}, "Metadata"), pairs),
    h(
      "div",
      { class: "actions" },
      h("label", { class: "inline" }, h("span", {}, "Type"), ext),
      button("Cancel", onDone),
      save,
    ),
  );
  let base = world?.version;
  const leaving = new AbortController();
  function onDone() {
    leaving.abort();
    done();
  }
  function hold(event) {
    // Gone from the page, there is nothing left to lose.
    if (!node.isConnected) return leaving.abort();
    if (text.value === (world?.text ?? "")) return;
    if (event.type === "beforeunload" || !confirm("Leave without saving?")) event.preventDefault();
  }
  addEventListener("beforeunload", hold, { signal: leaving.signal });
  addEventListener("shell:leave", hold, { signal: leaving.signal });
  node.addEventListener("keydown", (event) => {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && text.value === (world?.text ?? "")) onDone();
  });

  async function send() {
    save.disabled = true;
    const type = ext.value.trim();
    const headers = new Headers(
      base === undefined ? { "if-none-match": "*" } : { "if-match": `"${base}"` },
    );
    headers.set("content-type", "application/octet-stream");
    try {
      for (const line of pairs.value.split("\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) {
          headers.set(`x-meta-${line.slice(0, colon).trim()}`, line.slice(colon + 1).trim());
        }
      }
      const body = crlf ? text.value.replaceAll("\n", "\r\n") : text.value;
      await ask(`${path}${type === "" ? "" : `?ext=${encodeURIComponent(type)}`}`, {
        method: "PUT",
        body: new TextEncoder().encode(body),
        headers,
      });
      onDone();
    } catch (error) {
      if (error.status === 412) await conflict().catch(noteRefusal);
      else noteRefusal(error);
    } finally {
      save.disabled = false;
    }
  }

  /** Shows what is there now beside what was to be saved. */
  async function conflict() {
    const theirs = await askJson(path);
    const current = theirs.stage_html;
    base = theirs.version;
    const { start, end } = changedSpan(text.value, current);
    other.replaceChildren(
      h(
        "p",
        { role: "alert" },
        `Version ${base} was written while you edited. Yours is on the left; saving again replaces theirs.`,
      ),
      h(
        "pre",
        { tabindex: "0", "aria-label": "Their text" },
        current.slice(0, start),
        h("mark", {}, current.slice(start, end)),
        current.slice(end),
      ),
      button("Take theirs instead", () => {
        text.value = current;
        other.hidden = true;
        save.textContent = "Save";
      }),
    );
    other.hidden = false;
    save.textContent = `Replace version ${base}`;
  }

  return { node, focus: () => text.focus() };
}
