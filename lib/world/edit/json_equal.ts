/**
 * Equality of JSON values as RFC 6902 §4.6 defines it: members in any order, numbers by their value.
 * Numbers are compared as decimals, because two long numbers can have the same double.
 */

import type { EditBudget } from "./edit_fault.ts";
import type { JsonDocument, JsonNode } from "./json_document.ts";

/**
 * Compares two values.
 *
 * @param document splits the values
 * @param budget bounds the work
 */
export function isEqualJson(
  document: JsonDocument,
  a: JsonNode,
  b: JsonNode,
  budget: EditBudget,
): boolean {
  budget.spend(1);
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case "object": {
      if (document.sizeOf(a) !== document.sizeOf(b)) return false;
      for (const name of document.names(b)) {
        const [mine, other] = [document.member(a, name), document.member(b, name)];
        if (mine === undefined || other === undefined) return false;
        if (!isEqualJson(document, mine, other, budget)) return false;
      }
      return true;
    }
    case "array": {
      const size = document.sizeOf(a);
      if (size !== document.sizeOf(b)) return false;
      for (let i = 0; i < size; i++) {
        const [mine, other] = [document.element(a, i), document.element(b, i)];
        if (!isEqualJson(document, mine, other, budget)) return false;
      }
      return true;
    }
    case "string":
      budget.spend(a.source.end(a.id) - a.source.start(a.id));
      return a.source.stringOf(a.id) === b.source.stringOf(b.id);
    case "number":
      budget.spend(a.source.end(a.id) - a.source.start(a.id));
      return canonicalNumber(a.source.textOf(a.id)) === canonicalNumber(b.source.textOf(b.id));
    case "literal":
      return a.source.textOf(a.id) === b.source.textOf(b.id);
  }
}

/** Longest exponent that is compared by its value. */
const MAX_EXPONENT_CHARS = 15;

/** Returns the same text for all spellings of a number: sign, digits without outer zeros, exponent. */
function canonicalNumber(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (exponent.length > MAX_EXPONENT_CHARS) return text;
  const digits = `${whole}${fraction}`;
  let first = 0;
  while (digits[first] === "0") first++;
  if (first === digits.length) return "0"; // -0 equals 0
  let last = digits.length;
  while (digits[last - 1] === "0") last--;
  const power = Number(exponent) - fraction.length + (digits.length - last);
  return `${sign}${digits.slice(first, last)}e${power}`;
}
