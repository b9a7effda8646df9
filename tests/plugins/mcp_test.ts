/** The plugin `mcp` over HTTP: its tools for each caller, its resources, and the official clients. */

import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import {
  SessionClient,
  SessionTransport,
  StatelessClient,
  StatelessTransport,
} from "../support/mcp_client.ts";
import { APPROVE, bearer, type TestServer } from "../support/test_server.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { putWorld } from "../support/plugin_server.ts";
import {
  type As,
  callTool,
  endpointUrl,
  type Members,
  post,
  sendRpc,
  STATELESS,
  statelessRequest,
  T2,
  withMcp,
} from "./mcp/mcp_server.ts";

type Case = (server: TestServer) => Promise<void>;
const cases: [title: string, run: Case][] = [];
function add(title: string, run: Case): void {
  cases.push([title, run]);
}

const T3: As = bearer(APPROVE);

/** The callers of the table. */
function callersOf(server: TestServer): readonly [name: string, as: As][] {
  return [
    ["no credential", {}],
    ["an unknown token", bearer("unknown")],
    ["T2", T2],
    ["T3", T3],
    ["rw over the prefix", bearer(server.capability("/home/a", "rw"))],
    ["r over the prefix", bearer(server.capability("/home/a", "r"))],
    ["rw over another prefix", bearer(server.capability("/home/z", "rw"))],
    ["an expired capability", bearer(server.capability("/home/a", "rw", -5))],
  ];
}

/** A call of a tool, and the request that a client without the protocol sends instead. */
interface Equivalent {
  readonly tool: string;
  args(name: string): Members;
  readonly method: string;
  target(name: string): string;
  headers?(name: string): Record<string, string>;
  readonly body?: string;
}

const EQUIVALENTS: readonly Equivalent[] = [
  { tool: "read", args: (path) => ({ path }), method: "GET", target: (path) => `${path}?raw` },
  {
    tool: "read",
    args: (path) => ({ path, version: 1 }),
    method: "GET",
    target: (path) => `${path}?raw&at=1`,
  },
  {
    tool: "list",
    args: () => ({ prefix: "/home/a" }),
    method: "GET",
    target: () => "/home/a/?limit=100",
  },
  {
    tool: "list",
    args: () => ({ prefix: "/home/a", trash: true }),
    method: "GET",
    target: () => "/proc/trash/home/a/",
  },
  {
    tool: "search",
    args: () => ({ query: "needle", prefix: "/home/a" }),
    method: "GET",
    target: () => "/proc/search/home/a/?q=needle&limit=100",
  },
  {
    tool: "history",
    args: (path) => ({ path }),
    method: "GET",
    target: (path) => `/proc/log${path}?limit=100`,
  },
  {
    tool: "history",
    args: () => ({ path: "/home/a/" }),
    method: "GET",
    target: () => "/proc/log/home/a/?limit=100",
  },
  {
    tool: "history",
    args: (path) => ({ path, from: 1 }),
    method: "GET",
    target: (path) => `${path}?diff=1`,
  },
  {
    tool: "write",
    args: (path) => ({ path, content: "new" }),
    method: "PUT",
    target: (path) => path,
    body: "new",
  },
  {
    tool: "write",
    args: (path) => ({ path, content: "new", version: 0 }),
    method: "PUT",
    target: (path) => path,
    headers: () => ({ "if-none-match": "*" }),
    body: "new",
  },
  {
    tool: "append",
    args: (path) => ({ path, content: "more", version: 9 }),
    method: "POST",
    target: (path) => path,
    headers: () => ({ "if-match": '"9"' }),
    body: "more",
  },
  {
    tool: "edit",
    args: (path) => ({ path, edits: [{ find: "needle", replace: "pin" }] }),
    method: "PATCH",
    target: (path) => path,
    headers: () => ({ "content-type": "application/json" }),
    body: '{"edits":[{"find":"needle","replace":"pin"}]}',
  },
  {
    tool: "edit",
    args: (path) => ({ path, edits: [{ find: "absent", replace: "pin" }] }),
    method: "PATCH",
    target: (path) => path,
    headers: () => ({ "content-type": "application/json" }),
    body: '{"edits":[{"find":"absent","replace":"pin"}]}',
  },
  {
    tool: "restore",
    args: (path) => ({ path, from: 1 }),
    method: "PUT",
    target: (path) => `${path}?from=1`,
  },
  {
    tool: "restore",
    args: (path) => ({ path, trash: "20200101T000000000Z-000000000000" }),
    method: "PUT",
    target: (path) => `${path}?trash=20200101T000000000Z-000000000000`,
  },
  {
    tool: "move",
    args: (path) => ({ path, to: `${path}-moved` }),
    method: "MOVE",
    target: (path) => path,
    headers: (path) => ({ destination: `${path}-moved`, overwrite: "F" }),
  },
  { tool: "delete", args: (path) => ({ path }), method: "DELETE", target: (path) => path },
];

add("each tool does for each caller what its request does", async (server) => {
  const statuses = new Set<number>();
  const prepare = async (...paths: readonly string[]) => {
    for (const path of paths) {
      for (const text of ["a needle\n", "a needle and more\n"]) await putWorld(server, path, text);
    }
  };
  let at = 0;
  await prepare("/home/a/read-1", "/home/a/read-2");
  for (const [caller, as] of callersOf(server)) {
    for (const { tool, args, method, target, headers, body } of EQUIVALENTS) {
      const isRead = method === "GET";
      const [direct, called]: [string, string] = isRead
        ? ["/home/a/read-1", "/home/a/read-2"]
        : [`/home/a/direct-${++at}`, `/home/a/called-${at}`];
      if (!isRead) await prepare(direct, called);
      const reply = await server.send({
        method,
        target: target(direct),
        headers: { accept: "application/json, */*;q=0.5", ...as, ...headers?.(direct) },
        ...(body !== undefined && { body }),
      });
      const result = await callTool(server, as, tool, args(called));
      const where = `${tool} as ${caller}: ${reply.text} ${result.texts.join(" ")}`;
      const problem: Members = JSON.parse(JSON.stringify(result.meta["elastik/problem"] ?? {}));
      const status = result.isError ? problem["status"] : 200;
      assertEquals(status, reply.status < 300 ? 200 : reply.status, where);
      statuses.add(reply.status);
      if (isRead) continue;
      // The content of both worlds is the same afterwards.
      const first = await server.approve("GET", `${direct}?raw`);
      const second = await server.approve("GET", `${called}?raw`);
      assertEquals(second.status, first.status, where);
      if (first.status === 200) assertEquals(second.text, first.text, where);
    }
  }
  for (const status of [200, 401, 403, 412]) assert(statuses.has(status), `${status}`);
});

add("a refusal has the detail of the server", async (server) => {
  await putWorld(server, "/home/a/x", "x");
  const stale = await callTool(server, T2, "write", {
    path: "/home/a/x",
    content: "y",
    version: 7,
  });
  const direct = await server.send({
    method: "PUT",
    target: "/home/a/x",
    headers: { ...T2, "if-match": '"7"', accept: "application/json" },
    body: "y",
  });
  const { detail } = JSON.parse(direct.text);
  assertEquals([stale.isError, direct.status], [true, 412]);
  assert(stale.texts[0]?.startsWith(detail), stale.texts[0]);
});

add("no tool shows what its caller cannot read", async (server) => {
  const secret = "s3cret-0f-another-prefix";
  await putWorld(server, "/home/z/hidden-name", secret);
  await putWorld(server, "/etc/shadow", `ada:${secret}`);
  const as = bearer(server.capability("/home/a", "rw"));
  const rows: [tool: string, args: Members][] = [
    ["read", { path: "/home/z/hidden-name" }],
    ["read", { path: "/etc/shadow" }],
    ["list", { prefix: "/home/z" }],
    ["list", { prefix: "/home/" }],
    ["list", { prefix: "/" }],
    ["list", { prefix: "/home/z", trash: true }],
    ["list", {}],
    ["search", { query: "s3cret" }],
    ["search", { query: "hid" }],
    ["search", { query: "s3cret", prefix: "/home/z" }],
    ["history", { path: "/home/z/hidden-name" }],
    ["history", { path: "/home/z/" }],
    ["history", { path: "/" }],
    ["history", { path: "/home/z/hidden-name", from: 1 }],
    ["write", { path: "/home/z/hidden-name", content: "x", version: 0 }],
    ["edit", { path: "/home/z/hidden-name", edits: [{ find: "s3", replace: "" }] }],
    ["restore", { path: "/home/a/x", from: 1 }],
    ["move", { path: "/home/z/hidden-name", to: "/home/a/x" }],
    ["delete", { path: "/home/z/hidden-name" }],
  ];
  for (const [tool, args] of rows) {
    const { texts, structured } = await callTool(server, as, tool, args);
    const text = JSON.stringify([texts, structured]);
    assert(!text.includes(secret), `${tool} ${text}`);
    // A refusal repeats the path that the caller sent, and nothing else.
    if (!JSON.stringify(args).includes("hidden")) assert(!text.includes("hidden"), text);
  }
});

add("write records the name of the client in the metadata", async (server) => {
  const path = "/home/a/recorded";
  const result = await callTool(server, T2, "write", { path, content: "one two" });
  assertEquals(result.structured, { path, version: 1, created: true });
  const { headers } = await server.approve("HEAD", path);
  assertEquals(headers.get("x-meta-mcp-client"), "raw");
  const { text } = await server.approve("GET", `/proc/log${path}`);
  const [event] = JSON.parse(text);
  const { by, meta_headers: metadata } = event.payload;
  assertEquals([by, metadata], ["T2", [["x-meta-mcp-client", "raw"]]]);
});

add("an agent finds, edits and takes back without reading every world", async (server) => {
  const call = async (tool: string, args: Members): Promise<Members> => {
    const { isError, texts, structured } = await callTool(server, T2, tool, args);
    assertEquals(isError, false, `${tool} ${texts.join(" ")}`);
    return structured;
  };
  for (const [name, text] of [["one", "a Pin\nb\n"], ["sub/two", "pin\n"], ["three", "no\n"]]) {
    await call("write", { path: `/home/t/${name}`, content: text });
  }
  const rows = (value: unknown): Members[] => Array.isArray(value) ? value : [];
  const paths = (value: unknown): unknown[] => rows(value).map(({ path }) => path);
  const list = await call("list", { prefix: "/home/t", limit: 2 });
  assertEquals(paths(list["entries"]), ["/home/t/one", "/home/t/sub/"]);
  const rest = await call("list", { prefix: "/home/t", limit: 2, after: list["next"] });
  assertEquals([paths(rest["entries"]), rest["next"]], [["/home/t/three"], undefined]);
  const deep = await call("list", { prefix: "/home/t", deep: true, sort: "name" });
  assertEquals(paths(deep["entries"]), ["/home/t/one", "/home/t/sub/two", "/home/t/three"]);
  const found = await call("search", { query: "PIN", prefix: "/home/t" });
  assertEquals(rows(found["hits"]).map(({ path, line }) => [path, line]), [
    ["/home/t/one", 1],
    ["/home/t/sub/two", 1],
  ]);
  const path = "/home/t/one";
  const edited = await call("edit", { path, edits: [{ find: "Pin", replace: "needle" }] });
  const version = Number(edited["version"]);
  assertEquals((await call("read", { path }))["content"], "a needle\nb\n");
  const { headers } = await server.approve("HEAD", path);
  assertEquals(headers.get("x-meta-mcp-client"), "raw");
  const stale = await callTool(server, T2, "edit", {
    path,
    edits: [{ find: "needle", replace: "x" }],
    version: version - 1,
  });
  assertEquals([stale.isError, stale.texts[0]?.includes("412")], [true, true]);
  const restored = await call("restore", { path, from: version - 1, version });
  assertEquals([restored["version"], (await call("read", { path }))["content"]], [
    version + 1,
    "a Pin\nb\n",
  ]);
  // The index of changes follows a write a moment later.
  await eventually(async () => {
    const history = await call("history", { path: "/home/t/", limit: 1 });
    return rows(history["events"])[0]?.["name"] === "home/t/one" ? true : undefined;
  }, "the newest change is the restore");
});

add("delete and restore bring a world back with its history", async (server) => {
  const as = bearer(server.capability("/home/d", "rwd"));
  const path = "/home/d/kept";
  await callTool(server, as, "write", { path, content: "kept" });
  const deleted = await callTool(server, as, "delete", { path });
  const [id] = JSON.parse(JSON.stringify(deleted.structured["trash"]));
  assertEquals([deleted.isError, typeof id], [false, "string"]);
  assertEquals((await callTool(server, as, "read", { path })).isError, true);
  const listed = await callTool(server, as, "list", { prefix: "/home/d", trash: true });
  assertMatch(listed.texts[1] ?? "", new RegExp(`^${id}\\t/home/d/kept\\tversion 1\\t`));
  const restored = await callTool(server, as, "restore", { path, trash: id });
  assertEquals(restored.isError, false, restored.texts.join(" "));
  assertEquals((await callTool(server, as, "read", { path })).texts[1], "kept");
  const moved = await callTool(server, as, "move", { path, to: "/home/d/moved" });
  assertEquals(moved.structured["path"], "/home/d/moved", moved.texts.join(" "));
  const history = await callTool(server, as, "history", { path: "/home/d/moved" });
  assertMatch(history.texts[1] ?? "", /stage_written\t\/home\/d\/moved\tversion 1/);
});

add("resources/list lists all worlds below the prefix, page by page", async (server) => {
  for (let i = 0; i < 105; i++) {
    await putWorld(server, `/home/a/res/${String(i).padStart(3, "0")}`, "x");
  }
  await putWorld(server, "/home/z/other", "x");
  const as = bearer(server.capability("/home/a/res", "r"));
  const uris: unknown[] = [];
  const sizes: number[] = [];
  let cursor: unknown;
  do {
    const params = cursor === undefined ? {} : { cursor };
    const reply = await sendRpc(server, as, "resources/list", params);
    const { resources, nextCursor } = JSON.parse(JSON.stringify(reply["result"]));
    for (const { uri } of resources) uris.push(uri);
    sizes.push(resources.length);
    cursor = nextCursor;
  } while (cursor !== undefined);
  assertEquals(sizes, [100, 5]);
  assertEquals(
    uris,
    Array.from({ length: 105 }, (_, i) => `elastik:///home/a/res/${String(i).padStart(3, "0")}`),
  );
});

add("write sends bytes whose extension the server determines", async (server) => {
  const rows: [path: string, args: Members, type: string][] = [
    ["/home/a/page", { content: "<!doctype html><p>hi" }, "text/html"],
    ["/home/a/note.md", { content: "# hi" }, "text/markdown"],
    ["/home/a/plain", { content: "hi" }, "text/plain"],
    ["/home/a/dot.png", { content: "iVBORw0KGgo=", encoding: "base64" }, "image/png"],
  ];
  for (const [path, args, type] of rows) {
    assertEquals((await callTool(server, T2, "write", { path, ...args })).isError, false);
    const reply = await server.approve("GET", `${path}?raw`);
    assertMatch(reply.headers.get("content-type") ?? "", new RegExp(`^${type}`), path);
    const read = await callTool(server, T2, "read", { path });
    assertMatch(String(read.structured["type"]), new RegExp(`^${type}`));
  }
});

add("a plugin call cannot mint, activate or change accounts, for any caller", async (server) => {
  for (
    const path of ["/lib/mcp", "/lib/x", "/etc/passwd", "/etc/shadow", "/boot/x", "/usr/bin/x"]
  ) {
    const { isError, texts } = await callTool(server, T3, "write", { path, content: "x" });
    assert(isError && /status 403/.test(texts[0] ?? ""), `${path} ${texts[0]}`);
  }
  for (const path of ["/lib/mcp/state", "/auth/mint", "/mcp", "/dav/home/x", "//evil.example/x"]) {
    const { isError } = await callTool(server, T3, "write", { path, content: "active" });
    assertEquals(isError, true, path);
  }
});

add(
  "resources/read answers text, bytes and what cannot be read, in each version",
  async (server) => {
    await putWorld(server, "/home/a/note.md", "# ü");
    await putWorld(server, "/home/a/dot", new Uint8Array([0xff, 0xd8, 0]));
    const read = async (as: As, uri: string, isStateless: boolean): Promise<Members> => {
      if (!isStateless) return await sendRpc(server, as, "resources/read", { uri });
      const { body, headers } = statelessRequest("resources/read", { uri });
      return JSON.parse((await post(server, as, body, headers)).text);
    };
    for (const isStateless of [true, false]) {
      const { result } = await read(T2, "elastik:///home/a/note.md", isStateless);
      assertMatch(JSON.stringify(result), /"mimeType":"text\/markdown[^"]*","text":"# ü"/);
      const dot = await read(T2, "elastik:///home/a/dot", isStateless);
      assertMatch(JSON.stringify(dot), /"blob":"\/9gA"/);
      const missing: Members = await read(T2, "elastik:///home/a/none", isStateless);
      const hidden: Members = await read(T2, "elastik:///etc/shadow", isStateless);
      const code = isStateless ? -32602 : -32002;
      assertMatch(
        JSON.stringify(missing),
        new RegExp(`"code":${code},"message":"Cannot read /home/a/none`),
      );
      assertMatch(JSON.stringify(hidden), /"code":-32603,"message":"Cannot read \/etc\/shadow/);
    }
  },
);

/** What both official clients have in common, as far as the tests use it. */
interface OfficialClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(params: { name: string; arguments: Members }): Promise<unknown>;
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>;
  readResource(params: { uri: string }): Promise<unknown>;
  close(): Promise<void>;
}

/** Connects an official client that offers one version. */
async function connect(server: TestServer, as: As, version: string): Promise<OfficialClient> {
  const options = { requestInit: { headers: { ...as } } };
  if (version === STATELESS) {
    const client = new StatelessClient({ name: "official", version: "2" }, {
      versionNegotiation: { mode: { pin: STATELESS } },
    });
    await client.connect(new StatelessTransport(endpointUrl(server), options));
    assertEquals(client.getNegotiatedProtocolVersion(), version);
    return client;
  }
  const client = new SessionClient({ name: "official", version: "1" });
  const transport = new SessionTransport(endpointUrl(server), options);
  if (version === "2025-06-18") requestVersion(transport, version);
  await client.connect(transport);
  assertEquals(transport.protocolVersion, version);
  return client;
}

/** Makes a client ask for an older version than its newest. */
function requestVersion(transport: SessionTransport, version: string): void {
  const send = transport.send.bind(transport);
  transport.send = (...[message, options]: Parameters<typeof send>) => {
    if ("method" in message && message.method === "initialize" && message.params !== undefined) {
      message.params["protocolVersion"] = version;
    }
    return send(message, options);
  };
}

for (const version of ["2025-06-18", "2025-11-25", STATELESS]) {
  add(`the official client works with ${version}`, async (server) => {
    const client = await connect(server, T2, version);
    try {
      const { tools } = await client.listTools();
      assertEquals(tools.map(({ name }) => name), [
        "read",
        "list",
        "search",
        "write",
        "append",
        "edit",
        "history",
        "restore",
        "delete",
        "move",
      ]);
      // The client validates each result against the output schema.
      const path = `/home/a/official-${version}`;
      const calls: [name: string, args: Members, expected: RegExp][] = [
        ["write", { path, content: "one\n" }, /"version":1/],
        ["append", { path, content: "two\n" }, /"version":2/],
        ["read", { path }, /"text":"one\\ntwo\\n"/],
        ["history", { path }, /stage_appended/],
        ["restore", { path, from: 1 }, /"version":3/],
        ["read", { path, lines: "1" }, /"content":"one\\n"/],
        ["read", { path: "/home/a/none" }, /"isError":true/],
        ["write", { path, content: "x", version: 1 }, /status 412/],
      ];
      for (const [name, args, expected] of calls) {
        assertMatch(JSON.stringify(await client.callTool({ name, arguments: args })), expected);
      }
      const { headers } = await server.approve("HEAD", `${path}?raw`);
      assertEquals(headers.get("x-meta-mcp-client"), "official");
      const { resourceTemplates } = await client.listResourceTemplates();
      assertEquals(resourceTemplates[0]?.uriTemplate, "elastik:///{+path}");
      const found = await client.readResource({ uri: `elastik://${path}` });
      assertMatch(JSON.stringify(found), /"text":"one\\n"/);
      await assertRejects(
        client.readResource({ uri: "elastik:///home/a/none" }),
        /nothing is here/,
      );
    } finally {
      await client.close();
    }
  });
}

Deno.test("mcp", async (t) => {
  await withMcp(async (server) => {
    // Every case has worlds of its own.
    for (const [title, run] of cases) await t.step(title, () => run(server));
  });
});
