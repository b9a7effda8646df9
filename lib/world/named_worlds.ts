/** Which other worlds an event names: the source of a copy, both names of a move. Pure. */

/** Members of a payload that contain the path of another world. */
export const OTHER_NAMES: ReadonlySet<string> = new Set([
  "from",
  "to",
  "moved_from",
  "copied_from",
]);

/** Events that name no world except by these members need not be parsed. */
const MENTION = /"(?:from|to|moved_from|copied_from|name)":"/;

/**
 * Returns the paths of the worlds that an event names; its own world can be among them.
 *
 * @param payload payload of the event, as it is stored
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { namedWorlds } from "./named_worlds.ts";
 *
 * deepStrictEqual(namedWorlds('{"from":"/home/a","to":"/home/b","by":"T3"}'), ["/home/a", "/home/b"]);
 * deepStrictEqual(namedWorlds('{"from":"pending","to":"active"}'), []);
 * ```
 */
export function namedWorlds(payload: string): string[] {
  if (!MENTION.test(payload)) return [];
  return Object.entries(parseObject(payload)).flatMap(([key, value]) => {
    if (typeof value !== "string") return [];
    if (key === "name") return [`/${value}`];
    return OTHER_NAMES.has(key) && value.startsWith("/") ? [value] : [];
  });
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {}; // not a payload that this server wrote: it names nothing
  }
}
