/** Sends files to a collection, after it has shown what is left out or renamed. */

import { namesList } from "./conflicts.js";
import { confirmDialog, note, openDialog, requestStatus } from "./connected.js";
import { h } from "./dom.js";
import { MAX_FILES } from "./dropped_files.js";
import { count, grouped, size } from "./format.js";
import { parentOf } from "./place.js";
import { sendFiles } from "./send_files.js";
import { planUpload } from "./upload_plan.js";

/** From this number of files on, the upload starts after a confirmation. */
const MANY_FILES = 20;

/**
 * Replaces the content of a world, after a confirmation if it exists.
 *
 * @param {{ path: string, file: File }[]} files of which the first is used
 * @param {string} name of the world
 */
export async function uploadContent([found], name) {
  if (found === undefined) return;
  const named = { name, file: found.file };
  const text = `The content of /${name} becomes ${found.path}, as a new version.`;
  const { conflicts } = await sendFiles([named], { ask: () => "skip" });
  if (conflicts.length > 0 && await confirmDialog("Replace?", text, "Replace")) {
    await sendFiles([named], { overwrite: true });
  }
}

/**
 * Shows what is left out or renamed, if anything is, and sends the rest.
 *
 * @param {{ path: string, file: File }[]} files
 * @param {string} folder name of the collection
 */
export async function uploadFiles(files, folder) {
  if (files.length > MAX_FILES) {
    note(`One upload can have ${grouped(MAX_FILES)} files; choose fewer`, "bad");
    return;
  }
  const { max_body: limit } = await requestStatus();
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
