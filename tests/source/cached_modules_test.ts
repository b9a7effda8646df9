import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { CachedModules, COMPANION_FILES } from "../../lib/source/cached_modules.ts";
import { Checkout } from "../../lib/source/checkout.ts";

const ROOT = new URL("../../", import.meta.url);
const BASE = "http://seed.test:3005/self/";

/** A cache of files below the base, and the URLs that were loaded. */
function cacheOf(files: Readonly<Record<string, string>>) {
  const loaded: string[] = [];
  return {
    loaded,
    load: (url: string): Promise<string> => {
      loaded.push(url);
      const text = url.startsWith(BASE)
        ? files[decodeURIComponent(url.slice(BASE.length))]
        : undefined;
      return text === undefined ? Promise.reject(new Error("offline")) : Promise.resolve(text);
    },
  };
}

const FILES = {
  "main.ts": `import { a } from "./lib/a.ts";\nimport.meta.resolve("./lib/worker.ts");`,
  "lib/a.ts": `import type { T } from "./types.ts";\nimport "./b.ts";\nimport "../../etc/passwd";`,
  "lib/b.ts": `import "./a.ts";\nimport w from "../worlds/ä b.md" with { type: "text" };`,
  "lib/types.ts": `import type { U } from "./more_types.ts";`,
  "lib/more_types.ts": "export interface U {}",
  "lib/worker.ts": `import "http://elsewhere.test/x.ts"; import "/rooted.ts";`,
  "worlds/ä b.md": `import "./not_followed.ts";`,
  "worlds/not_followed.ts": "",
  "unnamed.ts": "",
};

Deno.test("CachedModules lists all files that the program refers to below its main module", async () => {
  const { load, loaded } = cacheOf(FILES);
  const source = new CachedModules(`${BASE}main.ts`, load);
  assertEquals(source.main, "main.ts");
  assertEquals(await source.list(), [
    "lib/a.ts",
    "lib/b.ts",
    "lib/more_types.ts",
    "lib/types.ts",
    "lib/worker.ts",
    "main.ts",
    "worlds/ä b.md",
  ]);
  assert(loaded.every((url) => url.startsWith(BASE)), loaded.join(" "));
  assertEquals(
    new TextDecoder().decode(await source.read("worlds/ä b.md")),
    FILES["worlds/ä b.md"],
  );
  for (const path of ["unnamed.ts", "../etc/passwd", "lib/../main.ts", "/main.ts", ""]) {
    assertEquals(await source.read(path), undefined, path);
  }
});

Deno.test("CachedModules skips missing type-only modules after one wait", async () => {
  const { "lib/types.ts": _, ...cached } = FILES;
  const files = { ...cached, "lib/b.ts": `import type { V } from "./v.ts";\nimport "./a.ts";` };
  const { load, loaded } = cacheOf(files);
  const found = await new CachedModules(`${BASE}main.ts`, load).list();
  assertEquals(found, ["lib/a.ts", "lib/b.ts", "lib/worker.ts", "main.ts"]);
  assertEquals(loaded.filter((url) => /types|\/v\.ts/.test(url)).length, 1);
});

Deno.test("CachedModules works with any folder and main module", async () => {
  const source = new CachedModules(
    "https://seed.test/a%20b/m%C3%A4in.ts?x",
    () => Promise.resolve(""),
  );
  assertEquals(source.main, "mäin.ts");
  assertEquals(await source.list(), ["mäin.ts"]);
});

Deno.test("CachedModules lists this program without tests and tools", async () => {
  const load = (url: string) => Deno.readTextFile(new URL(url.slice(BASE.length), ROOT));
  const found = new Set(await new CachedModules(`${BASE}main.ts`, load).list());
  const all = await new Checkout(new URL("main.ts", ROOT).href, "data").list();
  const expected = all.filter((path) =>
    path === "main.ts" || path.startsWith("worlds/") || path === "plugins/mod.ts" ||
    (path.startsWith("lib/") && path.endsWith(".ts") && !/^lib\/(?:tools|testing)\//.test(path))
  );
  // The first is started by another process; the second is linked into plugins.
  const apart = new Set([
    "lib/plugin/transport/cell_main.ts",
    "lib/deps/eventsource_parser.ts",
  ]);
  assertEquals(expected.filter((path) => !found.has(path) && !apart.has(path)), []);
  for (const path of found) assert(all.includes(path), path);
  for (const path of ["LICENSE", "README.md", "deno.json"]) assert(found.has(path), path);
  for (const load of COMPANION_FILES) assert(await load());
});

Deno.test("CachedModules throws if the cache is unreadable, and lists the files later", async () => {
  let broken = true;
  const { load } = cacheOf(FILES);
  const source = new CachedModules(
    `${BASE}main.ts`,
    (url) => broken ? Promise.reject(new Deno.errors.NotCapable("no")) : load(url),
  );
  const message = /--allow-import=seed\.test:3005 may be missing/;
  await assertRejects(source.list(), { name: "SourceUnavailableError", message });
  broken = false;
  assertEquals((await source.list()).length, 7);
});
