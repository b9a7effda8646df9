import {
  assert,
  assertEquals,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { cronFault } from "../../../lib/plugin/manifest/cron_expression.ts";
import { ManifestError, parseManifest } from "../../../lib/plugin/manifest/manifest.ts";

const reserved = (path: string) => path === "/proc" ? "the core answers it" : undefined;
const read = (value: unknown) => parseManifest(value, reserved, cronFault);

Deno.test("parseManifest() sets defaults for absent fields", () => {
  assertEquals({ ...read({ routes: ["/x"] }), grants: {} }, {
    routes: ["/x"],
    auth: "T1",
    subject: false,
    config: [],
    grants: {},
    description: "",
    fallback: false,
    cron: [],
    on: [],
    kv: false,
  });
});

Deno.test("parseManifest() reads every field", () => {
  const found = read({
    routes: ["/dev/gpu", "/x/y"],
    auth: "T3",
    config: ["/etc/gpu.conf"],
    grants: { "/var/cache/x/": "rw", "/home": "r" },
    description: " one \n line ",
    fallback: true,
    kv: true,
    patience: 900,
  });
  assertEquals(found.kv, true);
  assertEquals(found.patience, 900);
  assertEquals({ ...found.grants }, { "/var/cache/x/": "rw", "/home": "r" });
  assertEquals(found.description, "one line");
  assertEquals(found.fallback, true);
  assertEquals(found.auth, "T3");
});

Deno.test("parseManifest() throws a ManifestError that names the invalid field", () => {
  const bad: [string, unknown][] = [
    ["manifest", null],
    ["subject", { routes: ["/x"], subject: 1 }],
    ["subject", { routes: ["/mnt/x"], subject: true }],
    ["manifest", [1]],
    ["routes", {}],
    ["routes", { routes: [] }],
    ["routes", { routes: "x" }],
    ["routes", { routes: [1] }],
    ["routes", { routes: ["x"] }],
    ["routes", { routes: ["/"] }],
    ["routes", { routes: ["/x/"] }],
    ["routes", { routes: ["/x", "/x"] }],
    ["routes", { routes: ["/x/../y"] }],
    ["routes", { routes: ["//x"] }],
    ["routes", { routes: ["/%2e%2e/x"] }],
    ["routes", { routes: ["/a%20b"] }],
    ["routes", { routes: ["/x?y"] }],
    ["routes", { routes: ["/x\u0000"] }],
    ["routes", { routes: ["/proc"] }],
    ["routes", { routes: Array(65).fill(0).map((_, i) => `/x${i}`) }],
    ["routes", { routes: ["/" + "x".repeat(2000)] }],
    ["auth", { routes: ["/x"], auth: "T4" }],
    ["auth", { routes: ["/x"], auth: ["T1"] }],
    ["config", { routes: ["/x"], config: ["/etc/"] }],
    ["config", { routes: ["/x"], config: "/etc/x" }],
    ["grants", { routes: ["/x"], grants: { "/": "r" } }],
    ["grants", { routes: ["/x"], grants: { "/x": "w" } }],
    ["grants", { routes: ["/x"], grants: { "x": "r" } }],
    ["grants", { routes: ["/x"], grants: { "/x/../y": "r" } }],
    ["grants", { routes: ["/x"], grants: ["/x"] }],
    ["description", { routes: ["/x"], description: 1 }],
    ["description", { routes: ["/x"], description: "x".repeat(2000) }],
    ["fallback", { routes: ["/x"], fallback: "yes" }],
    ["cron", { cron: "* * * * *" }],
    ["cron", { cron: ["* * * *"] }],
    ["cron", { cron: ["* * * * *", "* * * * *"] }],
    ["on", { on: "/home/x", grants: { "/home/": "r" } }],
    ["on", { on: ["/home/x"] }],
    ["on", { on: ["/home/../x"], grants: { "/home/": "r" } }],
    ["on", { on: ["/"], grants: { "/home/": "r" } }],
    ["routes", { cron: [], on: [] }],
    ["kv", { routes: ["/x"], kv: "yes" }],
    ["kv", { routes: ["/x"], kv: ["/var/lib/other/"] }],
    ["patience", { routes: ["/x"], patience: "60" }],
    ["patience", { routes: ["/x"], patience: 0 }],
    ["patience", { routes: ["/x"], patience: 1.5 }],
    ["patience", { routes: ["/x"], patience: 901 }],
  ];
  for (const [field, value] of bad) {
    assertThrows(() => read(value), (error) => {
      assert(error instanceof ManifestError);
      assertStrictEquals(error.field, field, JSON.stringify(value));
      assertMatch(error.message, new RegExp(`\`${field}\``));
      return true;
    });
  }
});

Deno.test("parseManifest() reads a grant for /__proto__ as an own property", () => {
  const value = JSON.parse('{"routes":["/x"],"grants":{"/__proto__":"r"}}');
  assertEquals(Object.keys(read(value).grants), ["/__proto__"]);
});

Deno.test("parseManifest() accepts a schedule and watched paths without routes", () => {
  assertEquals(read({ cron: ["0 3 * * *"] }).cron, ["0 3 * * *"]);
  const grants = { "/home/": "r", "/etc/x": "rw" };
  assertEquals(read({ on: ["/home/in/", "/etc/x"], grants }).on, ["/home/in/", "/etc/x"]);
});

Deno.test("parseManifest() accepts a fallback without routes", () => {
  assertEquals(read({ fallback: true }).routes, []);
});
