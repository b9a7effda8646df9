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

function onDrop(signal, use) {
  const main = byId("main");
  const unmark = () => main.classList.remove("dropping");
  main.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    main.classList.add("dropping");
  }, { signal });
  main.addEventListener("dragleave", (event) => {
    if (!main.contains(event.relatedTarget)) unmark();
  }, { signal });
  main.addEventListener("drop", (event) => {
    event.preventDefault();
    unmark();
    use(event.dataTransfer).catch(noteError);
  }, { signal });
  signal.addEventListener("abort", unmark);
}

function choose(props, use) {
  const input = h("input", { type: "file", ...props });
  input.addEventListener("change", () => use(filesOfInput(input)));
  input.click();
}
