import { assertEquals, assertThrows } from "../support/assert.ts";
import { LOCAL } from "../../lib/auth/authenticate.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { Problem } from "../../lib/http/problem.ts";
import { flagParameter } from "../../lib/http/query_parameters.ts";
import type { RequestContext } from "../../lib/request/request_context.ts";
import { createMethodProblem, handleMethods } from "../../lib/routes/handler.ts";

function contextOf(method: string, target: string): RequestContext {
  const request = new Request("http://elsewhere/entirely", { method });
  return { request, target: parseTarget(`http://localhost${target}`), caller: LOCAL };
}

const NONE = { methods: {} };
const text = (body: string) => () => new Response(body);

Deno.test("handleMethods() calls the handler of the method, and GET for HEAD", async () => {
  const handler = handleMethods({ GET: text("read"), POST: text("added") }, NONE);
  assertEquals(await (await handler(contextOf("GET", "/x"))).text(), "read");
  assertEquals(await (await handler(contextOf("HEAD", "/x"))).text(), "read");
  assertEquals(await (await handler(contextOf("POST", "/x"))).text(), "added");
});

Deno.test("handleMethods() answers synchronously if the handler does", () => {
  assertEquals(
    handleMethods({ GET: text("read") }, NONE)(contextOf("GET", "/x")) instanceof Response,
    true,
  );
});

Deno.test("handleMethods() answers OPTIONS with the methods that the caller may use, or with the handler given for it", async () => {
  const options = await handleMethods({ GET: text(""), POST: text("") }, NONE)(
    contextOf("OPTIONS", "/x"),
  );
  assertEquals([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
  const inHome = await handleMethods({ GET: text(""), POST: text("") }, NONE)(
    contextOf("OPTIONS", "/home/x"),
  );
  assertEquals(inHome.headers.get("allow"), "GET, HEAD, POST, OPTIONS");
  const own = await handleMethods({ GET: text(""), OPTIONS: text("mine") }, NONE)(
    contextOf("OPTIONS", "/x"),
  );
  assertEquals(await own.text(), "mine");
});

Deno.test("handleMethods() throws method-not-allowed for other methods, with Allow", () => {
  const handler = handleMethods(
    { GET: text("") },
    NONE,
    ({ target }) => target.isCollection ? ["GET"] : ["GET", "PUT"],
  );
  for (
    const [path, allow] of [["/home/x/", "GET"], ["/home/x", "GET, PUT"], [
      "/etc/x",
      "GET",
    ]] as const
  ) {
    assertThrows(() => handler(contextOf("PATCH", path)), (error: unknown) => {
      assertEquals(error instanceof Problem && [error.type, error.headers], [
        "method-not-allowed",
        { allow },
      ]);
      return true;
    });
  }
});

Deno.test("handleMethods() ignores methods of the object's prototype", () => {
  assertThrows(
    () => handleMethods({ GET: text("") }, NONE)(contextOf("constructor", "/x")),
    Problem,
  );
});

Deno.test("createMethodProblem() names the path as it was requested", () => {
  const detail = (target: string) => createMethodProblem(contextOf("PUT", target), ["GET"]).detail;
  assertEquals(detail("/home/x/"), "Cannot PUT /home/x/: allowed methods are GET");
  assertEquals(detail("/"), "Cannot PUT /: allowed methods are GET");
});

Deno.test("handleMethods() refuses a query that the method does not take, before the handler", async () => {
  const calls: string[] = [];
  const handler = handleMethods(
    {
      GET: ({ request }) => {
        calls.push(request.method);
        return new Response("read");
      },
      OPTIONS: text("mine"),
    },
    ({ target }) => target.isCollection ? NONE : { methods: { GET: [flagParameter("raw")] } },
  );
  for (
    const [method, target] of [["GET", "/x/?raw"], ["GET", "/x?rwa"], ["HEAD", "/x?rwa"]] as const
  ) {
    assertThrows(
      () => handler(contextOf(method, target)),
      (error: unknown) => error instanceof Problem && error.type === "bad-query",
    );
  }
  assertEquals(calls, []);
  await handler(contextOf("GET", "/x?raw"));
  await handler(contextOf("HEAD", "/x?raw"));
  assertEquals(calls, ["GET", "HEAD"]);
  // A method that the route does not support is the more important fault.
  assertThrows(
    () => handler(contextOf("PUT", "/x?rwa")),
    (error: unknown) => error instanceof Problem && error.type === "method-not-allowed",
  );
  assertEquals(await (await handler(contextOf("OPTIONS", "/x?rwa"))).text(), "mine");
});
