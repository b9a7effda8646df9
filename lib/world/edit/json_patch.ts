/**
 * JSON Patch (RFC 6902) on the text of a JSON document. Operations apply in order, each to the result
 * so far; if one fails, the caller drops the document.
 */

import { MAX_EDITS, MAX_JSON_DEPTH } from "../../limits.ts";
import { type EditBudget, EditFault, quoteText } from "./edit_fault.ts";
import { type JsonDocument, JsonNode, type JsonPlace } from "./json_document.ts";
import { isEqualJson } from "./json_equal.ts";
import type { JsonSource } from "./json_source.ts";
import { childrenOf, lastMembers } from "./json_style.ts";

/** An operation with the position of its value in the patch. */
type Operation =
  & { readonly path: string; readonly keys: readonly string[] }
  & (
    | { readonly op: "add" | "replace" | "test"; readonly value: number }
    | { readonly op: "move" | "copy"; readonly from: string; readonly fromKeys: readonly string[] }
    | { readonly op: "remove" }
  );

const OPS = ["add", "remove", "replace", "move", "copy", "test"] as const;

/**
 * Applies a JSON Patch.
 *
 * @param document changed in place
 * @param patch the parsed patch
 * @throws {EditFault} `malformed`, or `conflict` with the number of the operation, from 1
 */
export function applyJsonPatch(
  document: JsonDocument,
  patch: JsonSource,
  budget: EditBudget,
): void {
  const operations = readOperations(patch);
  for (const [i, operation] of operations.entries()) {
    const fault = applyOne(document, patch, operation, budget);
    if (fault === undefined) continue;
    const { op, path } = operation;
    throw new EditFault(
      "conflict",
      `edit ${i + 1} of ${operations.length} (${op} ${quoteText(path)}): ${fault}`,
    );
  }
}

/** Applies one operation; returns why it does not apply. */
function applyOne(
  document: JsonDocument,
  patch: JsonSource,
  operation: Operation,
  budget: EditBudget,
): string | undefined {
  budget.spend(operation.path.length);
  switch (operation.op) {
    case "add": {
      const place = findTarget(document, operation.keys);
      if (typeof place === "string") return place;
      document.write(place, patch, operation.value, { insert: place.parent?.kind === "array" });
      return undefined;
    }
    case "remove": {
      const place = findValue(document, operation.keys);
      if (typeof place === "string") return place;
      if (place.parent === undefined) return "the whole document cannot be removed";
      document.remove(place);
      return undefined;
    }
    case "replace": {
      const place = findValue(document, operation.keys);
      if (typeof place === "string") return place;
      document.write(place, patch, operation.value);
      return undefined;
    }
    case "test": {
      const place = findValue(document, operation.keys);
      if (typeof place === "string") return place;
      assertDepth(patch, operation.value);
      const expected = new JsonNode(patch, operation.value, "");
      const found = document.nodeAt(place);
      if (isEqualJson(document, found, expected, budget)) return undefined;
      const text = found.isChanged ? "another value" : quoteText(found.source.textOf(found.id));
      return `the value is ${text}, not ${quoteText(patch.textOf(operation.value))}`;
    }
    case "move":
    case "copy":
      return transfer(document, operation);
  }
}

/** A comparison recurses for each level. */
function assertDepth(patch: JsonSource, id: number): void {
  if (patch.depth(id) <= MAX_JSON_DEPTH) return;
  throw new EditFault("too-large", `a value of the patch has more than ${MAX_JSON_DEPTH} levels`);
}

function transfer(
  document: JsonDocument,
  { op, keys, from, fromKeys }: Operation & { readonly op: "move" | "copy" },
): string | undefined {
  const source = findValue(document, fromKeys);
  if (typeof source === "string") return `from ${quoteText(from)}: ${source}`;
  const node = document.nodeAt(source);
  if (op === "move") {
    if (keys.length === fromKeys.length && keys.every((key, i) => key === fromKeys[i])) return;
    document.remove(source);
  }
  const place = findTarget(document, keys);
  if (typeof place === "string") return place;
  document.writeNode(place, node, place.parent?.kind === "array");
  return undefined;
}

/** Finds the place of an existing value. */
function findValue(document: JsonDocument, keys: readonly string[]): JsonPlace | string {
  const place = document.find(keys);
  if ("missing" in place) return missingText(keys, place);
  if (place.at !== undefined) return place;
  const { parent, key } = place;
  if (parent?.kind !== "array") return `there is no member ${quoteText(key)}`;
  return `there is no index ${quoteText(key)} in an array of ${document.sizeOf(parent)}`;
}

/** Finds the place to which a value can be added. */
function findTarget(document: JsonDocument, keys: readonly string[]): JsonPlace | string {
  const place = document.find(keys);
  if ("missing" in place) return missingText(keys, place);
  const { parent, key, at } = place;
  if (parent?.kind !== "array" || key === "-" || at !== undefined) return place;
  const size = document.sizeOf(parent);
  return key === String(size)
    ? place
    : `there is no index ${quoteText(key)} in an array of ${size}; - appends`;
}

function missingText(
  keys: readonly string[],
  { missing, reason }: { readonly missing: number; readonly reason: string },
): string {
  const pointer = keys.slice(0, missing).map((key) =>
    `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`
  ).join("");
  return `nothing is at this path: at ${quoteText(pointer)} ${reason}`;
}

/** Reads the operations of a patch. */
function readOperations(patch: JsonSource): Operation[] {
  if (patch.kind(0) !== "array") throw malformed("a JSON Patch is an array of operations");
  const operations: Operation[] = [];
  for (const id of childrenOf(patch, 0)) {
    if (operations.length === MAX_EDITS) {
      throw new EditFault("too-large", `the patch has more than ${MAX_EDITS} operations`);
    }
    operations.push(readOperation(patch, id, operations.length + 1));
  }
  return operations;
}

function readOperation(patch: JsonSource, id: number, number: number): Operation {
  if (patch.kind(id) !== "object") throw malformed(`edit ${number} is not an object`);
  const members = lastMembers(patch, id);
  const text = (name: string): string => {
    const member = members.get(name);
    if (member !== undefined && patch.kind(member) === "string") return patch.stringOf(member);
    throw malformed(`edit ${number} needs "${name}", a string`);
  };
  const sent = text("op");
  const op = OPS.find((known) => known === sent);
  if (op === undefined) {
    throw malformed(`edit ${number} has the op ${quoteText(sent)}; known: ${OPS.join(", ")}`);
  }
  const path = text("path");
  const keys = parsePointer(path, number, "path");
  if (op === "remove") return { op, path, keys };
  if (op === "move" || op === "copy") {
    const from = text("from");
    const fromKeys = parsePointer(from, number, "from");
    const isInside = op === "move" && fromKeys.length < keys.length &&
      fromKeys.every((key, i) => key === keys[i]);
    if (isInside) throw malformed(`edit ${number} moves a value into itself`);
    return { op, path, keys, from, fromKeys };
  }
  const value = members.get("value");
  if (value === undefined) throw malformed(`edit ${number} needs "value"`);
  return { op, path, keys, value };
}

/** Parses a JSON Pointer (RFC 6901). */
function parsePointer(pointer: string, number: number, name: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) {
    throw malformed(
      `edit ${number} has the ${name} ${quoteText(pointer)}, which is not a JSON Pointer; ` +
        "send /name/0, with ~1 for a slash and ~0 for a tilde in a name",
    );
  }
  return pointer.slice(1).split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function malformed(message: string): EditFault {
  return new EditFault("malformed", message);
}
