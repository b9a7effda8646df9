import { assertEquals } from "../support/assert.ts";
import { toJobCaller } from "../../lib/request/job_caller.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import type { RequestContext } from "../../lib/request/request_context.ts";

function contextOf(caller: Caller, hostname?: string): RequestContext {
  const remoteAddr = { transport: "tcp" as const, hostname: hostname ?? "", port: 1 };
  return {
    request: new Request("http://localhost/proc/audit/home/x"),
    target: { path: "/", name: "", query: "", isCollection: false } as RequestContext["target"],
    caller,
    ...(hostname === undefined ? {} : { connection: { remoteAddr, completed: Promise.resolve() } }),
  };
}

Deno.test("toJobCaller() counts by credential, and by address without one", () => {
  const clientOf = (caller: Caller, hostname?: string) =>
    toJobCaller(contextOf(caller, hostname)).client;
  const anonymous: Caller = { tier: "T1", by: "T1" };
  const user: Caller = { tier: "T2", by: "user:ada", authenticated: true };
  assertEquals(clientOf(anonymous, "10.0.0.1") === clientOf(anonymous, "10.0.0.2"), false);
  assertEquals(clientOf(anonymous, "10.0.0.1"), clientOf(anonymous, "10.0.0.1"));
  assertEquals(clientOf(user, "10.0.0.1"), clientOf(user, "10.0.0.2"));
  assertEquals(clientOf(user), "user:ada");
});
