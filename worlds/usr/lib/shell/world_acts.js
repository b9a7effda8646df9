/**
 * The acts on a world that somebody rarely wants: taking its bytes home, deleting it, and bringing an
 * earlier version back.
 */

import { ask } from "./api.js?raw";
import { note } from "./chrome.js?raw";
import { confirmDialog } from "./dialog.js?raw";
import { h } from "./dom.js?raw";
import { lastOf } from "./place.js?raw";

/** Saves the bytes as a file. */
export async function download({ path, name }) {
  const response = await ask(`${path}?raw`);
  // As plain bytes: a blob of an active type would be a page of this very origin.
  const bytes = new Blob([await response.arrayBuffer()], { type: "application/octet-stream" });
  const url = URL.createObjectURL(bytes);
  h("a", { href: url, download: lastOf(name) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Deletes the world as it is seen, once somebody is sure. */
export async function remove({ path, name, world }) {
  const text = `/${name} moves to the machine's trash, with its history.`;
  if (!await confirmDialog("Delete?", text, "Delete")) return;
  await ask(path, { method: "DELETE", headers: { "if-match": `"${world.version}"` } });
  note(`/${name} is deleted`);
}

/** Makes an earlier version the newest. */
export async function bringBack({ path, world }, version) {
  await ask(`${path}?from=${version}`, {
    method: "PUT",
    headers: { "if-match": `"${world.version}"` },
  });
}
