/** Rare commands of a world: download, delete, restore an earlier version. */

import { send } from "./api.js";
import { note } from "./chrome.js";
import { confirmDialog } from "./dialog.js";
import { h } from "./dom.js";
import { lastOf } from "./place.js";

/** Saves the bytes as a file. */
export async function download({ path, name }) {
  const response = await send(`${path}?raw`);
  // As plain bytes: a blob of HTML would be a page with the origin of the shell.
  const bytes = new Blob([await response.arrayBuffer()], { type: "application/octet-stream" });
  const url = URL.createObjectURL(bytes);
  h("a", { href: url, download: lastOf(name) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Deletes the version that is shown, after a confirmation. */
export async function remove({ path, name, world }) {
  const text = `/${name} moves to the trash, with its history.`;
  if (!await confirmDialog("Delete?", text, "Delete")) return;
  await send(path, { method: "DELETE", headers: { "if-match": `"${world.version}"` } });
  note(`/${name} was deleted`);
}

/** Writes an earlier version as the newest one. */
export async function restore({ path, world }, version) {
  await send(`${path}?from=${version}`, {
    method: "PUT",
    headers: { "if-match": `"${world.version}"` },
  });
}
