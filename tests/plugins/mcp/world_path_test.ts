import { assert, assertEquals } from "../../support/assert.ts";
import { MAX_PATH_CHARS } from "../../../plugins/mcp/limits.ts";
import { readPath, readUri, urlPath, worldUri } from "../../../plugins/mcp/world_path.ts";

Deno.test("readPath() reads paths of worlds and collections in every spelling of a tool", () => {
  const rows: [given: string, name: string, isCollection: boolean][] = [
    ["/home/x", "home/x", false],
    ["home/x", "home/x", false],
    ["/home/a b/ü", "home/a b/ü", false],
    ["/home/u\u0308", "home/\u00fc", false],
    ["/home/x/", "home/x", true],
    ["/home", "home", true],
    ["/", "", true],
    ["", "", true],
    ["elastik:///home/a%20b", "home/a b", false],
    ["/home/100%25", "home/100%25", false],
  ];
  for (const [given, name, isCollection] of rows) {
    assertEquals(readPath(given), { name, isCollection }, given);
  }
});

Deno.test("readPath() refuses everything that is not below a namespace of worlds", () => {
  for (
    const given of [
      "http://evil.example/home/x",
      "https://evil.example",
      "//evil.example/home/x",
      "/home//x",
      "/home/../etc/shadow",
      "/home/./x",
      "/home/x/..",
      "..",
      "/proc/worlds",
      "/auth/mint",
      "/mcp",
      "/dev/gpu",
      "/mnt/docs/x",
      "/dav/home/x",
      "/home/x?raw",
      "/home/x\u0000",
      "/home/x\r\nHost: evil",
      "/home/a\\b",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "elastik://evil.example/home/x",
      "elastik:///home/x?raw",
      "elastik:///home/x#a",
      "elastik:///home/%ff",
      "elastik:///home/%2e%2e/etc/shadow",
      "elastik:///proc/worlds",
      "\ud800",
    ]
  ) {
    assert("fault" in readPath(given), JSON.stringify(given));
  }
});

Deno.test("readPath() and readUri() refuse what is longer than a path can be", () => {
  const long = `/home/${"x".repeat(MAX_PATH_CHARS)}`;
  assert("name" in readPath(long.slice(0, MAX_PATH_CHARS)));
  const fault = { fault: `it has more than ${MAX_PATH_CHARS} characters` };
  assertEquals(readPath(long.slice(0, MAX_PATH_CHARS + 1)), fault);
  assertEquals(readUri(`elastik://${long}`), fault);
});

Deno.test("urlPath() writes a path that cannot leave the server", () => {
  for (const given of ["/home/a b#c", "home/ü/", "/", "/home/100%25", "/home/@evil.example"]) {
    const path = readPath(given);
    if ("fault" in path) throw new Error(path.fault);
    const { origin, pathname, search, hash } = new URL(urlPath(path), "http://machine");
    assertEquals([origin, search, hash], ["http://machine", "", ""], given);
    assertEquals(decodeURIComponent(pathname).replace(/^\/|\/$/g, ""), path.name);
    assertEquals(pathname.endsWith("/"), path.isCollection);
  }
});

Deno.test("worldUri() is read back by readUri()", () => {
  for (const name of ["home/x", "home/a b/ü?", "usr/share/doc/100%"]) {
    if (name.includes("?")) continue; // no world has such a name
    assertEquals(readUri(worldUri(name)), { name, isCollection: false });
  }
  assert("fault" in readUri("/home/x"));
});
