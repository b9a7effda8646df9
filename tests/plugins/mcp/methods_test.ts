import { assert, assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { MAX_SUBSCRIPTIONS } from "../../../plugins/mcp/limits.ts";
import { callMethod, initialize } from "../../../plugins/mcp/methods.ts";
import { type Session, Sessions } from "../../../plugins/mcp/sessions.ts";
import { FakeServer, problem } from "./fake_server.ts";

const T2 = { holder: "T2", client: "T2" };
const SERVER = {
  "io.modelcontextprotocol/serverInfo": { name: "elastik", title: "elastik", version: "1.0.0" },
};

function call(
  server: FakeServer,
  method: string,
  params: Record<string, unknown> = {},
  more: { isStateless?: boolean; session?: Session; sessions?: Sessions } = {},
) {
  const sessions = new Sessions(() => 1);
  return callMethod({
    method,
    params,
    caller: server.caller,
    isStateless: false,
    sessions,
    ...more,
  });
}

Deno.test("callMethod() answers a method of the other versions with -32601", async () => {
  const server = new FakeServer();
  const rows: [method: string, isStateless: boolean][] = [
    ["server/discover", false],
    ["ping", true],
    ["initialize", true],
    ["resources/subscribe", true],
    ["logging/setLevel", false],
    ["prompts/list", true],
    ["constructor", false],
    ["", false],
  ];
  for (const [method, isStateless] of rows) {
    const status = isStateless ? 404 : 200;
    await assertRejects(
      call(server, method, {}, { isStateless }),
      { code: -32601, status },
      method,
    );
  }
});

Deno.test("results of the stateless version have a type, the server, and how long they are fresh", async () => {
  const server = new FakeServer();
  server.answer = () => new Response("text");
  const rows: [method: string, params: Record<string, unknown>, caching: unknown[]][] = [
    ["server/discover", {}, [3_600_000, "public"]],
    ["tools/list", {}, [3_600_000, "public"]],
    ["resources/templates/list", {}, [3_600_000, "public"]],
    ["resources/read", { uri: "elastik:///home/x" }, [0, "private"]],
    ["tools/call", { name: "read", arguments: { path: "/home/x" } }, [undefined, undefined]],
  ];
  for (const [method, params, caching] of rows) {
    const result = await call(server, method, params, { isStateless: true });
    assertEquals([result["ttlMs"], result["cacheScope"]], caching, method);
    assertEquals([result["resultType"], result["_meta"]], ["complete", SERVER], method);
  }
  assertEquals("resultType" in await call(server, "tools/list"), false);
});

Deno.test("a list with one page refuses every cursor", async () => {
  for (const method of ["tools/list", "resources/templates/list"]) {
    await assertRejects(call(new FakeServer(), method, { cursor: "x" }), { code: -32602 });
  }
});

Deno.test("tools/call answers a refusal of the server as a result, with its own detail", async () => {
  const server = new FakeServer();
  server.answer = () =>
    problem(403, "Cannot write /home/x: T2 is required", { "retry-after": "3" });
  const params = { name: "write", arguments: { path: "/home/x", content: "" } };
  assertEquals(await call(server, "tools/call", params), {
    content: [{
      type: "text",
      text: "Cannot write /home/x: T2 is required (status 403, Title). Try again after 3 seconds.",
    }],
    isError: true,
    _meta: {
      "elastik/problem": {
        type: "/usr/share/doc/problems/x.md",
        title: "Title",
        status: 403,
        detail: "Cannot write /home/x: T2 is required",
      },
    },
  });
});

Deno.test("tools/call answers invalid arguments as a result, and an unknown tool as an error", async () => {
  const server = new FakeServer();
  const invalid = await call(server, "tools/call", { name: "read", arguments: { path: 7 } });
  assertEquals(invalid, {
    content: [{ type: "text", text: 'Cannot read: "path" must be of type string' }],
    isError: true,
  });
  for (const params of [{}, { name: "reed" }, { name: 7 }, { name: "read", arguments: [] }]) {
    await assertRejects(call(server, "tools/call", params), { code: -32602, status: 200 });
  }
  assertEquals(server.lines, []);
});

Deno.test("initialize() agrees on the requested version, or on the newest one with sessions", () => {
  const info = { capabilities: {}, clientInfo: { name: "a", version: "1" } };
  const rows: [requested: string, agreed: string][] = [
    ["2025-06-18", "2025-06-18"],
    ["2025-11-25", "2025-11-25"],
    ["2024-11-05", "2025-11-25"],
    ["2026-07-28", "2025-11-25"],
    ["", "2025-11-25"],
  ];
  for (const [protocolVersion, agreed] of rows) {
    assertEquals(initialize({ protocolVersion, ...info }).protocolVersion, agreed);
  }
  const good = { protocolVersion: "2025-11-25", ...info };
  for (const member of ["protocolVersion", "capabilities", "clientInfo"]) {
    for (const value of [undefined, null, 7, []]) {
      assertThrows(() => initialize({ ...good, [member]: value }), { code: -32602 });
    }
  }
});

Deno.test("resources/subscribe needs a session of this process, and a world that can be read", async () => {
  const server = new FakeServer();
  const sessions = new Sessions(() => 1);
  const id = await sessions.begin("2025-11-25", "probe", "T2");
  const session = await sessions.find(id, T2);
  if (session === undefined) throw new Error("the session was not found");
  const uri = "elastik:///home/x";
  await assertRejects(call(server, "resources/subscribe", { uri }), { code: -32600, status: 404 });
  const old = { ...session, isComplete: false };
  await assertRejects(
    call(server, "resources/subscribe", { uri }, { session: old, sessions }),
    { code: -32600, status: 404 },
  );
  server.answer = () => problem(404, "nothing is here");
  await assertRejects(
    call(server, "resources/subscribe", { uri }, { session, sessions }),
    { code: -32002, message: "nothing is here" },
  );
  assertEquals(sessions.size, 0);
  server.answer = ({ path }) =>
    path.startsWith("/proc/") ? Response.json({ changes: [], cursor: "9" }) : new Response(null);
  await call(server, "resources/subscribe", { uri }, { session, sessions });
  const kept = sessions.subscriptions(id);
  assertEquals([kept?.cursor, [...kept?.uris ?? []]], ["9", [["home/x", uri]]]);
  await call(server, "resources/unsubscribe", { uri }, { session, sessions });
  assertEquals(kept?.uris.size, 0);
});

Deno.test("resources/subscribe allows subscriptions up to the limit", async () => {
  const server = new FakeServer();
  server.answer = ({ path }) =>
    path.startsWith("/proc/") ? Response.json({ changes: [], cursor: "9" }) : new Response(null);
  const sessions = new Sessions(() => 1);
  const session = await sessions.find(await sessions.begin("2025-11-25", "", "T2"), T2);
  if (session === undefined) throw new Error("the session was not found");
  const subscribe = (i: number) =>
    call(server, "resources/subscribe", { uri: `elastik:///home/${i}` }, { session, sessions });
  for (let i = 0; i < MAX_SUBSCRIPTIONS; i++) await subscribe(i);
  await assertRejects(subscribe(MAX_SUBSCRIPTIONS), { code: -32603 });
  await subscribe(0); // again
  assert(sessions.size === 1);
});
