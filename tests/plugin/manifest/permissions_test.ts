import { assert, assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { ManifestError } from "../../../lib/plugin/manifest/manifest.ts";
import { limitPermissions, parsePermissions } from "../../../lib/plugin/manifest/permissions.ts";

Deno.test("parsePermissions() reads hosts, folders and variables", () => {
  assertEquals(
    parsePermissions({
      net: ["API.example.com", "localhost:8080", "[::1]:9", "10.0.0.1"],
      read: ["/srv/a/", "/home/ada"],
      write: ["/srv/a/b"],
      env: ["OPENAI_API_KEY"],
    }),
    {
      net: ["api.example.com", "localhost:8080", "[::1]:9", "10.0.0.1"],
      read: ["/srv/a", "/home/ada"],
      write: ["/srv/a/b"],
      env: ["OPENAI_API_KEY"],
    },
  );
  assertEquals(parsePermissions({}), { net: [], read: [], write: [], env: [] });
});

Deno.test("parsePermissions() refuses wildcards, unknown permissions and forbidden names", () => {
  const bad: [string, unknown][] = [
    ["permissions", null],
    ["permissions", "all"],
    ["permissions", true],
    ["permissions.run", { run: ["ls"] }],
    ["permissions.ffi", { ffi: [] }],
    ["permissions.sys", { sys: true }],
    ["permissions.import", { import: ["x"] }],
    ["permissions.all", { all: true }],
    ["permissions.net", { net: true }],
    ["permissions.net", { net: ["*"] }],
    ["permissions.net", { net: ["*.example.com"] }],
    ["permissions.net", { net: ["https://example.com"] }],
    ["permissions.net", { net: ["example.com/x"] }],
    ["permissions.net", { net: ["example.com:0"] }],
    ["permissions.net", { net: ["example.com:70000"] }],
    ["permissions.net", { net: ["a,b"] }],
    ["permissions.net", { net: [""] }],
    ["permissions.net", { net: ["10.0.0.0/8"] }],
    ["permissions.net", { net: ["--allow-all"] }],
    ["permissions.net", { net: Array(65).fill("a") }],
    ["permissions.read", { read: true }],
    ["permissions.read", { read: ["/"] }],
    ["permissions.read", { read: ["C:/"] }],
    ["permissions.read", { read: ["."] }],
    ["permissions.read", { read: ["a/b"] }],
    ["permissions.read", { read: ["/a/../b"] }],
    ["permissions.read", { read: ["/a//b"] }],
    ["permissions.read", { read: ["/proc"] }],
    ["permissions.read", { read: ["/proc/self"] }],
    ["permissions.read", { read: ["/a\u0000"] }],
    ["permissions.write", { write: ["/srv"] }],
    ["permissions.write", { read: ["/srv/a"], write: ["/srv"] }],
    ["permissions.write", { read: ["/srv/a"], write: ["/srv/ab"] }],
    ["permissions.env", { env: ["*"] }],
    ["permissions.env", { env: ["ELASTIK_APPROVE_TOKEN"] }],
    ["permissions.env", { env: ["DENO_AUTH_TOKENS"] }],
    ["permissions.env", { env: ["A=B"] }],
  ];
  for (const [field, value] of bad) {
    assertThrows(() => parsePermissions(value), (error) => {
      assert(error instanceof ManifestError, JSON.stringify(value));
      assertStrictEquals(error.field, field, JSON.stringify(value));
      return true;
    });
  }
});

Deno.test("limitPermissions() keeps what was approved and names what was not", () => {
  const approved = parsePermissions({
    net: ["a.example", "b.example:443"],
    read: ["/srv", "/data"],
    write: ["/data"],
    env: ["HOME"],
  });
  const rows: [requested: Record<string, string[]>, refused: string[]][] = [
    [{}, []],
    [{ net: ["a.example:80"], read: ["/srv"], env: ["HOME"] }, []],
    [{ net: ["b.example"] }, ["net b.example"]],
    [{ net: ["b.example:80", "c.example"] }, ["net b.example:80", "net c.example"]],
    // A path below an approved folder could be a symlink to another place.
    [{ read: ["/srv/x", "/"].slice(0, 1) }, ["read /srv/x"]],
    [{ read: ["/srv"], write: ["/srv"] }, ["write /srv"]],
    [{ read: ["/data"], write: ["/data"] }, []],
    [{ env: ["HOME", "PATH"] }, ["env PATH"]],
  ];
  for (const [requested, refused] of rows) {
    const found = limitPermissions(parsePermissions(requested), approved);
    assertEquals([...found.refused], refused, JSON.stringify(requested));
    for (const field of ["net", "read", "write", "env"] as const) {
      const kept = (requested[field] ?? []).filter((entry) =>
        !refused.includes(`${field} ${entry}`)
      );
      assertEquals([...found.permissions[field]], kept, field);
    }
  }
});
