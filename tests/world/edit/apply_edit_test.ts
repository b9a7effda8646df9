/** Tests of the application of a PATCH body to bytes. */
import { assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { MAX_PARSED_WORLD_BYTES } from "../../../lib/limits.ts";
import { applyEdit } from "../../../lib/world/edit/apply_edit.ts";
import { EDIT_FORMATS, type EditFormat } from "../../../lib/world/edit_format.ts";
import { EditFault } from "../../../lib/world/edit/edit_fault.ts";

const encoder = new TextEncoder();

function apply(
  world: string | Uint8Array<ArrayBuffer>,
  format: EditFormat,
  body: string | Uint8Array<ArrayBuffer>,
  max = 1000,
): string {
  const bytes = (text: string | Uint8Array<ArrayBuffer>) =>
    typeof text === "string" ? encoder.encode(text) : text;
  const result = applyEdit(bytes(world), { format, body: bytes(body) }, max);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(result);
}

function faultOf(...args: Parameters<typeof apply>): EditFault {
  try {
    apply(...args);
  } catch (error) {
    if (error instanceof EditFault) return error;
    throw error;
  }
  throw new Error("it applies");
}

/** A body of each format that turns {"a":1} into {"a":2}. */
const BODIES: Readonly<Record<EditFormat, string>> = {
  "application/merge-patch+json": '{"a":2}',
  "application/json-patch+json": '[{"op":"replace","path":"/a","value":2}]',
  "application/json": '{"edits":[{"find":"1","replace":"2"}]}',
  "text/x-diff": '@@ -1 +1 @@\n-{"a":1}\n+{"a":2}\n',
};

for (const format of EDIT_FORMATS) {
  Deno.test(`applyEdit() applies ${format}, also after a byte order mark`, () => {
    assertStrictEquals(apply('{"a":1}\n', format, BODIES[format]), '{"a":2}\n');
    assertStrictEquals(apply('{"a":1}\n', format, `\ufeff${BODIES[format]}`), '{"a":2}\n');
    if (format === "text/x-diff") return;
    assertStrictEquals(apply('\ufeff{"a":1}\n', format, BODIES[format]), '\ufeff{"a":2}\n');
  });

  Deno.test(`applyEdit() refuses bodies and worlds that are not UTF-8 for ${format}`, () => {
    assertStrictEquals(faultOf("{}", format, new Uint8Array([0xff])).kind, "malformed");
    assertStrictEquals(faultOf(new Uint8Array([0xff]), format, BODIES[format]).kind, "conflict");
  });

  Deno.test(`applyEdit() refuses a result beyond its limit for ${format}`, () => {
    const world = '{"a":1}\n';
    assertStrictEquals(apply(world, format, BODIES[format], world.length).length, world.length);
    assertStrictEquals(faultOf(world, format, BODIES[format], world.length - 1).kind, "too-large");
  });
}

Deno.test("applyEdit() says where a world or a body is not JSON", () => {
  const merge = "application/merge-patch+json";
  const fault = faultOf('{\n  "a": 1,\n}', merge, "{}");
  assertEquals([fault.kind, fault.message], [
    "conflict",
    "the world is not JSON: at line 3, column 1: a name in double quotes is expected",
  ]);
  assertStrictEquals(faultOf("// note\n{}", merge, "{}").kind, "conflict");
  assertStrictEquals(faultOf("", merge, "{}").kind, "conflict");
  assertMatch(faultOf("{}", merge, "{").message, /^the body is not JSON: at line 1, column 2/);
  assertMatch(
    faultOf("{}", "application/json", "{").message,
    /^the body is not JSON: at line 1, column 2/,
  );
});

Deno.test("applyEdit() parses worlds of MAX_PARSED_WORLD_BYTES and not of one byte more", () => {
  const world = `{"a":1,"b":"${"x".repeat(MAX_PARSED_WORLD_BYTES - 14)}"}`;
  assertStrictEquals(world.length, MAX_PARSED_WORLD_BYTES);
  const max = 2 * MAX_PARSED_WORLD_BYTES;
  const merge = "application/merge-patch+json";
  assertStrictEquals(apply(world, merge, '{"a":2}', max).length, world.length);
  assertStrictEquals(faultOf(`${world} `, merge, '{"a":2}', max).kind, "too-large");
  assertStrictEquals(
    faultOf(`${world} `, "text/x-diff", BODIES["text/x-diff"], max).kind,
    "too-large",
  );
  assertStrictEquals(
    apply(`${world} `, "application/json", '{"append":"x"}', max).length,
    world.length + 2,
  );
});

const WIDE = " ".repeat(1_000_000);
const NEW = { op: "add", path: "/-", value: 0 };
/** Edits of short bodies that would take minutes, or gigabytes, without a budget. */
const BOMBS:
  readonly (readonly [title: string, world: string, format: EditFormat, body: unknown])[] = [
    [
      "adds many elements with long white space",
      `[1,\n${WIDE}2]`,
      "application/json-patch+json",
      Array(10_000).fill(NEW),
    ],
    [
      "adds many values with a long indentation",
      `[1,\n${WIDE}2]`,
      "application/json-patch+json",
      [{ ...NEW, value: Array(10_000).fill(0) }],
    ],
    [
      "adds many values at a deep level",
      '{\n                "a":1}',
      "application/merge-patch+json",
      JSON.parse(`${'{"b":'.repeat(500)}[${"0,".repeat(50_000)}0]${"}".repeat(500)}`),
    ],
    [
      "copies many lines to a long indentation",
      `{"a":[${"\n1,".repeat(10_000)}1],\n"b":[1,\n${WIDE}2]}`,
      "application/json-patch+json",
      [{ op: "copy", from: "/a", path: "/b/-" }],
    ],
    [
      "compares a long name with many removed ones",
      `{"x":1,"x":2,"\\n${"k".repeat(1_000_000)}":1}`,
      "application/json-patch+json",
      Array(5_000).fill([{ op: "add", path: "/a", value: 1 }, { op: "remove", path: "/a" }]).flat(),
    ],
    [
      "replaces millions of occurrences",
      "a".repeat(2_000_000),
      "application/json",
      { edits: [{ find: "a", replace: "b", all: true }] },
    ],
  ];

for (const [title, world, format, body] of BOMBS) {
  Deno.test(`applyEdit() refuses an edit that ${title}`, () => {
    // The work is counted. Without the count, each of these edits takes hours or all memory.
    const fault = faultOf(world, format, JSON.stringify(body), 64 * 1024 * 1024);
    assertMatch(fault.message, /too much work/);
    assertStrictEquals(fault.kind, "too-large");
  });
}
