/**
 * Applies the body of a PATCH to the bytes of a world. Pure: the writer calls it in its transaction with
 * the bytes that are current then.
 */

import { MAX_PARSED_WORLD_BYTES } from "../../limits.ts";
import type { Edit, EditFormat } from "../edit_format.ts";
import { isUtf8 } from "../media_type.ts";
import { EditBudget, EditFault } from "./edit_fault.ts";
import { JsonDocument, parseWithin } from "./json_document.ts";
import { applyJsonPatch } from "./json_patch.ts";
import { JsonSource, JsonSyntaxFault } from "./json_source.ts";
import { applyMergePatch } from "./merge_patch.ts";
import { applyTextEdits } from "./text_edits.ts";
import { applyUnifiedDiff } from "./unified_diff.ts";

const BYTE_ORDER_MARK = "\ufeff";
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Applies an edit.
 *
 * @param world the bytes of the world
 * @param edit the edit
 * @param maxBytes longest result
 * @returns the new bytes
 * @throws {EditFault} if the edit is malformed, does not apply, or exceeds a limit
 */
export function applyEdit(
  world: Uint8Array<ArrayBuffer>,
  { format, body }: Edit,
  maxBytes: number,
): Uint8Array<ArrayBuffer> {
  if (!isUtf8(body)) throw new EditFault("malformed", "the body is not UTF-8");
  if (!isUtf8(world)) {
    throw new EditFault("conflict", "the content of the world is not UTF-8 text; PUT replaces it");
  }
  const result = apply(world, format, decoder.decode(body));
  if (result.length <= maxBytes) return result;
  throw new EditFault(
    "too-large",
    `the world would have ${result.length} bytes; at most ${maxBytes} are allowed`,
  );
}

function apply(
  world: Uint8Array<ArrayBuffer>,
  format: EditFormat,
  sent: string,
): Uint8Array<ArrayBuffer> {
  const budget = new EditBudget();
  if (format === "application/json") return applyTextEdits(world, parseJsonBody(sent), budget);
  if (world.length > MAX_PARSED_WORLD_BYTES) {
    throw new EditFault(
      "too-large",
      `the world has ${world.length} bytes, and ${format} changes at most ${MAX_PARSED_WORLD_BYTES}; ` +
        "send edits in application/json",
    );
  }
  const text = decoder.decode(world);
  if (format === "text/x-diff") {
    return encoder.encode(applyUnifiedDiff(text, withoutMark(sent), budget));
  }
  const patch = orEditFault(() => parseWithin(withoutMark(sent), budget), "malformed", "the body");
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
  const document = parseDocument(text.slice(mark.length), budget);
  if (format === "application/json-patch+json") applyJsonPatch(document, patch, budget);
  else applyMergePatch(document, patch, budget);
  return encoder.encode(mark + document.toText());
}

function withoutMark(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

function parseJsonBody(sent: string): unknown {
  try {
    return JSON.parse(withoutMark(sent));
  } catch {
    // For the line and the column, which the runtime does not report for every text.
    orEditFault(() => JsonSource.parse(withoutMark(sent)), "malformed", "the body");
    throw new EditFault("malformed", "the body is not JSON");
  }
}

function parseDocument(text: string, budget: EditBudget): JsonDocument {
  return orEditFault(() => new JsonDocument(text, budget), "conflict", "the world");
}

function orEditFault<T>(parse: () => T, kind: "malformed" | "conflict", what: string): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof JsonSyntaxFault)) throw error;
    throw new EditFault(
      kind,
      `${what} is not JSON: ${error.message.replace("it is not JSON ", "")}`,
    );
  }
}
