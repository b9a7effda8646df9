/** Writes files that are dropped on the page or chosen, and whole folders with their paths. */

import { readStatus, requestAnswer } from "./answers.js";
import { note, noteError } from "./chrome.js";
import { namesList } from "./conflicts.js";
import { confirmDialog, openDialog } from "./dialog.js";
import { byId, h } from "./dom.js";
import { filesOfDrop, filesOfInput, MAX_FILES } from "./dropped_files.js";
import { count, size } from "./format.js";
import { parentOf } from "./place.js";
import { sendFiles } from "./send_files.js";
import { planUpload } from "./upload_plan.js";

/** From this number of files on, the upload starts after a confirmation. */
const MANY_FILES = 20;

/**
 * Accepts files for a collection until the view ends.
 *
 * @param {AbortSignal} signal
 * @param {string} folder name of the collection
 * @returns {{ chooseFiles: () => void, chooseFolder: (() => void) | undefined }}
 */
export function acceptFiles(signal, folder) {
  const start = (files) => upload(files, folder).catch(noteError);
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
  async function start([found]) {
    if (found === undefined) return;
    const named = { name, file: found.file };
    const text = `The content of /${name} becomes ${found.path}, as a new version.`;
    const { conflicts } = await sendFiles([named], { ask: () => "skip" });
    if (conflicts.length > 0 && await confirmDialog("Replace?", text, "Replace")) {
      await sendFiles([named], { overwrite: true });
    }
  }
  const startOrNote = (files) => start(files).catch(noteError);
  onDrop(signal, async (transfer) => startOrNote(await filesOfDrop(transfer)));
  return () => choose({}, startOrNote);
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

/** Shows what is left out or renamed, if anything is, and sends the rest. */
async function upload(files, folder) {
  if (files.length > MAX_FILES) {
    note(`One upload can have ${MAX_FILES.toLocaleString("en")} files; choose fewer`, "bad");
    return;
  }
  const { max_body: limit } = await requestAnswer("/proc/status", readStatus);
  const plan = planUpload(files, folder, limit ?? Infinity);
  const { ready, renamed, tooLarge, refused } = plan;
  const isPlain = renamed.length + tooLarge.length + refused.length === 0;
  const hasFolders = ready.some(({ name }) => parentOf(name) !== folder);
  if (!isPlain || hasFolders || ready.length >= MANY_FILES) {
    if (!await confirmPlan(plan, folder, limit)) return;
  }
  if (ready.length > 0) await sendFiles(ready, {});
}

async function confirmPlan({ ready, renamed, tooLarge, refused, bytes }, folder, limit) {
  const parts = (title, names) => names.length === 0 ? null : [h("p", {}, title), namesList(names)];
  const what = `${count(ready.length, "file")}, ${size(bytes)}`;
  const answer = await openDialog({
    title: ready.length === 0 ? "Nothing to upload" : "Upload?",
    text: [
      ready.length === 0 ? null : h("p", {}, `${what}, to /${folder}/`),
      parts(`Larger than ${size(limit)}, the limit of this server, and left out:`, tooLarge),
      parts(
        "Left out, because of their names:",
        refused.map(({ path, fault }) => `${path}: ${fault}`),
      ),
      parts(
        "Written under another name, because the server refuses some characters:",
        renamed.map(({ path, name }) => `${path} → ${name}`),
      ),
    ],
    confirm: ready.length === 0 ? "OK" : "Upload",
  });
  return answer !== null && ready.length > 0;
}
