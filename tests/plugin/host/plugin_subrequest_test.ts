import {
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import type { RequestContext } from "../../../lib/request/request_context.ts";
import {
  answerSubrequest,
  createPluginCaller,
  toSubrequestContext,
} from "../../../lib/plugin/host/plugin_subrequest.ts";

const OWN = createPluginCaller("p", { "/var/x/": "rw" });
const T3: Caller = { tier: "T3", by: "T3", authenticated: true };
const request = (path: string, init?: RequestInit) => new Request(`http://machine${path}`, init);

Deno.test("createPluginCaller() returns a frozen caller of tier T1", () => {
  assertEquals({ ...OWN }, {
    tier: "T1",
    by: "plugin:p",
    authenticated: true,
    grants: { "/var/x/": "rw" },
  });
  assertThrows(() => Object.assign(OWN, { tier: "T3" }), TypeError);
});

Deno.test("toSubrequestContext() uses the caller's authority for env.caller and the plugin's for env.machine", () => {
  const subrequest = request("/home/x?raw", { headers: { accept: "text/plain" } });
  const call = toSubrequestContext(
    { kind: "caller", authority: T3, request: subrequest, depth: 2 },
    OWN,
    0,
  );
  assertStrictEquals(call.caller, T3);
  assertEquals(call.depth, 2);
  assertEquals(call.connection, undefined);
  assertEquals(call.target, {
    path: "/home/x",
    name: "home/x",
    isCollection: false,
    query: "raw",
  });
  assertStrictEquals(
    toSubrequestContext({ kind: "machine", request: subrequest, depth: 1 }, OWN, 0).caller,
    OWN,
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
    0,
  );
  assertEquals([...call.request.headers.keys()], ["x-meta-kept"]);
});

Deno.test("toSubrequestContext() throws 401 from the expiry of the caller's capability", () => {
  const scope = { prefixes: ["/home"], mode: "r", exp: 100, root: "/home|100|r" } as const;
  const authority: Caller = { tier: "T2", by: "cap:/home", authenticated: true, scope };
  const call = { kind: "caller", authority, request: request("/home/x"), depth: 1 } as const;
  assertStrictEquals(toSubrequestContext(call, OWN, 99_999).caller, authority);
  assertThrows(() => toSubrequestContext(call, OWN, 100_000), { type: "unauthorized" });
  // The plugin's grants do not expire with the caller's capability.
  assertStrictEquals(
    toSubrequestContext({ kind: "machine", request: request("/x"), depth: 1 }, OWN, 1e15).caller,
    OWN,
  );
});

Deno.test("answerSubrequest() answers with the gate's problem without dispatching", async () => {
  const dispatched: RequestContext[] = [];
  const dispatch = (context: RequestContext) => {
    dispatched.push(context);
    return Promise.resolve(new Response("fine"));
  };
  const answer = (subrequest: Request) =>
    answerSubrequest({ kind: "machine", request: subrequest, depth: 1 }, OWN, 0, dispatch);
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
