/**
 * Sends one request for each of several worlds and collections. A row that is a world and a collection
 * is two targets, because the server moves and deletes them separately.
 */

import { showDialog } from "./connected.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { forEachAtOnce, startJob } from "./job.js";
import { pathOf } from "./place.js";

/** Most requests at a time. A browser allows six connections to one server; streams need some. */
const WIDTH = 3;
/** Most failures that are listed. */
const SHOWN = 20;

/**
 * @typedef {{ name: string, version?: number, dir?: boolean }} Entry with its full name
 * @typedef {{ name: string, path: string, slash: "" | "/", version?: number }} Target
 */

/**
 * @param {readonly Entry[]} entries
 * @returns {Target[]}
 */
export function targetsOf(entries) {
  return entries.flatMap(({ name, version, dir }) => [
    ...(version === undefined ? [] : [{ name, path: pathOf(name), slash: "", version }]),
    ...(dir || version === undefined ? [{ name, path: `${pathOf(name)}/`, slash: "/" }] : []),
  ]);
}

/** The targets in words: `2 worlds and 1 collection`. */
export function countTargets(targets) {
  const collections = targets.filter(({ slash }) => slash === "/").length;
  const worlds = targets.length - collections;
  return [
    worlds > 0 || collections === 0 ? count(worlds, "world") : "",
    collections > 0 ? count(collections, "collection") : "",
  ].filter((part) => part !== "").join(" and ");
}

/**
 * Runs a task for each target and shows the progress if there are several.
 *
 * @param {string} title such as `Moving`
 * @param {readonly Target[]} targets
 * @param {(target: Target) => Promise<void>} task
 * @returns {Promise<{ conflicts: Target[], failures: { name: string, error: Error }[], cancelled: boolean }>}
 *   `conflicts` got 412
 * @throws {import("./api.js").RequestError} if the caller may not do it, or the server does not answer
 */
export async function runAll(title, targets, task) {
  const conflicts = [];
  const failures = [];
  const job = targets.length > 1 ? startJob(title) : undefined;
  const signal = job?.signal ?? new AbortController().signal;
  let done = 0;
  try {
    await forEachAtOnce(targets, WIDTH, signal, async (target) => {
      job?.show(done / targets.length, `${done} of ${targets.length}`);
      try {
        await task(target);
      } catch (error) {
        if (error.status === undefined) throw error;
        if ([0, 401, 403].includes(error.status)) throw error;
        if (error.status === 412) conflicts.push(target);
        else failures.push({ name: `/${target.name}${target.slash}`, error });
      }
      done += 1;
    });
  } finally {
    job?.end();
  }
  return { conflicts, failures, cancelled: signal.aborted };
}

/** Lists what failed, with the reasons. */
export function showFailures(title, failures) {
  if (failures.length === 0) return;
  const more = failures.length - SHOWN;
  showDialog(
    title,
    h(
      "ul",
      { class: "names" },
      failures.slice(0, SHOWN).map(({ name, error }) =>
        h("li", {}, h("strong", {}, name), h("small", {}, error.message))
      ),
    ),
    more > 0 ? h("p", { class: "hint" }, `and ${count(more, "more")}`) : null,
  );
}
