/** Finds the names that match a search. Pure. */

/**
 * The best matches, best first: names whose last segment begins with the query, then names that
 * contain it, then names that have its letters in the same order, unless the query is a path.
 *
 * @param {string[]} names
 * @param {string} query
 * @param {number} most how many
 */
export function rank(names, query, most) {
  const wanted = query.toLowerCase().replace(/^\//, "");
  const isPath = query.startsWith("/");
  const scored = [];
  for (const name of names) {
    const score = isPath && !name.toLowerCase().includes(wanted)
      ? 0
      : scoreOf(name.toLowerCase(), wanted);
    if (score > 0) scored.push({ name, score: score - name.length / 1000 });
  }
  return scored.sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1)).slice(0, most)
    .map(({ name }) => name);
}

function scoreOf(name, wanted) {
  if (wanted === "") return name.startsWith("home/") ? 2 : 1;
  const last = name.replace(/\/$/, "").split("/").pop();
  if (name === wanted) return 9;
  if (last.startsWith(wanted)) return 7;
  if (last.includes(wanted)) return 6;
  if (name.includes(wanted)) return 5;
  let from = 0;
  for (const letter of wanted) {
    from = name.indexOf(letter, from) + 1;
    if (from === 0) return 0;
  }
  return 2;
}
