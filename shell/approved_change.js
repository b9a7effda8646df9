/**
 * What has changed in the source of a plugin since it was approved last. The event chain of the plugin
 * has the approved version, and everything that was approved.
 */

import { readError, request, send } from "./connected.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { pathOf } from "./place.js";
import { countLines, unifiedDiff } from "./unified_diff.js";

const PAGE = 100;
/** Most pages of the event chain that are searched. */
const MAX_PAGES = 5;
/** Longest diff that is drawn, in characters. */
const MAX_DIFF_CHARS = 200_000;

/**
 * @typedef {{
 *   version: number, by?: string, timestamp: string, approved: any, diff?: string, fault?: string,
 * }} ApprovedChange `approved`: the payload of the approval; `diff`: from the approved version to the
 * current one; `fault`: why there is no diff
 */

/**
 * Finds what has changed since the last approval.
 *
 * @param {string} name `lib/example`
 * @param {number} version the current version
 * @param {AbortSignal} [signal]
 * @returns {Promise<ApprovedChange | undefined>} undefined if it was never approved, or not changed since
 */
export async function findApprovedChange(name, version, signal) {
  const event = await findApproval(name, signal);
  const approved = event?.payload;
  if (!Number.isInteger(approved?.version) || approved.version === version) return undefined;
  const found = {
    version: approved.version,
    by: approved.by,
    timestamp: event.timestamp,
    approved,
  };
  const response = await request(`${pathOf(name)}?diff=${approved.version}..${version}`, {
    signal,
    headers: { accept: "text/x-diff" },
  });
  if (!response.ok) {
    const { message } = await readError(response);
    return { ...found, fault: message };
  }
  const diff = await response.text();
  return diff.length > MAX_DIFF_CHARS
    ? { ...found, fault: "The difference is too long to be shown here" }
    : { ...found, diff };
}

async function findApproval(name, signal) {
  let query = `limit=${PAGE}`;
  for (let page = 0; page < MAX_PAGES; page++) {
    const events = await (await send(`/proc/log${pathOf(name)}?${query}`, { signal })).json();
    const found = events.find(({ type, payload }) =>
      type === "state_transition" && payload?.to === "active"
    );
    const oldest = events.at(-1)?.id ?? 1;
    if (found !== undefined || oldest <= 1) return found;
    query = `limit=${PAGE}&before=${oldest}`;
  }
  return undefined;
}

/**
 * Draws the change, closed at first.
 *
 * @param {ApprovedChange} change
 * @param {boolean} [isOpen]
 */
export function drawApprovedChange({ version, by, diff, fault }, isOpen = false) {
  const approved = `version ${version}${by === undefined ? "" : `, approved by ${by}`}`;
  if (diff === undefined) {
    return h("p", { class: "hint" }, `It differs from ${approved}. ${fault}.`);
  }
  const { added, removed } = countLines(diff);
  if (added + removed === 0) return h("p", { class: "hint" }, `Same text as ${approved}.`);
  return h(
    "details",
    { class: "approved-change", open: isOpen },
    h(
      "summary",
      {},
      `Changed since ${approved}: ${count(added, "line")} added, ${removed} removed`,
    ),
    unifiedDiff(diff, `Changes since version ${version}`),
  );
}
