/** Texts for the changes of a log: what happened, and by whom. Pure. */

/**
 * @typedef {{ cursor?: string, name: string, timestamp: string, type: string, payload: any }} Change
 * @typedef {Change & { count: number }} Merged the newest of `count` changes
 */

const STATES = { active: "activated", disabled: "disabled", pending: "waits for approval" };

/**
 * Merges neighbours of one kind that the same caller made to the same world.
 *
 * @param {Change[]} changes newest first
 * @param {number} most rows of the result
 * @returns {Merged[]}
 */
export function mergeChanges(changes, most) {
  const merged = [];
  for (const change of changes) {
    const last = merged.at(-1);
    const isSame = last?.name === change.name && last.type === change.type &&
      last.payload.by === change.payload.by;
    if (isSame) last.count++;
    else if (merged.length === most) break;
    else merged.push({ ...change, count: 1 });
  }
  return merged;
}

/**
 * Describes a change in a few words, such as `edited`.
 *
 * @param {Change} change
 */
export function describeChange({ type, payload }) {
  const { op, from, from_version: restored, to, version_after: version } = payload;
  switch (type) {
    case "stage_written":
      if (restored) return `version ${restored} restored`;
      if (version === 1) return "created";
      return op === "patch" ? "edited" : "written";
    case "stage_appended":
      return version === 1 ? "created" : "appended to";
    case "state_transition":
      return STATES[to] ?? `state ${to}`;
    case "world_moved":
      return from ? `moved from ${from}` : "moved";
    case "world_deleted":
      return "deleted";
    default:
      return type.replaceAll("_", " ");
  }
}
