/** Opens the comparison of two versions of a world. Its view is loaded when it is first needed. */

import { requestJson, send } from "./api.js";
import { lazyGroup } from "./lazy_group.js";
import { replaceQuery } from "./visited.js";

const group = lazyGroup("compare");

/**
 * @param {any} page the view of the world
 * @param {number} from
 * @param {number} to
 * @returns {Promise<HTMLElement | undefined>} undefined if the view cannot be loaded
 */
export async function openCompare(page, from, to) {
  const compareView = group.action("compareView", () => page.compare(from, to));
  return await compareView({
    path: page.path,
    signal: page.signal,
    current: page.world.version,
    from,
    to,
    send,
    requestJson,
    onChoose: (one, other) => replaceQuery(`?compare=${one}..${other}`),
    onClose: () => page.showVersion(undefined),
  });
}
