/** The actions on a world: the buttons of its page, and their keys. */

import { noteError } from "./chrome.js";
import { copyLinks } from "./copy_link.js";
import { button, h } from "./dom.js";
import { menuButton } from "./menu.js";
import { openMove } from "./manage.js";
import { allowed, ifAllowed, needs, reason } from "./permissions.js";
import { pathOf } from "./place.js";
import { authorization } from "./session.js";
import { openShaped } from "./shaped.js";
import { isTyping } from "./typing.js";
import { download, remove } from "./world_commands.js";

/** Draws the buttons. `source`: whether the source can be shown; `pressed`: whether it is shown. */
export function drawActions(page, node, { source, pressed }) {
  const { world } = page;
  const write = (control) => needs(control, page.path, "PUT");
  const text = world === undefined || world.text !== undefined;
  const buttons = [
    source
      ? button("Source", () => page.toggleSource(), { "aria-pressed": String(pressed) })
      : null,
    text
      ? write(button(world === undefined ? "Write" : "Edit", () => page.edit(), { title: "e" }))
      : null,
    world === undefined || !text ? write(button("Upload", page.choose)) : null,
    world === undefined || !text ? null : button("Shape", () => openShaped(page.name), {
      title: "Rewrite it for a reader, by a model",
    }),
    world === undefined ? null : rawLink(page),
    world === undefined ? null : menuButton("More", () => moreItems(page)),
    world === undefined || world.version === 0 ? null : needs(
      button("Delete", () => remove(page).catch(noteError), { class: "danger" }),
      page.path,
      "DELETE",
    ),
  ];
  node.replaceChildren(...buttons.filter((item) => item !== null));
}

async function moreItems(page) {
  const { name, path, world } = page;
  const refused = (await allowed(path)).has("MOVE") ? undefined : reason(path, "MOVE");
  const show = (to) => dispatchEvent(new CustomEvent("shell:go", { detail: pathOf(to) }));
  const entry = { name, version: world.version, dir: page.children > 0 };
  return [
    {
      label: "Rename or move…",
      run: () => openMove([entry], show),
      disabled: world.version === 0 ? "It ships with the server" : refused,
    },
    { label: "Full window (f)", run: () => page.toggleFull() },
    { label: "Copy link", run: () => copyLinks([path]) },
    ...authorization() === null
      ? [{ label: "Download", run: () => download(page).catch(noteError) }]
      : [],
  ];
}

/** A link to the bytes; a download if they need the credential, which a link cannot send. */
function rawLink(page) {
  if (authorization() === null) {
    const props = { class: "button", href: `${page.path}?raw`, target: "_blank", rel: "noopener" };
    return h("a", props, "Raw");
  }
  return button("Download", () => download(page).catch(noteError));
}

/** `e` opens the editor, until the view ends. */
export function addKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target)) return;
    if (event.key !== "e" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    ifAllowed(page.path, "PUT", () => page.edit());
  }, { signal: page.signal });
}
