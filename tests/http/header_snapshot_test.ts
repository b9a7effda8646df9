import { assertEquals } from "../support/assert.ts";
import { HeaderSnapshot } from "../../lib/http/header_snapshot.ts";

Deno.test("HeaderSnapshot has the values and names of the headers that it copies", () => {
  const headers = new Headers([["Accept", "a"], ["accept", "b"], ["X-Empty", ""], ["Host", "h"]]);
  const snapshot = new HeaderSnapshot(headers);
  for (const name of ["accept", "x-empty", "host", "origin", "constructor", "__proto__"]) {
    assertEquals(snapshot.get(name), headers.get(name), name);
    assertEquals(snapshot.has(name), headers.has(name), name);
  }
  const names: [string, string][] = [];
  snapshot.forEach((value, name) => names.push([name, value]));
  assertEquals(names.sort(), [...headers].sort());
  headers.set("host", "other");
  assertEquals(snapshot.get("host"), "h");
});
