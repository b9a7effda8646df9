/**
 * What one can do with a world: the buttons of its page and their keys.
 */

import { noteRefusal } from "./chrome.js?raw";
import { button, h } from "./dom.js?raw";
import { authorization } from "./session.js?raw";

/** Draws the buttons; `source` says whether there is a source to look at, `pressed` whether it is seen. */
export function act(page, node, { source, pressed }) {
  const { world } = page;
  const text = world === undefined || world.text !== undefined;
  const buttons = [
    source
      ? button("Source", () => page.toggleSource(), { "aria-pressed": String(pressed) })
      : null,
    text
      ? button(world === undefined ? "Write it" : "Edit", () => page.edit(), { title: "e" })
      : null,
    world === undefined || !text ? button("Upload", page.choose) : null,
    world === undefined || !text ? null : button("Shape", async () => {
      const { openShaped } = await import("./shaped.js?raw");
      openShaped(page.name);
    }, { title: "Read it through the thinking layer" }),
    world === undefined ? null : rawLink(page),
    world === undefined || world.version === 0
      ? null
      : button("Delete", async () => (await acts()).remove(page).catch(noteRefusal), {
        class: "danger",
      }),
  ];
  node.replaceChildren(...buttons.filter((item) => item !== null));
}

/** The bytes in a tab of their own where no credential is needed for them, else as a download. */
function rawLink(page) {
  if (authorization() === null) {
    const props = { class: "button", href: `${page.path}?raw`, target: "_blank", rel: "noopener" };
    return h("a", props, "Raw");
  }
  return button("Download", async () => (await acts()).download(page).catch(noteRefusal));
}

function acts() {
  return import("./world_acts.js?raw");
}

/** `e` edits, for as long as the page lives. */
export function keys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    if (event.key !== "e" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    page.edit();
  }, { signal: page.signal });
}
