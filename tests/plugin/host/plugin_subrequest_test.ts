import {
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import type { RequestContext } from "../../../lib/request/request_context.ts";
import { PluginAuthority } from "../../../lib/plugin/host/plugin_authority.ts";
import {
  answerSubrequest,
  toSubrequestContext,
} from "../../../lib/plugin/host/plugin_subrequest.ts";

let isCurrent = true;
const OWN = new PluginAuthority("p", { "/var/x/": "rw" }, {
  isConfigPath: () => false,
  isCurrent: () => isCurrent,
});
const T3: Caller = { tier: "T3", by: "T3", authenticated: true };
const request = (path: string, init?: RequestInit) => new Request(`http://machine${path}`, init);

Deno.test("toSubrequestContext() uses the caller's authority for env.caller and the plugin's for env.machine", () => {
  const subrequest = request("/home/x?raw", { headers: { accept: "text/plain" } });
  const call = toSubrequestContext(
    { kind: "caller", authority: T3, request: subrequest, depth: 2 },
    OWN,
  );
  assertStrictEquals(call.caller.delegation?.holder, T3);
  assertStrictEquals(call.caller.tier, "T3");
  assertEquals(call.depth, 2);
  assertEquals(call.connection, undefined);
  assertEquals(call.target, {
    path: "/home/x",
    name: "home/x",
    isCollection: false,
    query: "raw",
  });
  assertStrictEquals(
    toSubrequestContext({ kind: "machine", request: subrequest, depth: 1 }, OWN).caller,
    OWN.machine,
  );
});

Deno.test("toSubrequestContext() removes headers with credentials or of a connection", () => {
  const headers = {
    authorization: "Bearer x",
    cookie: "a=b",
    host: "localhost",
    forwarded: "for=127.0.0.1",
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
    "x-meta-kept": "1",
  };
  const call = toSubrequestContext(
    { kind: "machine", request: request("/x", { headers }), depth: 1 },
    OWN,
  );
  assertEquals([...call.request.headers.keys()], ["x-meta-kept"]);
});

Deno.test("toSubrequestContext() throws 401 once the caller's credential is not valid any more", () => {
  const call = { kind: "caller", authority: T3, request: request("/home/x"), depth: 1 } as const;
  isCurrent = false;
  assertThrows(() => toSubrequestContext(call, OWN), { type: "unauthorized" });
  // The plugin's grants do not end with the caller's credential.
  const own = { kind: "machine", request: request("/x"), depth: 1 } as const;
  assertStrictEquals(toSubrequestContext(own, OWN).caller, OWN.machine);
  isCurrent = true;
});

Deno.test("toSubrequestContext() refuses LOCK on behalf of the caller", () => {
  const lock = { method: "LOCK" };
  const call = {
    kind: "caller",
    authority: T3,
    request: request("/dav/x", lock),
    depth: 1,
  } as const;
  assertThrows(() => toSubrequestContext(call, OWN), { type: "forbidden" });
});

Deno.test("answerSubrequest() answers with the gate's problem without dispatching", async () => {
  const dispatched: RequestContext[] = [];
  const dispatch = (context: RequestContext) => {
    dispatched.push(context);
    return Promise.resolve(new Response("fine"));
  };
  const answer = (subrequest: Request) =>
    answerSubrequest({ kind: "machine", request: subrequest, depth: 1 }, OWN, dispatch);
  const rows: [Request, number][] = [
    [request("//x"), 400],
    [request("/a%2fb"), 400],
    [request("/%ff"), 400],
    [request("/a%5Cb"), 400],
    [request(`/${"x".repeat(9000)}`), 414],
    [request("/x", { method: "BREW" }), 501],
    [request("/x", { method: "get" }), 200],
  ];
  for (const [subrequest, status] of rows) {
    assertStrictEquals((await answer(subrequest)).status, status, subrequest.url.slice(0, 40));
  }
  assertEquals(dispatched.length, 1);
  const text = await answer(request("//x", { headers: { accept: "text/plain" } }));
  assertMatch(await text.text(), /^400 .*empty segment/s);
});
