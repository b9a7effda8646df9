/**
 * A world through the thinking layer: the form and the intent are chosen, and what the machine makes
 * of it streams in. Without the semantic plugin there is no such route, and it says so.
 */

import { refusalOf, request } from "./api.js?raw";
import { openDialog } from "./dialog.js?raw";
import { h } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";
import { eventParser } from "./sse.js?raw";

const FORMS = {
  "text/plain": "text",
  "text/markdown": "Markdown",
  "text/html": "HTML",
  "application/json": "JSON",
};
const MISSING =
  "Nothing answers at /shaped. The semantic plugin does, once it is installed and active.";

/**
 * Opens the box for a world.
 *
 * @param {string} name
 */
export function openShaped(name) {
  const form = h(
    "select",
    { name: "form" },
    Object.entries(FORMS).map(([value, label]) => h("option", { value }, label)),
  );
  const intent = h("input", {
    name: "intent",
    value: "summarise in five sentences",
    spellcheck: "false",
  });
  const output = h("pre", {
    class: "command shaped",
    tabindex: "0",
    role: "status",
    "aria-label": "What comes back",
  });
  const fault = h("p", { class: "fault", role: "alert" });
  const stop = new AbortController();
  const node = openDialog(
    "Shaped",
    h(
      "form",
      { class: "sign-in", on: { submit } },
      h("label", {}, h("span", {}, "Intent: who reads it, what for"), intent),
      h("label", {}, h("span", {}, "Form"), form),
      h("button", { type: "submit", class: "primary" }, "Shape it"),
    ),
    fault,
    output,
  );
  node.addEventListener("close", () => stop.abort());

  async function submit(event) {
    event.preventDefault();
    output.textContent = "";
    fault.textContent = "";
    try {
      await stream();
    } catch (error) {
      if (!stop.signal.aborted) fault.textContent = error.message;
    }
  }

  async function stream() {
    const response = await request(`/shaped${pathOf(name)}`, {
      headers: {
        accept: `text/event-stream, ${form.value}`,
        // A header carries Latin-1; an intent in other letters goes as their percent escapes.
        "x-semantic-intent": /^[\x20-\x7e]*$/.test(intent.value)
          ? intent.value
          : encodeURIComponent(intent.value),
      },
      signal: stop.signal,
    });
    if (response.status === 404) throw new Error(MISSING);
    if (!response.ok) throw await refusalOf(response);
    const feed = eventParser(({ type, data }) => {
      if (type === "error") fault.textContent = data;
      else if (type !== "done") output.append(data);
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) feed(part.value);
  }
}
