/** All formats of shapes, in the order that an Accept of equal preference chooses from. */

import { CSV } from "./csv.ts";
import type { Format } from "./format.ts";
import { HTML } from "./html.ts";
import { JSON_FORMAT } from "./json.ts";
import { findControlCharacters, MARKDOWN, PLAIN_TEXT } from "./text.ts";
import { SVG, XML } from "./xml.ts";

export const FORMATS: readonly Format[] = [
  PLAIN_TEXT,
  MARKDOWN,
  HTML,
  JSON_FORMAT,
  CSV,
  SVG,
  XML,
];

/** Returns why a text does not satisfy a format, as a clause; undefined if it does. */
export function findFault(format: Format, text: string): string | undefined {
  if (text === "") return "it is empty";
  return findControlCharacters(text) ?? format.findFault(text);
}
