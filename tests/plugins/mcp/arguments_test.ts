import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { Ajv2020 } from "../../support/ajv.ts";
import { ArgumentFault, ToolArguments } from "../../../plugins/mcp/arguments.ts";
import { objectSchema } from "../../../plugins/mcp/tool.ts";

const SCHEMA = objectSchema({
  path: { type: "string", minLength: 1 },
  "version?": { type: "integer", minimum: 0, maximum: 9 },
  "deep?": { type: "boolean" },
  "sort?": { type: "string", enum: ["name", "time"] },
  "edits?": {
    type: "array",
    minItems: 1,
    items: objectSchema({ find: { type: "string", minLength: 1 }, "all?": { type: "boolean" } }),
  },
});

Deno.test("ToolArguments accepts exactly what a JSON Schema validator accepts", () => {
  const validate = new Ajv2020().compile(SCHEMA);
  const rows: [values: Record<string, unknown>, fault: string | undefined][] = [
    [{ path: "x" }, undefined],
    [{ path: "x", version: 0, deep: true, sort: "time", edits: [{ find: "a" }] }, undefined],
    [{ path: "x", edits: [{ find: "a", all: false }, { find: "b" }] }, undefined],
    [{}, '"path" is missing'],
    [{ path: "" }, '"path" is empty'],
    [{ path: 7 }, '"path" must be of type string'],
    [{ path: null }, '"path" must be of type string'],
    [{ path: "x", version: "1" }, '"version" must be of type integer'],
    [{ path: "x", version: 1.5 }, '"version" must be of type integer'],
    [{ path: "x", version: -1 }, '"version" is -1; 0 to 9 is possible'],
    [{ path: "x", version: 10 }, '"version" is 10; 0 to 9 is possible'],
    [{ path: "x", deep: "true" }, '"deep" must be of type boolean'],
    [{ path: "x", sort: "size" }, '"sort" must be one of name, time'],
    [{ path: "x", edits: [] }, '"edits" needs at least 1 entry'],
    [{ path: "x", edits: {} }, '"edits" must be of type array'],
    [{ path: "x", edits: ["a"] }, '"edits[0]" must be of type object'],
    [{ path: "x", edits: [{ find: "a" }, { find: "" }] }, '"edits[1].find" is empty'],
    [
      { path: "x", edits: [{ find: "a", b: 1 }] },
      '"edits[0].b" is unknown; the known names are find, all',
    ],
    [
      { path: "x", other: 1 },
      '"other" is unknown; the known names are path, version, deep, sort, edits',
    ],
    [
      JSON.parse('{"path":"x","__proto__":1}'),
      '"__proto__" is unknown; the known names are path, version, deep, sort, edits',
    ],
    [
      { path: "x", constructor: 1 },
      '"constructor" is unknown; the known names are path, version, deep, sort, edits',
    ],
  ];
  for (const [values, fault] of rows) {
    const text = JSON.stringify(values);
    assertStrictEquals(validate(values), fault === undefined, text);
    if (fault === undefined) new ToolArguments(SCHEMA, values);
    else assertThrows(() => new ToolArguments(SCHEMA, values), new ArgumentFault(fault));
  }
});

Deno.test("ToolArguments returns values with their types, and undefined for absent ones", () => {
  const edits = [{ find: "a" }];
  const args = new ToolArguments(SCHEMA, { path: "x", version: 3, deep: true, edits });
  assertEquals(
    [args.required("path"), args.text("sort"), args.integer("version"), args.integer("path")],
    ["x", undefined, 3, undefined],
  );
  assertEquals([args.flag("deep"), args.flag("sort")], [true, false]);
  assertEquals([args.list("edits"), args.list("path")], [edits, []]);
});

Deno.test("ToolArguments refuses text that UTF-8 cannot contain, which a validator accepts", () => {
  assertThrows(
    () => new ToolArguments(SCHEMA, { path: "a\ud800b" }),
    new ArgumentFault('"path" has half a surrogate pair'),
  );
  new ToolArguments(SCHEMA, { path: "\u{1f600}" });
});

Deno.test("ToolArguments names the smallest number if there is no largest", () => {
  const schema = objectSchema({ "version?": { type: "integer", minimum: 0 } });
  assertThrows(
    () => new ToolArguments(schema, { version: -1 }),
    new ArgumentFault('"version" is -1; at least 0 is possible'),
  );
});
