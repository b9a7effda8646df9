/** The readers of JSON of the shell, which need no browser. */

import { assertEquals } from "../support/assert.ts";
import {
  parseJson,
  readCaller,
  readDeleted,
  readListing,
  readPluginState,
  readRoutes,
  readRows,
  readStatus,
} from "../../shell/answers.js";

const ODD: readonly unknown[] = [
  null,
  undefined,
  true,
  7,
  NaN,
  "text",
  [],
  [null],
  [[]],
  {},
  { name: null },
  { name: {}, version: "1", dir: "yes" },
  { length: 1e9 },
  { __proto__: null },
  JSON.parse('{"__proto__":{"name":"x"},"constructor":1,"toString":2}'),
];
const READERS = {
  readCaller,
  readDeleted,
  readListing,
  readPluginState,
  readRoutes,
  readRows,
  readStatus,
};

Deno.test("the readers of the shell throw for no value, and return no member of another kind", () => {
  for (const [name, read] of Object.entries(READERS)) {
    for (const value of ODD) {
      const found = read(value);
      const rows: unknown[] = Array.isArray(found) ? found : found === undefined ? [] : [found];
      for (const row of rows) {
        for (const member of ["name", "version", "dir", "routes", "permissions", "toString"]) {
          const isOwn = Object.hasOwn(Object(row), member);
          assertEquals(isOwn, false, `${name} ${JSON.stringify(value)} ${member}`);
        }
      }
    }
  }
});

Deno.test("readRows() and readRoutes() leave out every entry that is not a row", () => {
  const row = { name: "x", dir: true, version: 1 };
  assertEquals(readRows([null, row, 7, { dir: true }, { name: 1 }]), [row]);
  assertEquals(readRows({ 0: row }), undefined);
  const routes = [{ route: "/a" }, { route: "//e.com/" }, { route: "javascript:x" }, null];
  assertEquals(readRoutes(routes), [{ route: "/a" }]);
});

Deno.test("readListing() reads a listing only if every entry is a row", () => {
  assertEquals(readListing([{ name: "x" }]), [{ name: "x" }]);
  assertEquals(readListing([{ route: "/x", description: "d" }]), [{
    route: "/x",
    description: "d",
  }]);
  for (const value of [[1, 2], [{ name: "x" }, null], [{ route: 7 }], { name: "x" }, "x", null]) {
    assertEquals(readListing(value), undefined, JSON.stringify(value));
  }
});

Deno.test("readPluginState() keeps what a plugin requests, and drops malformed members", () => {
  const state = {
    state: "active",
    up: true,
    routes: ["/x", null],
    permissions: { net: ["a"], read: null },
    grants: { "/home/": "rw", "/etc/": 7 },
    health: { state: "ready", crashes: "many", resident_kib: 2048 },
    asks: { digest: "d", routes: ["/x"] },
  };
  assertEquals(readPluginState(state), {
    ...state,
    routes: ["/x"],
    permissions: { net: ["a"] },
    grants: { "/home/": "rw" },
    health: { state: "ready", resident_kib: 2048 },
  });
  assertEquals(readPluginState({ routes: null, asks: {} }), {});
});

Deno.test("parseJson() returns undefined for text that is not JSON", () => {
  for (const text of ["", "{", "nul"]) assertEquals(parseJson(text), undefined, text);
  assertEquals(parseJson("[1]"), [1]);
});
