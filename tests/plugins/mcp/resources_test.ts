import { assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { MAX_PATH_CHARS, MAX_RESOURCE_BYTES } from "../../../plugins/mcp/limits.ts";
import {
  assertReadable,
  listResources,
  readResource,
  resourcePath,
} from "../../../plugins/mcp/resources.ts";
import { FakeServer, problem } from "./fake_server.ts";

Deno.test("listResources() lists what the credential covers, with the cursor of the next page", async () => {
  const server = new FakeServer();
  const rows = [
    { name: "home/a b/x", dir: false, ext: "md", updated_at: "2026-11-28T10:00:00Z", size: 3 },
    { name: "home/a b/deep/y", dir: false },
    { name: "home/a b/deep", dir: true },
  ];
  server.answer = ({ path }) =>
    path === "/auth/whoami"
      ? Response.json({ tier: "T2", prefix: "/home/a b" })
      : Response.json(rows, { headers: { link: '</home/?deep&after=k>; rel="next"' } });
  assertEquals(await listResources(server.caller, "c d"), {
    resources: [
      {
        uri: "elastik:///home/a%20b/x",
        name: "/home/a b/x",
        mimeType: "text/markdown; charset=utf-8",
        size: 3,
        annotations: { lastModified: "2026-11-28T10:00:00Z" },
      },
      { uri: "elastik:///home/a%20b/deep/y", name: "/home/a b/deep/y" },
    ],
    nextCursor: "k",
  });
  assertEquals(server.lines[1], "GET /home/a%20b/?deep&limit=100&after=c+d");
});

Deno.test("listResources() answers an invalid cursor with -32602, and an empty collection with no resources", async () => {
  const server = new FakeServer();
  let status = 400;
  server.answer = ({ path }) => path === "/auth/whoami" ? Response.json({}) : problem(status, "no");
  await assertRejects(listResources(server.caller, 7), { code: -32602 });
  await assertRejects(listResources(server.caller, "x"), { code: -32602 });
  await assertRejects(listResources(server.caller, undefined), { code: -32603, message: "no" });
  status = 404;
  assertEquals(await listResources(server.caller, undefined), { resources: [] });
});

Deno.test("readResource() returns text, or other bytes in Base64", async () => {
  const server = new FakeServer();
  const headers = { "content-type": "text/markdown" };
  server.answer = () => new Response("# ü", { headers });
  const uri = "elastik:///home/x";
  assertEquals(await readResource(server.caller, uri, -32602), {
    contents: [{ uri, mimeType: "text/markdown", text: "# ü" }],
  });
  server.answer = () => new Response(new Uint8Array([255, 0]), { headers });
  assertEquals(await readResource(server.caller, uri, -32602), {
    contents: [{ uri, mimeType: "text/markdown", blob: "/wA=" }],
  });
  assertEquals(server.lines, ["GET /home/x?raw", "GET /home/x?raw"]);
});

Deno.test("readResource() distinguishes a missing world from a refusal", async () => {
  const server = new FakeServer();
  const uri = "elastik:///home/x";
  const rows: [status: number, code: number][] = [[404, -32002], [410, -32002], [403, -32603]];
  for (const [status, code] of rows) {
    server.answer = () => problem(status, "the detail of the server");
    await assertRejects(readResource(server.caller, uri, -32002), {
      code,
      message: "the detail of the server",
      data: { uri, status, type: "/usr/share/doc/problems/x.md", title: "Title" },
    });
    const isChecked = assertReadable(server.caller, resourcePath(uri), uri, -32002);
    await assertRejects(isChecked, { code, message: "the detail of the server" });
    assertEquals(server.lines.at(-1), "GET /home/x?raw"); // a response to HEAD has no detail
  }
});

Deno.test("readResource() reads content at the limit and refuses a longer one", async () => {
  const server = new FakeServer();
  let length = MAX_RESOURCE_BYTES;
  server.answer = () => new Response("x".repeat(length));
  const { contents } = await readResource(server.caller, "elastik:///home/x", -32602);
  assertEquals(JSON.stringify(contents).includes('"text":"xxx'), true);
  length++;
  await assertRejects(readResource(server.caller, "elastik:///home/x", -32602), {
    code: -32603,
    message: /longer than 2097152 bytes; use the tool read/,
  });
});

Deno.test("resourcePath() accepts the URI of a world only", () => {
  assertEquals(resourcePath("elastik:///home/x").name, "home/x");
  for (
    const uri of [
      undefined,
      7,
      "",
      "/home/x",
      "elastik:///home/",
      "elastik:///",
      "elastik://host/home/x",
      "file:///etc/passwd",
      "http://127.0.0.1:3005/home/x",
      "elastik:///proc/worlds",
      "elastik:///home/..%2f..%2fetc/shadow",
    ]
  ) {
    assertThrows(() => resourcePath(uri), { code: -32602 });
  }
  // The response does not repeat a text of any length.
  const long = `elastik:///home/${"x".repeat(MAX_PATH_CHARS)}`;
  assertThrows(() => resourcePath(long), { code: -32602, data: undefined });
});
