/** The buttons of a collection: for itself, for its rows, and for the selected rows. */

import { noteError } from "./chrome.js";
import { copyLinks } from "./copy_link.js";
import { button, fill, h, keepFocus } from "./dom.js";
import { grouped } from "./format.js";
import { menuButton } from "./menu.js";
import { downloadEntries, openMove, removeEntries } from "./manage.js";
import { newMenu } from "./new_world.js";
import { allowed, needs, reason } from "./permissions.js";
import { lastOf, parentOf, pathOf } from "./place.js";
import { acceptFiles } from "./upload.js";
import { download } from "./world_commands.js";

const linkTo = ({ name, version }) => pathOf(name) + (version === undefined ? "/" : "");

/** A path below a collection, to ask what the caller may do with its worlds. */
const childOf = (name) => pathOf(`${name}/new`);

/** The buttons in the head of a collection. */
export function collectionActions(name, signal) {
  const { chooseFiles, chooseFolder } = acceptFiles(signal, name);
  // A namespace such as /home/ cannot be moved or deleted.
  const isOwn = name.includes("/");
  const entry = { name, dir: true };
  const show = (path) => dispatchEvent(new CustomEvent("shell:go", { detail: path }));
  return h(
    "div",
    { class: "actions" },
    newMenu(name),
    needs(button("Upload", chooseFiles), childOf(name), "PUT"),
    menuButton("More", async () => [
      ...chooseFolder === undefined ? [] : [{
        label: "Upload a folder",
        run: chooseFolder,
        disabled: await refusal({ name: `${name}/new`, version: 1 }, "PUT"),
      }],
      { label: "Download as zip", run: () => downloadOne(entry) },
      { label: "Copy link", run: () => copyLinks([linkTo(entry)]) },
      ...isOwn
        ? [
          {
            label: "Rename or move…",
            run: () => openMove([entry], (to) => show(`${pathOf(to)}/`)),
            disabled: await refusal(entry, "MOVE"),
          },
          {
            label: "Delete",
            danger: true,
            run: () => removeEntries([entry]),
            disabled: await refusal(entry, "DELETE"),
          },
        ]
        : [],
      { label: "Trash", run: () => show(`/proc/trash${linkTo(entry)}`) },
    ]),
  );
}

/** The archive contains the name of the collection as its first folder. */
function downloadOne(entry) {
  return downloadEntries([entry], parentOf(entry.name), lastOf(entry.name));
}

/** Why the caller may not do something with an entry; undefined if it may. */
async function refusal(entry, method) {
  if (entry.version === 0) return "It ships with the server";
  const path = linkTo(entry);
  return (await allowed(path)).has(method) ? undefined : reason(path, method);
}

/** One world is downloaded as it is, everything else as an archive. */
function downloadSelected(folder, entries) {
  const [{ name, dir }] = entries;
  return entries.length === 1 && !dir
    ? download({ path: pathOf(name), name }).catch(noteError)
    : downloadEntries(entries, folder, lastOf(folder));
}

/** The menu of a row. */
export function rowMenu(entry) {
  const items = async () => [
    {
      label: "Rename or move…",
      hint: "F2",
      run: () => openMove([entry]),
      disabled: await refusal(entry, "MOVE"),
    },
    { label: "Copy link", run: () => copyLinks([linkTo(entry)]) },
    ...entry.version === undefined ? [] : [{
      label: "Download",
      run: () => download({ path: pathOf(entry.name), name: entry.name }).catch(noteError),
    }],
    ...entry.version === undefined || entry.dir
      ? [{ label: "Download as zip", run: () => downloadOne(entry) }]
      : [],
    {
      label: "Delete",
      hint: "Del",
      danger: true,
      run: () => removeEntries([entry]),
      disabled: await refusal(entry, "DELETE"),
    },
  ];
  return menuButton("⋯", items, {
    class: "quiet row-menu",
    "aria-label": `Actions for ${entry.name.slice(entry.name.lastIndexOf("/") + 1)}`,
  });
}

/**
 * The bar with the actions on the selected rows.
 *
 * @param {string} folder name of the collection
 * @param {() => import("./targets.js").Entry[]} selected
 * @param {() => void} clear
 */
export function selectionBar(folder, selected, clear) {
  const state = h("span", { role: "status" });
  const node = h(
    "div",
    { class: "selection", hidden: true, role: "group", "aria-label": "Selected entries" },
    state,
    needs(button("Move…", () => openMove(selected(), clear)), childOf(folder), "MOVE"),
    button("Download", () => downloadSelected(folder, selected())),
    button("Copy links", () => copyLinks(selected().map(linkTo)), { class: "wide" }),
    needs(
      button("Delete", async () => await removeEntries(selected()) && clear(), { class: "danger" }),
      childOf(folder),
      "DELETE",
    ),
    button("×", clear, { class: "quiet", "aria-label": "Clear the selection", title: "Esc" }),
  );
  return {
    node,
    /** @param {number} size how many rows are selected */
    draw(size) {
      keepFocus(node, () => node.hidden = size === 0);
      fill(
        state,
        size === 0 ? null : grouped(size),
        h("span", { class: "wide" }, " selected"),
      );
    },
  };
}
