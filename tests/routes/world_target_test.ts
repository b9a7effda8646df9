import { assertEquals, assertThrows } from "../support/assert.ts";
import { LOCAL } from "../../lib/auth/authenticate.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { Problem, type ProblemType } from "../../lib/http/problem.ts";
import type { RequestContext } from "../../lib/request/request_context.ts";
import { allowedMethods, assertWorldTarget } from "../../lib/routes/world_target.ts";

function contextOf(path: string): RequestContext {
  const request = new Request("http://localhost/", { method: "PUT" });
  return { request, target: parseTarget(`http://localhost${path}`), caller: LOCAL };
}

Deno.test("allowedMethods() depends on whether the path is a namespace, a collection or a world", () => {
  assertEquals(allowedMethods(contextOf("/home")).join(" "), "GET HEAD OPTIONS");
  assertEquals(allowedMethods(contextOf("/home/")).join(" "), "GET HEAD OPTIONS");
  assertEquals(allowedMethods(contextOf("/home/x/")).join(" "), "GET HEAD DELETE MOVE OPTIONS");
  assertEquals(
    allowedMethods(contextOf("/home/x")).join(" "),
    "GET HEAD PUT POST PATCH DELETE MOVE OPTIONS",
  );
});

Deno.test("assertWorldTarget() accepts worlds only, and one segment below /lib", () => {
  const rows: readonly (readonly [path: string, type: ProblemType])[] = [
    ["/home", "method-not-allowed"],
    ["/home/x/", "method-not-allowed"],
    ["/lib/a/b", "bad-name"],
  ];
  for (const [path, type] of rows) {
    assertThrows(
      () => assertWorldTarget(contextOf(path)),
      (error: unknown) => error instanceof Problem && error.type === type,
      path,
    );
  }
  for (const path of ["/home/x", "/home/x/y", "/lib/a"]) assertWorldTarget(contextOf(path));
});
