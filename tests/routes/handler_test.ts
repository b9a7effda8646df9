import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import { LOCAL } from "../../lib/auth/authenticate.ts";
import type { Exchange } from "../../lib/request/request_context.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { Problem, type ProblemType } from "../../lib/http/problem.ts";
import { onlyMethods, restOf, routeApp } from "../../lib/routes/handler.ts";

function exchange(method: string, target: string): Exchange {
  const request = new Request("http://elsewhere/entirely", { method });
  return { request, target: parseTarget(`http://localhost${target}`), caller: LOCAL };
}

function app() {
  const routes = routeApp();
  routes.get("/café/*", ({ env }) => new Response(restOf(env, "/café/")));
  routes.all("/café/*", onlyMethods("GET, HEAD"));
  routes.get("/fails", () => {
    throw new TypeError("of our own making");
  });
  return async (method: string, target: string) => {
    const sent = exchange(method, target);
    return await routes.fetch(sent.request, sent);
  };
}

async function refused(asked: Promise<Response>, type: ProblemType, headers = {}): Promise<void> {
  await rejects(asked, (error: unknown) => {
    deepStrictEqual(error instanceof Problem && [error.type, error.headers], [type, headers]);
    return true;
  });
}

Deno.test("routeApp() routes by the canonical path of the exchange and never by the URL", async () => {
  const ask = app();
  equal(await (await ask("GET", "/caf%C3%A9/home/x%20y?raw")).text(), "home/x y");
  equal(await (await ask("GET", "/cafe%CC%81/x")).text(), "x");
  await refused(ask("GET", "/entirely"), "not-found");
});

Deno.test("routeApp() lets what is thrown go on to the edge", async () => {
  await rejects(app()("GET", "/fails"), TypeError);
});

Deno.test("onlyMethods() refuses the others and names its own", async () => {
  const ask = app();
  await refused(ask("PUT", "/caf%C3%A9/x"), "method-not-allowed", { allow: "GET, HEAD, OPTIONS" });
  const options = await ask("OPTIONS", "/caf%C3%A9/x");
  deepStrictEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
});

Deno.test("restOf() is what follows the route in the canonical path", () => {
  equal(restOf(exchange("GET", "/proc/audit/home/caf%C3%A9"), "/proc/audit/"), "home/café");
  equal(restOf(exchange("GET", "/proc/audit/home/x/"), "/proc/audit/"), "home/x");
});
