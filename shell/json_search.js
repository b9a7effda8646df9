/** Finds text in a tree of `json_text.js`. Pure. */

/** Levels that are searched; the page cannot show much deeper ones. */
const MAX_LEVELS = 300;

/**
 * Finds the names and values that contain a text, in upper or lower case, in their order.
 *
 * @param {import("./json_text.js").Value} root
 * @param {string} query
 * @param {number} most matches
 * @returns {number[][]} for each match the positions of the children that lead to it
 */
export function searchJson(root, query, most) {
  const wanted = query.toLowerCase();
  const found = [];
  if (wanted === "") return found;
  // Without recursion, because a text can be nested deeply.
  const open = [{ value: root, at: -1 }];
  if (isMatch(root)) found.push([]);
  while (open.length > 0 && found.length < most) {
    const top = open[open.length - 1];
    const children = childrenOf(top.value);
    if (++top.at >= children.length) {
      open.pop();
      continue;
    }
    const child = children[top.at];
    const { name, value } = top.value.kind === "array" ? { value: child } : child;
    if ((name !== undefined && name.toLowerCase().includes(wanted)) || isMatch(value)) {
      found.push(open.map(({ at }) => at));
    }
    if (value.text === undefined && open.length < MAX_LEVELS) open.push({ value, at: -1 });
  }
  return found;

  function isMatch({ text }) {
    return text !== undefined && text.toLowerCase().includes(wanted);
  }
}

/** The items of an array, or the members of an object. */
export function childrenOf(value) {
  return value.items ?? value.members ?? [];
}
