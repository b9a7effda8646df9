/** Takes files that are dropped on the page or chosen, and whole folders. */

import { noteError } from "./chrome.js";
import { byId, h } from "./dom.js";
import { filesOfDrop, filesOfInput } from "./dropped_files.js";
import { uploadContent, uploadFiles } from "./manage.js";

/**
 * Accepts files for a collection until the view ends.
 *
 * @param {AbortSignal} signal
 * @param {string} folder name of the collection
 * @returns {{ chooseFiles: () => void, chooseFolder: (() => void) | undefined }}
 */
export function acceptFiles(signal, folder) {
  const start = (files) => uploadFiles(files, folder);
  onDrop(signal, async (transfer) => start(await filesOfDrop(transfer)));
  const canChooseFolder = "webkitdirectory" in HTMLInputElement.prototype;
  return {
    chooseFiles: () => choose({ multiple: true }, start),
    chooseFolder: canChooseFolder ? () => choose({ webkitdirectory: true }, start) : undefined,
  };
}

/**
 * Accepts the content of one world until the view ends.
 *
 * @param {AbortSignal} signal
 * @param {string} name of the world
 * @returns {() => void} opens the file chooser
 */
export function acceptContent(signal, name) {
  const start = (files) => uploadContent(files, name);
  onDrop(signal, async (transfer) => start(await filesOfDrop(transfer)));
  return () => choose({}, start);
}

/** The whole page takes files: next to it, the browser would open the file in place of the page. */
function onDrop(signal, use) {
  const main = byId("main");
  const unmark = () => main.classList.remove("dropping");
  const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (document.querySelector("dialog[open]")) event.dataTransfer.dropEffect = "none";
    else main.classList.add("dropping");
  }, { signal });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) unmark();
  }, { signal });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    unmark();
    if (!document.querySelector("dialog[open]")) use(event.dataTransfer).catch(noteError);
  }, { signal });
  signal.addEventListener("abort", unmark);
}

/**
 * Opens the file chooser. The input is in the page until it ends: Chromium forgets one that is not,
 * also while its dialog is open, and then the chosen files are lost.
 */
function choose(props, use) {
  const input = h("input", { type: "file", hidden: true, ...props });
  input.addEventListener("cancel", () => input.remove());
  input.addEventListener("change", () => {
    input.remove();
    use(filesOfInput(input)).catch(noteError);
  });
  document.body.append(input);
  input.click();
}
