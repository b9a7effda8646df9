/**
 * Files that are dropped on a page, or chosen, become worlds.
 */

import { noteRefusal } from "./chrome.js?raw";
import { byId, h } from "./dom.js?raw";

/**
 * Takes files for as long as a view lives.
 *
 * @param {AbortSignal} signal
 * @param {(file: File) => string} nameFor the world a file becomes
 * @returns {() => void} opens the browser's own chooser
 */
export function takeFiles(signal, nameFor) {
  const main = byId("main");
  async function take(files) {
    const { sendFile } = await import("./send_file.js?raw");
    for (const file of files) await sendFile(nameFor(file), file).catch(noteRefusal);
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
    take([...event.dataTransfer.files]);
  }, { signal });
  return () => {
    const chooser = h("input", { type: "file", multiple: true });
    chooser.addEventListener("change", () => take([...chooser.files]));
    chooser.click();
  };
}
