import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { assert, assertEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { buildShell } from "../../lib/tools/build_shell.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import { precompressed } from "../../worlds/precompressed.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("the files of the shell are what its sources build, and building again changes nothing", async () => {
  for (const [path, text] of await buildShell(ROOT)) {
    assertEquals(
      await Deno.readTextFile(ROOT + path) === text,
      true,
      `${path} is not what the sources build; run deno task shell`,
    );
  }
});

Deno.test("each compressed form is one of a file of the shell", () => {
  const files = new Map(
    Object.entries(lowerWorlds).filter(([path]) => path.startsWith("usr/lib/shell/"))
      .map(([path, text]) => [sha256Hex(text), { path, text }]),
  );
  const decoder = new TextDecoder();
  assert(Object.keys(precompressed).length >= 3);
  for (const [sha256, { br, gzip }] of Object.entries(precompressed)) {
    const file = files.get(sha256);
    assert(file !== undefined, sha256);
    const brotli = Uint8Array.fromBase64(br);
    assertEquals(decoder.decode(brotliDecompressSync(brotli)) === file.text, true, file.path);
    const zipped = Uint8Array.fromBase64(gzip);
    assertEquals(decoder.decode(gunzipSync(zipped)) === file.text, true, file.path);
    // A minified module of a few KiB becomes about half as long.
    const most = file.text.length * 0.6;
    assert(brotli.length < most && zipped.length < most, file.path);
  }
});

Deno.test("the page names each file that loads later, and no bundle imports another one", async () => {
  const page = lowerWorlds["usr/lib/shell/index.html"] ?? "";
  const [, template = ""] = /<template\s+id="lazy"([^>]*)>/.exec(page) ?? [];
  const named = [...template.matchAll(/data-([a-z]+)="\/usr\/lib\/shell\/([a-z]+)\.js\?raw"/g)];
  const lazy = await lazyModules();
  assertEquals(named.map(([, name]) => name).sort(), lazy);
  assertEquals(named.map(([, , file]) => file).sort(), lazy);
  for (const name of ["app", ...lazy]) {
    const text = lowerWorlds[`usr/lib/shell/${name}.js`] ?? "";
    assert(text !== "", name);
    // A statement, because the modes of the editor contain the word.
    assert(!/(?:^|;)import\s*[\w{*"']|\bimport\(["'`]/m.test(text), `${name} imports a file`);
  }
});

async function lazyModules(): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(`${ROOT}shell/lazy`)) {
      if (name.endsWith(".js")) names.push(name.slice(0, -3));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}
