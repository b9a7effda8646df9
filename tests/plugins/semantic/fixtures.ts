/** Values that several unit tests use. Not a test itself. */

import type { Format } from "../../../plugins/semantic/formats/format.ts";
import { FORMATS } from "../../../plugins/semantic/formats/formats.ts";
import type { GenerationInput } from "../../../plugins/semantic/generation.ts";
import type { Model } from "../../../plugins/semantic/model.ts";
import { createShape, type Shape, shapeHeaders } from "../../../plugins/semantic/shape.ts";

export const MODEL: Model = { name: "fake/m1", isLocal: true, version: '"1"' };
/** A SHA-256 in hexadecimal. */
export const HASH = "0123456789abcdef".repeat(4);

/** The format with this media type. */
export function formatOf(type: string): Format {
  const format = FORMATS.find((known) => known.type === type);
  if (format === undefined) throw new TypeError(`there is no format ${type}`);
  return format;
}

/** The input of a generation of text/plain. */
export function generationInput(changed: Partial<GenerationInput> = {}): GenerationInput {
  return {
    key: "key",
    hash: HASH,
    format: formatOf("text/plain"),
    intent: "for me",
    path: "/home/x",
    source: { text: "The source.", tag: '"1-0123456789abcdef.raw"' },
    model: MODEL,
    ...changed,
  };
}

/** A shape as a generation makes it. */
export function shapeOf(text: string, type = "text/plain", hash = HASH): Promise<Shape> {
  const format = formatOf(type);
  return createShape(hash, text, format, shapeHeaders(format, MODEL, undefined));
}
