/** A change of a log as a row of a list. */

import { describeChange } from "./change_text.js";
import { h } from "./dom.js";
import { pathOf, shownName } from "./place.js";
import { timeAgo } from "./times.js";

/**
 * A change as a row.
 *
 * @param {import("./change_text.js").Merged} change
 * @param {boolean} isNew whether it came while the page was shown
 */
export function changeRow(change, isNew) {
  const { name, timestamp, payload: { by, version_after: version }, count } = change;
  const facts = [
    count > 1 ? `${count} changes` : describeChange(change),
    version === undefined ? "" : `version ${version}`,
    by === undefined ? "" : `by ${by}`,
  ].filter((fact) => fact !== "");
  return h(
    "li",
    { class: isNew ? "flash" : "" },
    h(
      "a",
      { href: pathOf(name) },
      h("span", { class: "name" }, `/${shownName(name)}`),
      timeAgo(timestamp),
      h("small", { title: facts.join(", ") }, facts.join(" · ")),
    ),
  );
}
