/** Rare commands of a world: download, delete, restore an earlier version. */

import { readWritten, requestAnswer } from "./answers.js";
import { send } from "./api.js";
import { note } from "./chrome.js";
import { h } from "./dom.js";
import { removeEntries } from "./manage.js";
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
export function remove({ name, world }) {
  return removeEntries([{ name, version: world.version }]);
}

/** Writes an earlier version as the newest one, and offers to undo it. */
export async function restore({ path, world }, version) {
  const restored = await putVersion(path, version, world.version);
  const undo = () => putVersion(path, world.version, restored.version);
  note(`Version ${version} is the current content again, as version ${restored.version}`, {
    action: { label: "Undo", run: undo },
  });
}

/** `current` is the version that is replaced; if the world has another one by then, it fails with 412. */
async function putVersion(path, version, current) {
  const headers = { "if-match": `"${current}"` };
  return await requestAnswer(`${path}?from=${version}`, readWritten, { method: "PUT", headers });
}
