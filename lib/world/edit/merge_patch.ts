/**
 * JSON Merge Patch (RFC 7396) on the text of a JSON document: members of the patch replace those of the
 * same name, null removes one, and objects are merged.
 */

import { type EditBudget, EditFault } from "./edit_fault.ts";
import { type JsonDocument, JsonNode } from "./json_document.ts";
import { isEqualJson } from "./json_equal.ts";
import type { JsonSource } from "./json_source.ts";
import { isNull, lastMembers } from "./json_style.ts";
import { MAX_EDITS, MAX_JSON_DEPTH } from "../../limits.ts";

/**
 * Applies a merge patch. It always applies to a JSON document.
 *
 * @param document changed in place
 * @param patch the parsed patch
 * @throws {EditFault} `too-large`
 */
export function applyMergePatch(
  document: JsonDocument,
  patch: JsonSource,
  budget: EditBudget,
): void {
  if (patch.depth(0) > MAX_JSON_DEPTH) {
    throw new EditFault("too-large", `the patch has more than ${MAX_JSON_DEPTH} levels`);
  }
  merge({ document, patch, budget, count: 0 }, 0, [], document.root);
}

/** A merge that runs. */
interface Merge {
  readonly document: JsonDocument;
  readonly patch: JsonSource;
  readonly budget: EditBudget;
  /** Members that were changed. */
  count: number;
}

function merge(
  merging: Merge,
  id: number,
  keys: readonly string[],
  target: JsonNode | undefined,
): void {
  const { document, patch, budget } = merging;
  budget.spend(1 + keys.length);
  if (patch.kind(id) === "object" && target?.kind === "object") {
    for (const [name, value] of lastMembers(patch, id)) {
      merge(merging, value, [...keys, name], document.member(target, name));
    }
    return;
  }
  if (++merging.count > MAX_EDITS) {
    throw new EditFault("too-large", `the patch changes more than ${MAX_EDITS} members`);
  }
  const place = document.find(keys);
  if ("missing" in place) return; // the objects on the way exist
  if (place.parent !== undefined && isNull(patch, id)) return document.remove(place);
  // An equal array keeps its text and its line breaks.
  if (patch.kind(id) === "array" && target !== undefined) {
    if (isEqualJson(document, target, new JsonNode(patch, id, ""), budget)) return;
  }
  document.write(place, patch, id, { dropNulls: true });
}
