import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { foreignOriginFault } from "../../lib/http/origin.ts";

const HOST = "localhost:3005";
const UNSAFE = [
  "PUT",
  "POST",
  "DELETE",
  "PATCH",
  "PROPFIND",
  "MKCOL",
  "MOVE",
  "LOCK",
  "put",
  "get",
];

Deno.test("foreignOriginFault() allows programs, which send neither header", () => {
  for (const method of UNSAFE) {
    assertEquals(foreignOriginFault(method, HOST, null, null), undefined);
  }
  assertEquals(foreignOriginFault("PUT", null, null, null), undefined);
});

Deno.test("foreignOriginFault() allows safe methods", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    assertEquals(foreignOriginFault(method, HOST, "https://evil.example", "cross-site"), undefined);
  }
});

Deno.test("foreignOriginFault() rejects unsafe methods from other sites by Fetch Metadata", () => {
  for (const method of UNSAFE) {
    for (
      const site of ["cross-site", "same-site", "", "Same-Origin", "none, cross-site", "new-value"]
    ) {
      const reason = foreignOriginFault(method, HOST, null, site);
      assertEquals(reason, `the browser sent Sec-Fetch-Site: ${site}`);
    }
  }
  // A matching Origin does not change that.
  assert(foreignOriginFault("PUT", HOST, `http://${HOST}`, "cross-site"));
});

Deno.test("foreignOriginFault() allows the server's own pages and the address bar", () => {
  for (const site of ["same-origin", "none", null]) {
    assertEquals(foreignOriginFault("PUT", HOST, `http://${HOST}`, site), undefined);
    assertEquals(foreignOriginFault("PUT", HOST, null, site), undefined);
  }
});

Deno.test("foreignOriginFault() rejects every Origin that differs from the Host", () => {
  const origins = [
    "null",
    "",
    "https://evil.example",
    "http://localhost",
    "http://localhost:3006",
    "http://localhost:30050",
    "http://127.0.0.1:3005",
    "http://localhost.evil.example:3005",
    "http://evil.example:3005",
    "http://xlocalhost:3005",
    "http://localhost:3005.evil.example",
    "http://localhost:3005@evil.example",
    "http://localhost:3005/",
    "http://localhost:3005/x",
    "http://localhost:3005, http://evil.example",
    "http://evil.example http://localhost:3005",
    "http://localhost:3005 ",
    "localhost:3005",
    "//localhost:3005",
    "http:localhost:3005",
    "ftp://localhost:3005",
    "file://localhost:3005",
    "chrome-extension://localhost:3005",
    "ws://localhost:3005",
    "HTTP://localhost:3005",
    "http://",
    "http://[::1]:3005",
  ];
  for (const origin of origins) {
    for (const site of ["same-origin", "none", null]) {
      const reason = foreignOriginFault("PUT", HOST, origin, site);
      assertMatch(reason ?? "", /does not match the Host/, JSON.stringify(origin));
    }
  }
});

Deno.test("foreignOriginFault() compares ports with the default of the Origin's scheme", () => {
  const rows: [host: string, origin: string, foreign: boolean][] = [
    ["box.example", "http://box.example", false],
    ["box.example", "https://box.example", false],
    ["box.example:443", "https://box.example", false],
    ["box.example:80", "http://box.example", false],
    ["box.example", "https://box.example:443", false],
    ["BOX.example", "https://box.EXAMPLE", false],
    ["[::1]:3005", "http://[::1]:3005", false],
    ["[FD00::A]", "http://[fd00::a]", false],
    ["box.example:80", "https://box.example", true],
    ["box.example:443", "http://box.example", true],
    ["box.example", "https://box.example:8443", true],
    ["box.example:8443", "https://box.example", true],
    ["box.example", "https://box.example.", true],
  ];
  for (const [host, origin, foreign] of rows) {
    assertStrictEquals(
      foreignOriginFault("PUT", host, origin, null) !== undefined,
      foreign,
      `${host} ${origin}`,
    );
  }
});

Deno.test("foreignOriginFault() rejects an Origin if the Host is missing or malformed", () => {
  for (const host of [null, "", "a, b", "localhost:3005, evil.example"]) {
    assert(
      foreignOriginFault("PUT", host, "http://localhost:3005", "same-origin"),
      String(host),
    );
  }
});

Deno.test("foreignOriginFault() quotes at most 100 characters of a header", () => {
  const long = foreignOriginFault("PUT", HOST, "http://" + "a".repeat(5000), null) ?? "";
  assert(long.length > 100 && long.length < 200, String(long.length));
  assert((foreignOriginFault("PUT", HOST, null, "x".repeat(5000)) ?? "").length < 200);
});
