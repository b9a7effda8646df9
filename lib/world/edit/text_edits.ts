/**
 * Edits of a text that need neither its length nor its line numbers: replace a text that occurs once,
 * put a text before or after the whole, replace one line. The body of a `PATCH` with `application/json`.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { MAX_EDIT_STEPS, MAX_EDITS } from "../../limits.ts";
import { type EditBudget, EditFault, quoteText } from "./edit_fault.ts";
import { findBytes } from "./find_bytes.ts";

const encoder = new TextEncoder();
/** Work of one occurrence that is replaced, as compared with one character: 0.4 µs (Deno 2.9.6). */
const STEPS_PER_FOUND = 64;
/** Work of one line that is counted. */
const STEPS_PER_LINE = 8;
/** Occurrences of a text that are counted if it must occur once. */
const COUNTED = 1000;
const LF = 0x0a;
const CR = 0x0d;

/** Replaces a text that occurs once, or everywhere. */
interface Replacement {
  readonly find: string;
  readonly replace: string;
  readonly all: boolean;
}

/** The edits of one request; one kind only. */
type TextEdits =
  | { readonly kind: "replace"; readonly edits: readonly Replacement[] }
  | { readonly kind: "prepend" | "append"; readonly text: string }
  | {
    readonly kind: "line";
    readonly line: number;
    readonly find: string | undefined;
    readonly replace: string;
  };

/** Members of the body of each kind. */
const KINDS = ["edits", "prepend", "append", "line"] as const;
const FORMS =
  'send {"edits":[{"find":"…","replace":"…"}]}, {"prepend":"…"}, {"append":"…"} or {"line":7,"replace":"…"}';

/**
 * Applies edits to a text.
 *
 * @param body the text in UTF-8, a byte order mark included
 * @param sent the body of the request, parsed
 * @throws {EditFault} `malformed`, `conflict` with the number of the edit from 1, `too-large`
 */
export function applyTextEdits(
  body: Uint8Array<ArrayBuffer>,
  sent: unknown,
  budget: EditBudget,
): Uint8Array<ArrayBuffer> {
  const edits = readTextEdits(sent);
  switch (edits.kind) {
    case "prepend": {
      const start = hasByteOrderMark(body) ? 3 : 0;
      return concatBytes([
        body.subarray(0, start),
        encoder.encode(edits.text),
        body.subarray(start),
      ]);
    }
    case "append":
      return concatBytes([body, encoder.encode(edits.text)]);
    case "line":
      return replaceLine(body, edits, budget);
    case "replace": {
      let text = body;
      for (const [i, edit] of edits.edits.entries()) {
        const result = replaceText(text, edit, budget);
        if (typeof result !== "string") text = result;
        else throw new EditFault("conflict", `edit ${i + 1} of ${edits.edits.length}: ${result}`);
      }
      return text;
    }
  }
}

/** Replaces a text; returns why that is not possible. */
function replaceText(
  text: Uint8Array<ArrayBuffer>,
  { find, replace, all }: Replacement,
  budget: EditBudget,
): Uint8Array<ArrayBuffer> | string {
  const [part, replacement] = [encoder.encode(find), encoder.encode(replace)];
  budget.spend(text.length + part.length);
  const found = findBytes(text, part, all ? MAX_EDIT_STEPS / STEPS_PER_FOUND : COUNTED);
  budget.spend(found.length * STEPS_PER_FOUND);
  if (found.length === 0) {
    const isOtherEnd = find.includes("\n") && !find.includes("\r\n") && text.includes(CR);
    return `the text ${quoteText(find)} does not occur` +
      (isOtherEnd ? "; the lines of the world end in CRLF" : "");
  }
  if (found.length > 1 && !all) {
    const times = found.length < COUNTED ? `${found.length} times` : `${COUNTED} times or more`;
    return `the text ${quoteText(find)} occurs ${times}; send "all":true or a longer text`;
  }
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (const start of found) {
    if (start < end) continue; // it overlaps the one before
    pieces.push(text.subarray(end, start), replacement);
    end = start + part.length;
  }
  pieces.push(text.subarray(end));
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  budget.spend(length);
  return concatBytes(pieces, length);
}

/** Replaces the text of one line; the end of the line stays. */
function replaceLine(
  text: Uint8Array<ArrayBuffer>,
  { line, find, replace }: TextEdits & { readonly kind: "line" },
  budget: EditBudget,
): Uint8Array<ArrayBuffer> {
  let start = hasByteOrderMark(text) ? 3 : 0;
  let number = 1;
  for (; number < line; number++) {
    budget.spend(STEPS_PER_LINE);
    const end = text.indexOf(LF, start);
    if (end < 0 || end + 1 === text.length) break;
    start = end + 1;
  }
  if (number < line || start === text.length) {
    const lines = start === text.length ? 0 : number;
    throw new EditFault("conflict", `there is no line ${line}: the world has ${lines} lines`);
  }
  const newline = text.indexOf(LF, start);
  let end = newline < 0 ? text.length : newline;
  if (newline > start && text[newline - 1] === CR) end = newline - 1;
  const current = text.subarray(start, end);
  if (find !== undefined && findBytes(current, encoder.encode(find), 1).length === 0) {
    throw new EditFault(
      "conflict",
      `line ${line} is ${quoteText(new TextDecoder().decode(current))} and does not contain ${
        quoteText(find)
      }`,
    );
  }
  return concatBytes([text.subarray(0, start), encoder.encode(replace), text.subarray(end)]);
}

function hasByteOrderMark(text: Uint8Array): boolean {
  return text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf;
}

function readTextEdits(sent: unknown): TextEdits {
  const members = membersOf(sent, "the body is not a JSON object");
  const kinds = KINDS.filter((kind) => Object.hasOwn(members, kind));
  const [kind] = kinds;
  if (kind === undefined) throw malformed(`the body has no edits; ${FORMS}`);
  if (kinds.length > 1) {
    throw malformed(`the body has ${kinds.join(" and ")}; send one kind of edits per request`);
  }
  if (kind === "prepend" || kind === "append") {
    assertKnown(members, [kind], "the body");
    return { kind, text: stringOf(members, kind, "the body") };
  }
  if (kind === "line") {
    assertKnown(members, ["line", "find", "replace"], "the body");
    const { line } = members;
    if (typeof line !== "number" || !Number.isSafeInteger(line) || line < 1) {
      throw malformed('"line" is a whole number, from 1');
    }
    const find = Object.hasOwn(members, "find") ? findOf(members, "the body") : undefined;
    return { kind, line, find, replace: stringOf(members, "replace", "the body") };
  }
  assertKnown(members, ["edits"], "the body");
  return { kind: "replace", edits: readReplacements(members.edits) };
}

function readReplacements(sent: unknown): Replacement[] {
  if (!Array.isArray(sent) || sent.length === 0) {
    throw malformed(`"edits" is not a list of edits; ${FORMS}`);
  }
  if (sent.length > MAX_EDITS) {
    throw new EditFault(
      "too-large",
      `the body has ${sent.length} edits; at most ${MAX_EDITS} are allowed`,
    );
  }
  return sent.map((edit: unknown, i) => {
    const what = `edit ${i + 1} of ${sent.length}`;
    const members = membersOf(edit, `${what} is not an object`);
    assertKnown(members, ["find", "replace", "all"], what);
    const { all = false } = members;
    if (typeof all !== "boolean") throw malformed(`${what}: "all" is neither true nor false`);
    return { find: findOf(members, what), replace: stringOf(members, "replace", what), all };
  });
}

function membersOf(value: unknown, fault: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${fault}; ${FORMS}`);
  }
  return { ...value };
}

function findOf(members: Readonly<Record<string, unknown>>, what: string): string {
  const find = stringOf(members, "find", what);
  if (find === "") throw malformed(`${what}: "find" is empty`);
  return find;
}

function stringOf(
  members: Readonly<Record<string, unknown>>,
  name: string,
  what: string,
): string {
  const value = Object.hasOwn(members, name) ? members[name] : undefined;
  if (typeof value !== "string") throw malformed(`${what} needs "${name}", a string`);
  if (!value.isWellFormed()) throw malformed(`${what}: "${name}" has half a surrogate pair`);
  return value;
}

function assertKnown(
  members: Readonly<Record<string, unknown>>,
  known: readonly string[],
  what: string,
): void {
  const unknown = Object.keys(members).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw malformed(
    `${what} has the unknown member ${quoteText(unknown)}; known: ${known.join(", ")}`,
  );
}

function malformed(message: string): EditFault {
  return new EditFault("malformed", message);
}
