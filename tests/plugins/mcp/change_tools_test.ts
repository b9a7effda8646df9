import { assertEquals, assertRejects } from "../../support/assert.ts";
import { ToolArguments } from "../../../plugins/mcp/arguments.ts";
import {
  appendTool,
  deleteTool,
  editTool,
  moveTool,
  restoreTool,
  writeTool,
} from "../../../plugins/mcp/change_tools.ts";
import type { Tool, ToolOutput } from "../../../plugins/mcp/tool.ts";
import { FakeServer } from "./fake_server.ts";

function run(tool: Tool, args: Record<string, unknown>, server: FakeServer): Promise<ToolOutput> {
  return tool.run(new ToolArguments(tool.inputSchema, args), server.caller);
}

/** Headers that decide what a change does. */
const HEADERS = [
  "content-type",
  "if-match",
  "if-none-match",
  "destination",
  "overwrite",
  "x-meta-mcp-client",
];

Deno.test("each tool that changes sends one request with its precondition", async () => {
  const path = "/home/a b";
  const client = { "x-meta-mcp-client": "probe" };
  const rows: [
    tool: Tool,
    args: Record<string, unknown>,
    line: string,
    headers: Record<string, string>,
    body: string,
  ][] = [
    [writeTool, { path, content: "hi" }, "PUT /home/a%20b", client, "hi"],
    [writeTool, { path, content: "", version: 0 }, "PUT /home/a%20b", {
      ...client,
      "if-none-match": "*",
    }, ""],
    [writeTool, { path, content: "aGk=", encoding: "base64", version: 4 }, "PUT /home/a%20b", {
      ...client,
      "if-match": '"4"',
    }, "hi"],
    [
      appendTool,
      { path, content: "x", version: 2 },
      "POST /home/a%20b",
      { "if-match": '"2"' },
      "x",
    ],
    [editTool, { path, edits: [{ find: "a", replace: "b" }] }, "PATCH /home/a%20b", {
      ...client,
      "content-type": "application/json",
    }, '{"edits":[{"find":"a","replace":"b"}]}'],
    [
      editTool,
      { path, edits: [{ find: "a", replace: "", all: true }], version: 1 },
      "PATCH /home/a%20b",
      { ...client, "content-type": "application/json", "if-match": '"1"' },
      '{"edits":[{"find":"a","replace":"","all":true}]}',
    ],
    [
      restoreTool,
      { path, from: 3, version: 5 },
      "PUT /home/a%20b?from=3",
      { "if-match": '"5"' },
      "",
    ],
    [restoreTool, { path, trash: "id&x" }, "PUT /home/a%20b?trash=id%26x", {}, ""],
    [deleteTool, { path, version: 3 }, "DELETE /home/a%20b", { "if-match": '"3"' }, ""],
    [deleteTool, { path: "/home/a/" }, "DELETE /home/a/", {}, ""],
    [moveTool, { path, to: "/home/ü" }, "MOVE /home/a%20b", {
      destination: "/home/%C3%BC",
      overwrite: "F",
    }, ""],
    [moveTool, { path: "/home/a/", to: "/home/b/", overwrite: true, version: 2 }, "MOVE /home/a/", {
      destination: "/home/b/",
      overwrite: "T",
      "if-match": '"2"',
    }, ""],
  ];
  for (const [tool, args, line, headers, body] of rows) {
    const server = new FakeServer();
    server.answer = () => Response.json({ version: 6 });
    await run(tool, args, server);
    const [sent] = server.requests;
    const found = HEADERS.flatMap((name): [string, string][] => {
      const value = sent?.headers.get(name);
      return typeof value === "string" ? [[name, value]] : [];
    });
    assertEquals(server.lines, [line]);
    assertEquals([Object.fromEntries(found), sent?.body], [headers, body], line);
  }
});

Deno.test("a tool that changes returns the new version, and whether the world is new", async () => {
  const server = new FakeServer();
  for (const status of [200, 201]) {
    server.answer = () => Response.json({ version: 6 }, { status });
    const output = await run(writeTool, { path: "/home/x", content: "a" }, server);
    assertEquals(output.structuredContent, {
      path: "/home/x",
      version: 6,
      created: status === 201,
    });
  }
});

Deno.test("delete returns the ids with which restore brings the worlds back", async () => {
  const server = new FakeServer();
  server.answer = () => Response.json({ deleted: ["home/a", "home/b"], trash: ["1", "2"] });
  const { content, structuredContent } = await run(deleteTool, { path: "/home/" }, server);
  assertEquals(structuredContent, { deleted: ["/home/a", "/home/b"], trash: ["1", "2"] });
  assertEquals(content[1]?.["text"], "/home/a\ttrash id 1\n/home/b\ttrash id 2");
});

Deno.test("the tools that change send nothing if an argument cannot be used", async () => {
  const rows: [tool: Tool, args: Record<string, unknown>][] = [
    [writeTool, { path: "/home/", content: "a" }],
    [writeTool, { path: "https://evil.example/x", content: "a" }],
    [writeTool, { path: "/proc/x", content: "a" }],
    [writeTool, { path: "/home/x", content: "?", encoding: "base64" }],
    [appendTool, { path: "/home/../etc/x", content: "a" }],
    [editTool, { path: "/home/x/", edits: [{ find: "a", replace: "b" }] }],
    [restoreTool, { path: "/home/x" }],
    [restoreTool, { path: "/home/x", from: 1, trash: "x" }],
    [moveTool, { path: "/home/x", to: "http://evil.example/home/x" }],
    [moveTool, { path: "/home/x", to: "//evil.example/x" }],
    [deleteTool, { path: "/auth/mint" }],
  ];
  for (const [tool, args] of rows) {
    const server = new FakeServer();
    await assertRejects(run(tool, args, server), { name: "ArgumentFault" }, JSON.stringify(args));
    assertEquals(server.lines, []);
  }
});
