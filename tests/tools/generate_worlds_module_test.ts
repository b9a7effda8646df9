import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { birthModule, filesBelow } from "../../lib/tools/generate_worlds_module.ts";
import { birthWorlds } from "../../worlds/mod.ts";

const WORLDS = new URL("../../worlds/", import.meta.url);

Deno.test("birthModule() is sorted, so the same files make the same text", () => {
  equal(birthModule(["b/x.md", "a.ts"]), birthModule(["a.ts", "b/x.md"]));
  ok(birthModule(['q"uote']).includes(String.raw`from "./q\"uote" with`));
});

Deno.test("birthWorlds is up to date with the files below worlds/", async () => {
  const paths = await filesBelow(WORLDS.pathname);
  const text = await Deno.readTextFile(new URL("mod.ts", WORLDS));
  equal(text, birthModule(paths), "run `deno task worlds` and commit worlds/mod.ts");
});

Deno.test("birthWorlds hold the bytes of the files", async () => {
  const paths = await filesBelow(WORLDS.pathname);
  equal(Object.keys(birthWorlds).sort(), paths.sort());
  for (const path of paths) {
    equal(birthWorlds[path], await Deno.readTextFile(new URL(path, WORLDS)), path);
  }
});
