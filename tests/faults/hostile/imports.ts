/** Sources that import code, and sources that are hard to parse. Not a test itself. */

import type { Attack } from "./attack.ts";

const PLUGIN = `export const routes = ["/hostile/x"];
export default { fetch: () => new Response("ok") };
`;

/** Statements for the fourth line of a source; the error must name that line, and a column. */
const IMPORTS: Readonly<Record<string, string>> = {
  "import-file": `import text from "file:///etc/hostname" with { type: "text" };`,
  "import-url": `import "https://example.com/x.js";`,
  "import-npm": `import hono from "npm:hono@4.13.19";`,
  "import-node": `import process from "node:process";`,
  "import-data": `import x from "data:text/javascript,export default Deno";`,
  "import-named-type": `import { type Hono } from "npm:hono@4.13.19";`,
  "import-json": `import x from "file:///etc/passwd" with { type: "json" };`,
  "dynamic-file": `await import("file:///etc/hostname", { with: { type: "text" } });`,
  "dynamic-computed": `await import(["npm", "hono"].join(":"));`,
  "dynamic-comment": `await import /* ( */ ("npm:hono");`,
  "dynamic-template": "`${await import('npm:hono')}`;",
  "dynamic-hidden": `var a = 1, b = 2, g = 3; a = b / import("npm:hono") / g;`,
  "dynamic-class": `class A { static { import("npm:hono"); } }`,
  "dynamic-default": `const f = (x = import("npm:hono")) => x;`,
  "dynamic-key": `const o = { [import("npm:hono")]: 1 };`,
  "dynamic-blob": `await import(URL.createObjectURL(new Blob(["export default Deno"])));`,
  "export-from": `export * from "npm:hono";`,
  "export-named": `export { Hono } from "npm:hono";`,
  "meta": `const here = import.meta.resolve("npm:hono");`,
  "defer": `import defer * as x from "npm:hono";`,
  "source-phase": `import source x from "./x.wasm";`,
  "import-equals": `import fs = require("fs");`,
  "escaped": `\\u0069mport("npm:hono");`,
};

/** The attacks. */
export const SOURCES: readonly Attack[] = [
  ...Object.entries(IMPORTS).map(([name, line]) => ({
    name,
    source: `${PLUGIN}\n${line}\n`,
    refused: /line 4, column \d+\)/,
  })),
  { name: "not-text", source: `${PLUGIN}\n// \0\ud800\n@`, refused: /Cannot/ },
  // Parsing it on the main thread would delay all requests.
  {
    name: "long",
    source: `${PLUGIN}${"a(1);".repeat(500_000)}`,
    refused: /at most \d+ are allowed/,
  },
  { name: "deep", source: `${PLUGIN}\nconst x = ${"[".repeat(200_000)};`, refused: /Cannot/ },
  { name: "deep-types", source: `${PLUGIN}\nlet x: ${"A<".repeat(100_000)};`, refused: /Cannot/ },
];
