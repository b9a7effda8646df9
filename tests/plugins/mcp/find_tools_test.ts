import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { ToolArguments } from "../../../plugins/mcp/arguments.ts";
import {
  coveredPrefix,
  entryPath,
  historyTool,
  listTool,
  rowsOf,
  searchTool,
} from "../../../plugins/mcp/find_tools.ts";
import { MAX_TEXT_CHARS } from "../../../plugins/mcp/limits.ts";
import type { Tool, ToolOutput } from "../../../plugins/mcp/tool.ts";
import { FakeServer } from "./fake_server.ts";

function run(tool: Tool, args: Record<string, unknown>, server: FakeServer): Promise<ToolOutput> {
  return tool.run(new ToolArguments(tool.inputSchema, args), server.caller);
}

/** A server that answers with rows and with the address of the next page. */
function serveRows(rows: unknown, link?: string): FakeServer {
  const server = new FakeServer();
  server.answer = () => Response.json(rows, link === undefined ? {} : { headers: { link } });
  return server;
}

Deno.test("the tools that find send one request each", async () => {
  const rows: [tool: Tool, args: Record<string, unknown>, line: string][] = [
    [listTool, { prefix: "/home/a b" }, "GET /home/a%20b/?limit=100"],
    [listTool, { prefix: "/home/", deep: true, limit: 5 }, "GET /home/?deep&limit=5"],
    [
      listTool,
      { prefix: "/etc/", sort: "time", since: "2026-11-28T10:00:00Z", after: "x y" },
      "GET /etc/?sort=time&since=2026-11-28T10%3A00%3A00Z&after=x+y&limit=100",
    ],
    [listTool, { prefix: "/home/a", trash: true }, "GET /proc/trash/home/a/"],
    [listTool, { prefix: "/", trash: true, limit: 2 }, "GET /proc/trash/?limit=2"],
    [searchTool, { query: "a&b=c" }, "GET /proc/search/?q=a%26b%3Dc&limit=100"],
    [
      searchTool,
      { query: "x", prefix: "/home/a/", limit: 3, after: "k" },
      "GET /proc/search/home/a/?q=x&limit=3&after=k",
    ],
    [historyTool, { path: "/home/x" }, "GET /proc/log/home/x?limit=100"],
    [historyTool, { path: "/home/x", after: "7" }, "GET /proc/log/home/x?limit=100&before=7"],
    [historyTool, {
      path: "/home/",
      by: "cap:/home/t#k/*",
      since: "2026-01-01T00:00:00Z",
      limit: 1,
    }, "GET /proc/log/home/?limit=1&since=2026-01-01T00%3A00%3A00Z&by=cap%3A%2Fhome%2Ft%23k%2F*"],
    [historyTool, { path: "/" }, "GET /proc/log/?limit=100"],
    [historyTool, { path: "/home/x", from: 2 }, "GET /home/x?diff=2"],
    [historyTool, { path: "/home/x", from: 2, to: 4 }, "GET /home/x?diff=2..4"],
  ];
  for (const [tool, args, line] of rows) {
    const server = serveRows([]);
    await run(tool, args, server);
    assertEquals(server.lines, [line]);
  }
});

Deno.test("the tools that find refuse arguments that do not fit together", async () => {
  const rows: [tool: Tool, args: Record<string, unknown>][] = [
    [historyTool, { path: "/home/x", to: 2 }],
    [historyTool, { path: "/home/", from: 2 }],
    [historyTool, { path: "/home/x", by: "T2" }],
    [historyTool, { path: "/home/x", since: "2026-01-01T00:00:00Z" }],
    [searchTool, { query: "x", prefix: "http://evil.example/" }],
    [listTool, { prefix: "/proc/" }],
    [listTool, { prefix: "/home/", trash: true, sort: "name" }],
    [listTool, { prefix: "/home/", trash: true, since: "2026-01-01T00:00:00Z" }],
    [listTool, { prefix: "/home/", trash: true, deep: true }],
    [listTool, { prefix: "/home/../etc" }],
    [listTool, { prefix: "/", deep: true }],
    [listTool, { prefix: "/", after: "home" }],
  ];
  for (const [tool, args] of rows) {
    const server = serveRows([]);
    await assertRejects(run(tool, args, server), { name: "ArgumentFault" }, JSON.stringify(args));
    assertEquals(server.lines, []);
  }
});

Deno.test("list shows the path of each entry, and continues with the cursor of the server", async () => {
  const server = serveRows(
    [{ name: "x", dir: false, version: 3, size: 12, by: "T2" }, {
      name: "sub",
      dir: true,
      version: 0,
    }],
    '</home/?limit=2&after=sub>; rel="next"',
  );
  const { content, structuredContent } = await run(listTool, { prefix: "/home" }, server);
  assertEquals(content[1], {
    type: "text",
    text: "/home/x\tversion 3\t12 bytes\tby T2\n/home/sub/",
  });
  assertEquals([structuredContent["next"], structuredContent["prefix"]], ["sub", "/home/"]);
  assert(String(content[0]?.["text"]).includes('continue with after "sub"'));
});

Deno.test("list of the root shows the namespaces of worlds", async () => {
  const dir = true;
  const server = serveRows([{ name: "bin", dir }, { name: "home", dir }, { name: "usr", dir }]);
  const { structuredContent } = await run(listTool, { prefix: "/", limit: 5 }, server);
  assertEquals(structuredContent, {
    prefix: "/",
    entries: [{ path: "/home/", name: "home", dir }, { path: "/usr/", name: "usr", dir }],
  });
  assertEquals(server.lines, ["GET /"]);
});

Deno.test("list without a prefix lists what the credential covers", async () => {
  const server = new FakeServer();
  server.answer = ({ path }) => Response.json(path === "/auth/whoami" ? { prefix: "/home/t" } : []);
  await run(listTool, {}, server);
  assertEquals(server.lines, ["GET /auth/whoami", "GET /home/t/?limit=100"]);
});

Deno.test("search shows hits as path, line number and line", async () => {
  const hit = { name: "home/a b", line: 7, column: 1, snippet: "find me" };
  for (const rows of [[hit], { hits: [hit] }]) {
    const { content, structuredContent } = await run(searchTool, { query: "me" }, serveRows(rows));
    assertEquals(content[1], { type: "text", text: "/home/a b:7: find me" });
    assertEquals(structuredContent, { query: "me", hits: [{ path: "/home/a b", ...hit }] });
  }
});

Deno.test("history shows who changed what", async () => {
  const event = {
    id: 4,
    timestamp: "2026-11-28T10:00:00Z",
    type: "stage_written",
    payload: { op: "put", version_after: 3, by: "cap:/home/t#k" },
  };
  const server = serveRows([event], '</proc/log/home/x?before=4>; rel="next"');
  const { content, structuredContent } = await run(historyTool, { path: "/home/x" }, server);
  assertEquals(
    content[1]?.["text"],
    "2026-11-28T10:00:00Z\tstage_written\t/home/x\tversion 3\tput\t" +
      "by cap:/home/t#k\tevent 4",
  );
  assertEquals(structuredContent, { path: "/home/x", events: [event], next: "4" });
});

Deno.test("history cuts a long difference and says so", async () => {
  const server = new FakeServer();
  server.answer = () => new Response("x".repeat(MAX_TEXT_CHARS + 1));
  const { structuredContent } = await run(historyTool, { path: "/home/x", from: 1 }, server);
  assertEquals([String(structuredContent["diff"]).length, structuredContent["truncated"]], [
    MAX_TEXT_CHARS,
    true,
  ]);
});

Deno.test("a page leaves out lines that would make its text too long", async () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({ name: `${i}${"x".repeat(1000)}` }));
  const { content, structuredContent } = await run(listTool, { prefix: "/home" }, serveRows(rows));
  assert(String(content[1]?.["text"]).length <= MAX_TEXT_CHARS);
  assert(/: 100\. \d+ are not shown/.test(String(content[0]?.["text"])));
  assertEquals(rowsOf(structuredContent["entries"]).length, 100);
});

Deno.test("coveredPrefix() is the prefix of a capability, otherwise /home/", async () => {
  const rows: [whoami: unknown, name: string][] = [
    [{ prefix: "/home/team" }, "home/team"],
    [{ tier: "T2" }, "home"],
    [{ prefix: "/proc/x" }, "home"],
    [{ prefix: "/" }, "home"],
    [null, "home"],
  ];
  for (const [whoami, name] of rows) {
    const found = await coveredPrefix(serveRows(whoami).caller);
    assertEquals(found, { name, isCollection: true });
  }
});

Deno.test("entryPath() completes relative names and keeps complete ones", () => {
  const home = { name: "home/a", isCollection: true };
  assertEquals(entryPath(home, { name: "x" }), "/home/a/x");
  assertEquals(entryPath(home, { name: "home/a/x", dir: true }), "/home/a/x/");
  assertEquals(entryPath({ name: "", isCollection: true }, { name: "home", dir: true }), "/home/");
});
