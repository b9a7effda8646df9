/**
 * An earlier version on a world's page: it is shown in the current one's place, and can be brought back.
 */

import { askJson } from "./api.js?raw";
import { noteRefusal } from "./chrome.js?raw";
import { button } from "./dom.js?raw";

/**
 * @param {any} page of the world
 * @param {number} version
 * @param {(json: any) => any} read makes the machine's JSON a world for the viewers
 */
export async function showPast(page, version, read) {
  async function bringItBack() {
    const { bringBack } = await import("./world_acts.js?raw");
    await bringBack(page, version).then(() => page.look(undefined), noteRefusal);
  }
  try {
    const json = await askJson(`${page.path}?at=${version}`, { signal: page.signal });
    await page.say(
      `This is version ${version}.`,
      button("Bring it back", bringItBack),
      button("Back to now", () => page.look(undefined), { class: "quiet" }),
    );
    await page.look({ ...read(json), past: true });
  } catch (error) {
    noteRefusal(error);
  }
}
