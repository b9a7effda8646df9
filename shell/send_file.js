/** Writes a file as a world. An existing world is replaced only after a confirmation. */

import { send } from "./api.js";
import { note } from "./chrome.js";
import { confirmDialog } from "./dialog.js";
import { lastOf, pathOf } from "./place.js";

/**
 * @param {string} name of the world
 * @param {File} file
 * @throws {import("./api.js").RequestError}
 */
export async function sendFile(name, file) {
  const path = pathOf(name);
  const put = (condition) =>
    send(path, {
      method: "PUT",
      body: file,
      headers: { "content-type": file.type || "application/octet-stream", ...condition },
    });
  try {
    await put({ "if-none-match": "*" });
  } catch (error) {
    if (error.status !== 412) throw error;
    const isConfirmed = await confirmDialog(
      "Replace?",
      `/${name} already exists. Replace it with the file, as a new version?`,
      "Replace",
    );
    if (!isConfirmed) return;
    await put({});
  }
  note(`${lastOf(name)} was written`);
}
