import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { MAX_LIST_BYTES, MAX_PATH_CHARS } from "../../../plugins/mcp/limits.ts";
import {
  callServer,
  readJson,
  sendChange,
  ServerRefusal,
  versionOf,
} from "../../../plugins/mcp/server_call.ts";
import { FakeServer, problem, untilAborted } from "./fake_server.ts";

Deno.test("callServer() throws what the server answers, with its own detail", async () => {
  const server = new FakeServer();
  server.answer = () =>
    problem(412, "Cannot write /home/x: it has version 3", { "retry-after": "2" });
  await assertRejects(callServer(server.caller, "/home/x", { method: "PUT", body: "" }), {
    name: "ServerRefusal",
    status: 412,
    message: "Cannot write /home/x: it has version 3",
    problem: { type: "/usr/share/doc/problems/x.md", title: "Title" },
    retryAfter: "2",
  });
  for (const status of [304, 302, 500]) {
    server.answer = () => new Response(null, { status });
    await assertRejects(callServer(server.caller, "/home/x"), { status });
  }
});

Deno.test("callServer() says that a change without a response may have happened", async () => {
  const server = new FakeServer();
  server.answer = () => Promise.reject(new TypeError("the connection ended"));
  await assertRejects(callServer(server.caller, "/home/x", { method: "PUT" }), {
    status: 502,
    message: "Cannot confirm PUT /home/x: the connection ended; the change may have happened, " +
      "read it before a retry",
  });
  await assertRejects(callServer(server.caller, "/home/x"), {
    message: "Cannot confirm GET /home/x: the connection ended",
  });
});

Deno.test("callServer() sends no path that the server would not read, and quotes a part of it", async () => {
  const server = new FakeServer();
  const path = (length: number) => `/home/x?trash=${"y".repeat(length - 14)}`;
  await callServer(server.caller, path(MAX_PATH_CHARS), { method: "PUT" });
  const refused = callServer(server.caller, path(MAX_PATH_CHARS + 1), { method: "PUT" });
  const error = await refused.then(() => undefined, (error: unknown) => error);
  assert(error instanceof ServerRefusal && error.status === 414);
  assert(error.message.startsWith("Cannot PUT /home/x?trash=yyy") && error.message.length < 300);
  assertEquals(server.requests.length, 1);
});

Deno.test("callServer() rejects with the reason of the signal after it is aborted", async () => {
  const server = new FakeServer();
  server.answer = (_, signal) => untilAborted(signal);
  const call = callServer(server.caller, "/home/x");
  server.stop.abort();
  await assertRejects(call, { name: "AbortError" });
});

Deno.test("readJson() returns the query of the next page", async () => {
  const server = new FakeServer();
  const link = '</home/?deep&limit=2&after=a%20b>; rel="next"';
  server.answer = () => Response.json([1], { headers: { link } });
  const { value, next } = await readJson(server.caller, "/home/?deep&limit=2");
  assertEquals([value, next?.get("after")], [[1], "a b"]);
  server.answer = () => Response.json([], { headers: { link: "</x>; rel=prev" } });
  assertStrictEquals((await readJson(server.caller, "/home/")).next, undefined);
});

Deno.test("readJson() refuses a result beyond the limit, and reads one at it", async () => {
  const server = new FakeServer();
  const text = (length: number): string => `"${"x".repeat(length - 2)}"`;
  server.answer = () => new Response(text(MAX_LIST_BYTES));
  const { value } = await readJson(server.caller, "/home/");
  assertStrictEquals(String(value).length, MAX_LIST_BYTES - 2);
  server.answer = () => new Response(text(MAX_LIST_BYTES + 1));
  await assertRejects(readJson(server.caller, "/home/"), { status: 413 });
});

Deno.test("sendChange() records the name of the client, if it has one", async () => {
  const server = new FakeServer();
  server.answer = () => Response.json({ version: 4, ext: "md" }, { status: 201 });
  assertEquals(await sendChange(server.caller, "/home/x", { method: "PUT", body: "a" }), {
    version: 4,
    ext: "md",
    status: 201,
  });
  await sendChange({ ...server.caller, client: "" }, "/home/x", { method: "PUT", body: "a" });
  assertEquals(server.requests.map(({ headers }) => headers.get("x-meta-mcp-client")), [
    "probe",
    null,
  ]);
});

Deno.test("versionOf() reads the version from an entity tag of the server", () => {
  const rows: [etag: string | undefined, version: number | undefined][] = [
    ['"3-2c26b46b68ffc68f.raw"', 3],
    ['"12"', 12],
    ['W/"7-aa.gz"', 7],
    ['"x"', undefined],
    [undefined, undefined],
  ];
  for (const [etag, version] of rows) {
    const headers: HeadersInit = etag === undefined ? {} : { etag };
    assertStrictEquals(versionOf(new Response("", { headers })), version);
  }
});
