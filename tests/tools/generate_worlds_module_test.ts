import { assert, assertEquals } from "../support/assert.ts";
import { formatWorldsModule, listFilesBelow } from "../../lib/tools/generate_worlds_module.ts";
import { lowerWorlds } from "../../worlds/mod.ts";

const WORLDS = new URL("../../worlds/", import.meta.url);

Deno.test("formatWorldsModule() sorts its files, so that equal files give equal text", () => {
  assertEquals(formatWorldsModule(["b/x.md", "a.ts"]), formatWorldsModule(["a.ts", "b/x.md"]));
  assert(formatWorldsModule(['q"uote']).includes(String.raw`from "./q\"uote" with`));
});

Deno.test("lowerWorlds is up to date with the files below worlds/", async () => {
  const paths = await listFilesBelow(WORLDS.pathname);
  const text = await Deno.readTextFile(new URL("mod.ts", WORLDS));
  assertEquals(text, formatWorldsModule(paths), "run `deno task worlds` and commit worlds/mod.ts");
});

Deno.test("lowerWorlds contains the bytes of the files", async () => {
  const paths = await listFilesBelow(WORLDS.pathname);
  assertEquals(Object.keys(lowerWorlds).sort(), paths.sort());
  for (const path of paths) {
    assertEquals(lowerWorlds[path], await Deno.readTextFile(new URL(path, WORLDS)), path);
  }
});
