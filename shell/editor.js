/**
 * Edits a world. It sends the version that it began with as `If-Match`. If another client wrote a
 * version in between, both texts are shown side by side.
 */

import { requestJson, send as sendRequest } from "./api.js";
import { noteError } from "./chrome.js";
import { changedSpan } from "./code_view.js";
import { button, h } from "./dom.js";
import { pathOf } from "./place.js";

/**
 * Reads the metadata of the world, because saving without it would remove it, and makes the editor.
 *
 * @param {string} name
 * @param {import("./viewers.js").Shown | undefined} world the current version; undefined if none
 * @param {AbortSignal} signal ends the request
 * @param {() => void} done called after saving or cancelling
 * @returns undefined if the metadata cannot be read
 */
export async function openEditor(name, world, signal, done) {
  if (world === undefined) return editor(name, world, [], done);
  try {
    const { headers } = await sendRequest(pathOf(name), { method: "HEAD", signal });
    return editor(name, world, [...headers].filter(([key]) => key.startsWith("x-meta-")), done);
  } catch (error) {
    if (!signal.aborted) noteError(error);
    return undefined;
  }
}

/** `meta` has the `x-meta-*` pairs of the world. */
function editor(name, world, meta, done) {
  const path = pathOf(name);
  // A text area has LF only. A text with CRLF is sent with CRLF.
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
    "aria-label": "Metadata, one name: value per line",
    class: "pairs",
    placeholder: "author: you",
    spellcheck: "false",
    value: meta.map(([key, value]) => `${key.slice("x-meta-".length)}: ${value}`).join("\n"),
  });
  const conflictPane = h("div", { class: "conflict", hidden: true });
  const save = button("Save", () => submit(), { class: "primary" });
  const node = h(
    "form",
    { class: "editor", on: { submit: (event) => event.preventDefault() } },
    h("div", { class: "sides" }, text, conflictPane),
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
  function confirmLeave(event) {
    // Removed from the page, the editor has no text to lose.
    if (!node.isConnected) return leaving.abort();
    if (text.value === (world?.text ?? "")) return;
    if (event.type === "beforeunload" || !confirm("Leave without saving?")) event.preventDefault();
  }
  addEventListener("beforeunload", confirmLeave, { signal: leaving.signal });
  addEventListener("shell:leave", confirmLeave, { signal: leaving.signal });
  node.addEventListener("keydown", (event) => {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && text.value === (world?.text ?? "")) onDone();
  });

  async function submit() {
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
      await sendRequest(`${path}${type === "" ? "" : `?ext=${encodeURIComponent(type)}`}`, {
        method: "PUT",
        body: new TextEncoder().encode(body),
        headers,
      });
      onDone();
    } catch (error) {
      if (error.status === 412) await showConflict().catch(noteError);
      else noteError(error);
    } finally {
      save.disabled = false;
    }
  }

  /** Shows the current version next to the text of the editor. */
  async function showConflict() {
    const latest = await requestJson(path);
    const current = latest.stage_html;
    base = latest.version;
    const { start, end } = changedSpan(text.value, current);
    conflictPane.replaceChildren(
      h(
        "p",
        { role: "alert" },
        `Version ${base} was written while you edited. Your text is on the left. Saving replaces that version.`,
      ),
      h(
        "pre",
        { tabindex: "0", "aria-label": `Version ${base}` },
        current.slice(0, start),
        h("mark", {}, current.slice(start, end)),
        current.slice(end),
      ),
      button("Use this text", () => {
        text.value = current;
        conflictPane.hidden = true;
        save.textContent = "Save";
      }),
    );
    conflictPane.hidden = false;
    save.textContent = `Replace version ${base}`;
  }

  return { node, focus: () => text.focus() };
}
