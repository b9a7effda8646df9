/** Shows an earlier version of a world, which can be restored. */

import { requestJson } from "./api.js";
import { noteError } from "./chrome.js";
import { button } from "./dom.js";
import { restore } from "./world_commands.js";

/**
 * @param {any} page the view of the world
 * @param {number} version
 * @param {(json: any) => any} toWorld makes a world for the viewers of the server's JSON
 */
export async function showEarlier(page, version, toWorld) {
  async function onRestore() {
    await restore(page, version).then(() => page.showVersion(undefined), noteError);
  }
  try {
    const json = await requestJson(`${page.path}?at=${version}`, { signal: page.signal });
    page.showBar(
      `This is version ${version}.`,
      button("Restore this version", onRestore),
      button("Show the current version", () => page.showVersion(undefined), { class: "quiet" }),
    );
    await page.showVersion({ ...toWorld(json), past: true });
  } catch (error) {
    noteError(error);
  }
}
