import { assertEquals, assertStrictEquals, assertThrows } from "../support/assert.ts";
import { ANONYMOUS, LOCAL } from "../../lib/auth/authenticate.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { Problem } from "../../lib/http/problem.ts";
import type { ParametersByMethod } from "../../lib/http/query_parameters.ts";
import type { RequestContext } from "../../lib/request/request_context.ts";
import {
  assertQuery,
  ROUTE_QUERIES,
  streamQueryOf,
  worldQueryOf,
} from "../../lib/request/route_query.ts";
import { lowerWorlds } from "../../worlds/mod.ts";

function contextOf(method: string, path: string, caller = LOCAL, accept = ""): RequestContext {
  const request = new Request("http://elsewhere/entirely", { method, headers: { accept } });
  return { request, target: parseTarget(`http://localhost${path}`), caller };
}

function problemOf(act: () => void): Problem {
  let thrown: unknown;
  assertThrows(act, (error: unknown) => {
    thrown = error;
    return error instanceof Problem;
  });
  // `assertThrows` above checks the class.
  return thrown as Problem;
}

Deno.test("worldQueryOf() distinguishes worlds from collections and namespaces", () => {
  const kindOf = (path: string) => worldQueryOf(contextOf("GET", path));
  assertStrictEquals(kindOf("/home/x?raw"), ROUTE_QUERIES.world);
  assertStrictEquals(kindOf("/home/x/?raw"), ROUTE_QUERIES.collection);
  assertStrictEquals(kindOf("/home?raw"), ROUTE_QUERIES.collection);
});

Deno.test("streamQueryOf() distinguishes streams of worlds from streams of collections", () => {
  const kindOf = (path: string) => streamQueryOf(contextOf("GET", path));
  for (const path of ["/stream", "/stream/", "/stream/home", "/stream/home/x/", "/stream/x/"]) {
    assertStrictEquals(kindOf(path), ROUTE_QUERIES.collectionStream, path);
  }
  for (const path of ["/stream/home/x", "/stream/x", "/stream/etc/hosts"]) {
    assertStrictEquals(kindOf(path), ROUTE_QUERIES.worldStream, path);
  }
});

Deno.test("assertQuery() throws bad-query with method and path as they were sent", () => {
  const { world, collection } = ROUTE_QUERIES;
  const detail = (method: string, path: string, route: typeof world | typeof collection) =>
    problemOf(() => assertQuery(contextOf(method, path), route)).detail;
  assertEquals(
    detail("PUT", "/home/x?at=1", world),
    "Cannot PUT /home/x: ?at is for GET; PUT takes ?ext, ?from and ?trash",
  );
  assertEquals(
    detail("GET", "/home/x/?at=1", collection),
    "Cannot GET /home/x/: ?at is for GET of worlds; GET takes ?deep, ?sort, ?since, ?limit, ?after " +
      "and ?contents",
  );
  assertEquals(detail("HEAD", "/home/x?q", world), detail("GET", "/home/x?q", world));
});

Deno.test("assertQuery() lets requests without a query, page requests and OPTIONS through", () => {
  const { world } = ROUTE_QUERIES;
  assertQuery(contextOf("DELETE", "/home/x"), world);
  assertQuery(contextOf("DELETE", "/home/x?"), world);
  assertQuery(contextOf("GET", "/home/x?utm_source=mail", LOCAL, "text/html,*/*;q=0.8"), world);
  assertQuery(contextOf("OPTIONS", "/home/x?utm_source=mail"), world);
  assertEquals(
    problemOf(() => assertQuery(contextOf("PUT", "/home/x?at=1", LOCAL, "text/html"), world))
      .type,
    "bad-query",
  );
});

Deno.test("assertQuery() tells a caller first that it may not make the request at all", () => {
  const { none, world, log, mint, worldStream } = ROUTE_QUERIES;
  const rows = [
    ["GET", "/boot/env?x", world, "unauthorized"],
    ["PUT", "/home/x?x", world, "unauthorized"],
    ["DELETE", "/home/x?x", world, "unauthorized"],
    ["GET", "/proc/log/boot/env?x", log, "unauthorized"],
    ["GET", "/stream/boot/env?x", worldStream, "unauthorized"],
    ["PUT", "/dav/home/x?x", none, "unauthorized"],
    ["POST", "/auth/mint?x", mint, "unauthorized"],
    ["GET", "/home/x?x", world, "bad-query"],
    ["GET", "/proc/log/home/x?x", log, "bad-query"],
    ["GET", "/proc/log/nothing?x", log, "bad-query"],
    ["GET", "/stream/x?x", worldStream, "bad-query"],
  ] as const;
  for (const [method, path, route, type] of rows) {
    const { type: found } = problemOf(() => assertQuery(contextOf(method, path, ANONYMOUS), route));
    assertEquals([method, path, found], [method, path, type]);
  }
});

Deno.test("http.md lists the parameters of worlds with their methods", () => {
  const page = lowerWorlds["usr/share/doc/http.md"] ?? "";
  const rows = [...page.matchAll(/^\| `\?(\w+)[^|]*` *\| ([A-Z, ]+?) *\|/gm)]
    .map(([, name, methods]) => `${name}: ${methods}`);
  assertEquals(rows.sort(), documented(ROUTE_QUERIES.world.methods));
});

/** `name: METHODS` of every parameter that is not hidden. */
function documented(methods: ParametersByMethod): string[] {
  const byName = new Map<string, string[]>();
  for (const [method, parameters] of Object.entries(methods)) {
    for (const { name, hidden } of parameters) {
      if (hidden !== true) byName.set(name, [...byName.get(name) ?? [], method]);
    }
  }
  return [...byName].map(([name, of]) => `${name}: ${of.join(", ")}`).sort();
}
