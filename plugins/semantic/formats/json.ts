/** The check of JSON (RFC 8259). Pure. */

import type { Format } from "./format.ts";

export const JSON_FORMAT: Format = {
  type: "application/json",
  contentType: "application/json",
  rules: "One JSON value (RFC 8259), no comments, no trailing commas.",
  fences: ["", "json"],
  findFault: findJsonFault,
};

/** Finds out whether a text is not JSON. */
export function findJsonFault(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    return "it is not valid JSON";
  }
}
