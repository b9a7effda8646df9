/**
 * Shows an earlier version of a world, with what is known about it, so that it cannot be taken for the
 * current one. It can be restored and compared.
 */

import { requestJson, send } from "./api.js";
import { noteError } from "./chrome.js";
import { button, h } from "./dom.js";
import { grouped, size } from "./format.js";
import { needs } from "./permissions.js";
import { timeAt } from "./times.js";
import { restore } from "./world_commands.js";

/** Events in a page of the log, and most pages that are read to find one event. */
const LOG_EVENTS = 1000;
const MAX_LOG_PAGES = 10;

/**
 * @param {any} page the view of the world
 * @param {number} version
 * @param {(json: any) => any} toWorld makes a world for the viewers of the server's JSON
 */
export async function showEarlier(page, version, toWorld) {
  const { path, signal } = page;
  try {
    const response = await send(`${path}?at=${version}`, { signal });
    const world = { ...toWorld(await response.json()), past: true };
    const event = await findEvent(path, version, signal).catch(() => undefined);
    if (signal.aborted) return;
    const meta = [...response.headers].filter(([key]) => key.startsWith("x-meta-"));
    await page.showVersion(world, banner(page, world, meta, event));
  } catch (error) {
    if (!signal.aborted) noteError(error);
  }
}

function banner(page, world, meta, event) {
  const { version, updatedAt } = world;
  async function onRestore() {
    await restore(page, version).then(() => page.showVersion(undefined), noteError);
  }
  const facts = [
    ["type", world.ext],
    ["size", `${size(world.size)} (${grouped(world.size)} bytes)`],
    ["written", timeAt(updatedAt)],
    ["by", event?.payload.by],
    ["sha-256", event?.payload.body_sha256_after, "hash"],
    ...meta.map(([key, value]) => [key.slice("x-meta-".length), value]),
  ];
  return h(
    "section",
    { class: "past-banner", "aria-label": `Version ${version}` },
    h(
      "header",
      {},
      h("strong", { role: "status" }, `Version ${version}: an earlier version`),
      h(
        "div",
        { class: "actions" },
        needs(button("Restore", onRestore), page.path, "PUT"),
        button("Compare", () => page.compare(version, page.world.version), {
          "aria-label": "Compare with the current version",
        }),
        button("Back to the current version", () => page.showVersion(undefined)),
      ),
    ),
    h(
      "dl",
      {},
      facts.filter(([, value]) => value !== undefined).map(([key, value, kind]) =>
        h("div", { class: kind }, h("dt", {}, key), h("dd", {}, value))
      ),
    ),
  );
}

/** The event that wrote a version; undefined if it is not among the newest events. */
async function findEvent(path, version, signal) {
  let before = "";
  for (let page = 0; page < MAX_LOG_PAGES; page++) {
    const log = await requestJson(`/proc/log${path}?limit=${LOG_EVENTS}${before}`, { signal });
    const found = log.find(({ payload }) => payload.version_after === version);
    if (found !== undefined || log.length < LOG_EVENTS) return found;
    before = `&before=${log.at(-1).id}`;
  }
  return undefined;
}
