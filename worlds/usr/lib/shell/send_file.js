/**
 * Writes a file as a world. What is there already is replaced only when somebody says so.
 */

import { ask } from "./api.js?raw";
import { note } from "./chrome.js?raw";
import { confirmDialog } from "./dialog.js?raw";
import { lastOf, pathOf } from "./place.js?raw";

/**
 * @param {string} name of the world
 * @param {File} file
 * @throws {import("./api.js").Refusal}
 */
export async function sendFile(name, file) {
  const path = pathOf(name);
  const put = (condition) =>
    ask(path, {
      method: "PUT",
      body: file,
      headers: { "content-type": file.type || "application/octet-stream", ...condition },
    });
  try {
    await put({ "if-none-match": "*" });
  } catch (error) {
    if (error.status !== 412) throw error;
    const sure = await confirmDialog(
      "Replace?",
      `/${name} is there already. Shall the file take its place as a new version?`,
      "Replace",
    );
    if (!sure) return;
    await put({});
  }
  note(`${lastOf(name)} is written`);
}
