/**
 * Work that takes a while and continues when the user opens another page: uploads, downloads of
 * collections, changes of many worlds. Each job has a line with its progress and a Cancel button.
 */

import { button, byId, h } from "./dom.js";

/** The list of all jobs. More than one bundle has this module. */
function jobList() {
  const list = byId("jobs") ?? h("section", { id: "jobs", "aria-label": "Running jobs" });
  if (!list.isConnected) document.body.append(list);
  return list;
}

const SHOWN_AFTER_MS = 300;

/** Jobs that run. */
let running = 0;

/**
 * Starts a job.
 *
 * @param {string} title
 * @returns a signal that aborts when the user cancels, `show` for the progress, and `end`
 */
export function startJob(title) {
  const cancelling = new AbortController();
  const text = h("span", { class: "state" });
  const bar = h("progress", { "aria-label": title });
  const node = h(
    "div",
    { class: "job" },
    h("div", { class: "words" }, h("strong", {}, title), text, bar),
    button("Cancel", () => cancelling.abort()),
  );
  // Short jobs end before they are shown.
  const timer = setTimeout(() => jobList().append(node), SHOWN_AFTER_MS);
  running += 1;
  addEventListener("beforeunload", confirmLeave);
  return {
    signal: cancelling.signal,
    /** @param {number} part 0 to 1 @param {string} state such as `3 of 12 files` */
    show(part, state) {
      bar.value = part;
      text.textContent = state;
    },
    end() {
      clearTimeout(timer);
      node.remove();
      running -= 1;
      if (running === 0) removeEventListener("beforeunload", confirmLeave);
      if (byId("jobs")?.childElementCount === 0) byId("jobs").remove();
    },
  };
}

function confirmLeave(event) {
  event.preventDefault();
}

/**
 * Runs a task for each item, some at a time, until the signal aborts.
 *
 * @template T
 * @param {readonly T[]} items
 * @param {number} width most tasks at a time
 * @param {AbortSignal} signal
 * @param {(item: T) => Promise<void>} task an error that it throws ends the run
 */
export async function forEachAtOnce(items, width, signal, task) {
  let next = 0;
  async function run() {
    while (next < items.length && !signal.aborted) {
      const item = items[next];
      next += 1;
      try {
        await task(item);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  }
  const runs = Array.from({ length: Math.min(width, items.length) }, run);
  // The tasks that run are not lost if one fails.
  const failed = (await Promise.allSettled(runs)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
