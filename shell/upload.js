/** Writes files as worlds that are dropped on the page or chosen. */

import { noteError } from "./chrome.js";
import { byId, h } from "./dom.js";
import { sendFile } from "./send_file.js";

/**
 * Accepts files until the view ends.
 *
 * @param {AbortSignal} signal
 * @param {(file: File) => string} nameFor the name of the world for a file
 * @returns {() => void} opens the file chooser
 */
export function acceptFiles(signal, nameFor) {
  const main = byId("main");
  async function sendAll(files) {
    for (const file of files) await sendFile(nameFor(file), file).catch(noteError);
  }
  main.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    main.classList.add("dropping");
  }, { signal });
  main.addEventListener("dragleave", (event) => {
    if (!main.contains(event.relatedTarget)) main.classList.remove("dropping");
  }, { signal });
  main.addEventListener("drop", (event) => {
    event.preventDefault();
    main.classList.remove("dropping");
    sendAll([...event.dataTransfer.files]);
  }, { signal });
  return () => {
    const chooser = h("input", { type: "file", multiple: true });
    chooser.addEventListener("change", () => sendAll([...chooser.files]));
    chooser.click();
  };
}
