import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { RouteTable } from "../../../lib/plugin/host/route_table.ts";

Deno.test("RouteTable.match() finds a route for its path and everything below it, by whole segments", () => {
  const table = new RouteTable<string>();
  assertEquals(table.match("/a"), undefined);
  table.add("/a", "A");
  assertEquals(table.match("/a"), { route: "/a", owner: "A" });
  assertEquals(table.match("/a/b/c/d/e"), { route: "/a", owner: "A" });
  for (const path of ["/", "/ab", "/b/a", "a", "", "/A"]) {
    assertEquals(table.match(path), undefined, path);
  }
});

Deno.test("RouteTable.match() returns the longest matching route", () => {
  const table = new RouteTable<string>();
  table.add("/a", "A");
  table.add("/a/b/c", "C");
  assertEquals(table.match("/a/b")?.owner, "A");
  assertEquals(table.match("/a/b/c/x")?.owner, "C");
  assertEquals(table.match("/a/b/cx")?.owner, "A");
  table.delete("/a");
  assertEquals(table.match("/a/b"), undefined);
  assertEquals(table.match("/a/b/c")?.owner, "C");
});

Deno.test("RouteTable.delete() removes a route, entries() is sorted, and __proto__ does not match", () => {
  const table = new RouteTable<string>();
  table.add("/b", "B");
  table.add("/a/x", "X");
  assertEquals(table.entries(), [["/a/x", "X"], ["/b", "B"]]);
  assertEquals(table.get("/b"), "B");
  assertEquals(table.get("/constructor"), undefined);
  assertEquals(table.match("/__proto__/x"), undefined);
  table.delete("/b");
  table.delete("/a/x");
  table.delete("/never");
  assertEquals(table.match("/b"), undefined);
  assertEquals(table.entries(), []);
});

Deno.test("RouteTable.match() returns the same as a simple search for random paths", () => {
  const names = ["a", "b", "ab"];
  const paths: string[] = [""];
  for (let depth = 0; depth < 4; depth++) {
    for (const path of [...paths]) for (const name of names) paths.push(`${path}/${name}`);
  }
  const routes = ["/a", "/a/b/a", "/ab", "/b/ab"];
  const table = new RouteTable<number>();
  for (const [at, route] of routes.entries()) table.add(route, at);
  for (const path of new Set(paths)) {
    const plain = routes.filter((route) => path === route || path.startsWith(`${route}/`))
      .sort((a, b) => b.length - a.length)[0];
    assertStrictEquals(table.match(path)?.route, plain, path);
  }
});

Deno.test("RouteTable.wasRoute() remembers removed routes until they are added again", () => {
  const table = new RouteTable<string>();
  assertEquals(table.wasRoute("/a"), false);
  table.add("/a/b", "A");
  assertEquals(table.wasRoute("/a/b"), false);
  table.delete("/a/b");
  table.delete("/never");
  assertEquals(
    ["/a/b", "/a/b/c", "/a", "/a/bc", "/never", "/"].map((path) => table.wasRoute(path)),
    [
      true,
      true,
      false,
      false,
      false,
      false,
    ],
  );
  table.add("/a/b", "B");
  assertEquals(table.wasRoute("/a/b"), false);
});
