import { assert, assertEquals } from "../../support/assert.ts";
import { Ajv2020 } from "../../support/ajv.ts";
import { allTools } from "../../../plugins/mcp/methods.ts";
import { objectSchema, toolOutput } from "../../../plugins/mcp/tool.ts";

Deno.test("every tool has valid closed schemas, and a description of each argument", () => {
  const ajv = new Ajv2020({ strict: true, strictRequired: false });
  for (const { name, inputSchema, outputSchema, title, description } of allTools()) {
    assert(/^[a-z]+$/.test(name));
    assert(title.length > 0 && description.length > 40, name);
    for (const schema of [inputSchema, outputSchema]) ajv.compile(schema);
    assertEquals(inputSchema.additionalProperties, false, name);
    for (const [argument, { description }] of Object.entries(inputSchema.properties ?? {})) {
      assert(argument === "edits" || description !== undefined, `${name}.${argument}`);
    }
  }
});

Deno.test("tools that only read are marked, and so are those that can lose something", () => {
  const kinds = allTools().map((
    { name, annotations: { readOnlyHint, destructiveHint } },
  ) => [name, readOnlyHint ? "reads" : destructiveHint ? "replaces" : "adds"]);
  assertEquals(Object.fromEntries(kinds), {
    read: "reads",
    list: "reads",
    search: "reads",
    history: "reads",
    write: "replaces",
    append: "adds",
    edit: "replaces",
    restore: "replaces",
    delete: "replaces",
    move: "replaces",
  });
});

Deno.test("descriptions of tools contain no instruction beyond their own use", () => {
  const text = JSON.stringify(allTools());
  assert(!/\b(?:always|never|ignore|system prompt|you must)\b/i.test(text));
});

Deno.test("objectSchema() requires the names without a question mark", () => {
  assertEquals(objectSchema({ a: { type: "string" }, "b?": { type: "integer" } }), {
    type: "object",
    properties: { a: { type: "string" }, b: { type: "integer" } },
    required: ["a"],
    additionalProperties: false,
  });
  assertEquals(objectSchema({ "b?": { type: "integer" } }, false), {
    type: "object",
    properties: { b: { type: "integer" } },
  });
});

Deno.test("toolOutput() makes a text block of each text", () => {
  assertEquals(toolOutput(["a", "b"], { c: 1 }), {
    content: [{ type: "text", text: "a" }, { type: "text", text: "b" }],
    structuredContent: { c: 1 },
  });
});
