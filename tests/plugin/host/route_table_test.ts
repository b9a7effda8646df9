import { deepStrictEqual, equal } from "node:assert/strict";
import { RouteTable } from "../../../lib/plugin/host/route_table.ts";

Deno.test("RouteTable.match() finds a route for its path and everything below it, by whole segments", () => {
  const table = new RouteTable<string>();
  equal(table.match("/a"), undefined);
  table.add("/a", "A");
  deepStrictEqual(table.match("/a"), { route: "/a", owner: "A" });
  deepStrictEqual(table.match("/a/b/c/d/e"), { route: "/a", owner: "A" });
  for (const path of ["/", "/ab", "/b/a", "a", "", "/A"]) equal(table.match(path), undefined, path);
});

Deno.test("RouteTable.match() returns the longest matching route", () => {
  const table = new RouteTable<string>();
  table.add("/a", "A");
  table.add("/a/b/c", "C");
  equal(table.match("/a/b")?.owner, "A");
  equal(table.match("/a/b/c/x")?.owner, "C");
  equal(table.match("/a/b/cx")?.owner, "A");
  table.delete("/a");
  equal(table.match("/a/b"), undefined);
  equal(table.match("/a/b/c")?.owner, "C");
});

Deno.test("RouteTable.delete() removes a route, entries() is sorted, and __proto__ does not match", () => {
  const table = new RouteTable<string>();
  table.add("/b", "B");
  table.add("/a/x", "X");
  deepStrictEqual(table.entries(), [["/a/x", "X"], ["/b", "B"]]);
  equal(table.get("/b"), "B");
  equal(table.get("/constructor"), undefined);
  equal(table.match("/__proto__/x"), undefined);
  table.delete("/b");
  table.delete("/a/x");
  table.delete("/never");
  equal(table.match("/b"), undefined);
  deepStrictEqual(table.entries(), []);
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
    equal(table.match(path)?.route, plain, path);
  }
});
