import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import {
  BuildError,
  buildPlugin,
  checkTypes,
  InterruptedBuildError,
} from "../../../lib/cli/client/bundle_plugin.ts";
import { findPluginEntry } from "../../../lib/cli/client/plugin_entry.ts";
import { MAX_PLUGIN_BYTES } from "../../../lib/limits.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Builds a plugin whose files the test writes. */
async function build(folder: string, files: Readonly<Record<string, string>>, entry = "mod.ts") {
  for (const [path, text] of Object.entries(files)) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(file.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(file, text);
  }
  return await buildPlugin(await findPluginEntry(`${folder}/${entry}`, "p"));
}

Deno.test("buildPlugin() stores a file without imports as it is", () =>
  withTempFolder(async (folder) => {
    const text = [
      'import type { X } from "./x.ts";',
      "// import of nothing",
      'export const routes = ["/p"];',
      "export default { fetch: () => new Response('from') };",
    ].join("\n");
    assertEquals((await build(folder, { "p.ts": text }, "p.ts")).text, text);
    assertEquals((await build(folder, { "p.ts": text }, "p.ts")).ext, "ts");
    assertEquals((await build(folder, { "p.mjs": "export {};" }, "p.mjs")).ext, "js");
  }));

Deno.test("buildPlugin() bundles relative files, and names them relative to the plugin", () =>
  withTempFolder(async (temp) => {
    const folder = await Deno.realPath(temp);
    const { text, ext, files } = await build(folder, {
      "plugin/mod.ts":
        'import { a } from "./lib/a.ts";\nexport default { fetch: () => new Response(a) };',
      "plugin/lib/a.ts": 'export * from "../../b.ts";',
      "b.ts": 'export const a: string = "bundled";',
    }, "plugin/mod.ts");
    assertEquals(ext, "js");
    assert(!/^import|\bfrom\b/m.test(text.replace(/\/\/.*/g, "")), text);
    const module = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    assertEquals(await module.default.fetch().text(), "bundled");
    assertEquals([...files].sort(), [`${folder}/b.ts`, `${folder}/plugin/mod.ts`].sort());
    const [, encoded = ""] = /base64,(.*)\n$/.exec(text) ?? [];
    const map = JSON.parse(atob(encoded));
    assertEquals(map.sources.sort(), ["../b.ts", "mod.ts"]);
    assertEquals("sourcesContent" in map, false);
  }));

Deno.test("buildPlugin() bundles a package without the paths of this computer", () =>
  withTempFolder(async (folder) => {
    const { text, files } = await build(folder, {
      "mod.ts": 'import { Hono } from "npm:hono@4.13.19";\nexport default new Hono();',
    });
    assertMatch(text, /^\/\/ npm:hono@4\.13\.19\/dist\/\S+\.js$/m);
    const [, encoded = ""] = /base64,(.*)\n$/.exec(text) ?? [];
    for (const shown of [text, atob(encoded)]) {
      assert(!shown.includes("/registry"), "it names the cache");
      assert(!shown.includes(folder), "it names the folder");
    }
    assertEquals(files.length, 1);
  }));

Deno.test("buildPlugin() fails with the author's file and line", () =>
  withTempFolder(async (folder) => {
    const rows: readonly [Record<string, string>, RegExp][] = [
      [
        { "mod.ts": 'import "./a.ts";', "a.ts": "\nconst x = ;" },
        /Expression expected[\s\S]*\/a\.ts:2:11/,
      ],
      [{ "mod.ts": '\nimport "./none.ts";' }, /Module not found[\s\S]*\/mod\.ts:2:8/],
    ];
    for (const [files, says] of rows) {
      await assertRejects(build(folder, files), (error: unknown) => {
        assert(error instanceof BuildError);
        assertMatch(error.message, says);
        assert(!/Stack backtrace|file:\/\//.test(error.message), error.message);
        return true;
      });
    }
  }));

Deno.test("buildPlugin() returns only files that exist, also those with a map of their own", () =>
  withTempFolder(async (temp) => {
    const folder = await Deno.realPath(temp);
    const sources = ["gone/original.ts", "webpack:///x.ts", "<define:x>"];
    const map = { version: 3, sources, names: [], mappings: "AAAA;ACAA;ACAA" };
    const { files } = await build(folder, {
      "mod.ts": 'import { a, b, c } from "./made/x.js";\nexport default [a, b, c];',
      "made/x.js": "export const a = 1;\nexport const b = 2;\nexport const c = 3;\n" +
        `//# sourceMappingURL=data:application/json;base64,${btoa(JSON.stringify(map))}\n`,
    });
    assertEquals([...files].sort(), [`${folder}/made/x.js`, `${folder}/mod.ts`]);
  }));

Deno.test("buildPlugin() and checkTypes() end with the signal", () =>
  withTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/a.ts`, "export const a: number = 1;");
    await Deno.writeTextFile(`${folder}/mod.ts`, 'import "./a.ts";');
    const entry = await findPluginEntry(`${folder}/mod.ts`, "p");
    for (
      const run of [
        (signal: AbortSignal) => buildPlugin(entry, signal),
        (signal: AbortSignal) => checkTypes(entry, "http://127.0.0.1:1", signal),
      ]
    ) {
      const control = new AbortController();
      const ended = run(control.signal);
      // The program starts in a microtask; a timer of no length comes after it.
      setTimeout(() => control.abort());
      await assertRejects(ended, InterruptedBuildError);
    }
  }));

Deno.test("buildPlugin() refuses a source of more than MAX_PLUGIN_BYTES", () =>
  withTempFolder(async (folder) => {
    const text = `//${"é".repeat(MAX_PLUGIN_BYTES / 2 - 1)}`;
    assertEquals((await build(folder, { "mod.ts": text })).text, text);
    await assertRejects(build(folder, { "mod.ts": `${text}x` }), {
      message: `Cannot store p: its source has ${MAX_PLUGIN_BYTES + 1} bytes with all that it ` +
        `imports; at most ${MAX_PLUGIN_BYTES} are allowed`,
    });
  }));

Deno.test("checkTypes() reports wrong types with file and line, and accepts a plugin without types", () =>
  withTempFolder(async (folder) => {
    const check = async (name: string, text: string) => {
      await Deno.writeTextFile(`${folder}/${name}`, text);
      return await checkTypes(
        await findPluginEntry(`${folder}/${name}`, "p"),
        "http://127.0.0.1:1",
      );
    };
    const plain = "export default { fetch(request, env) { return new Response(request.url); } };";
    assertEquals(await check("a.ts", plain), undefined);
    assertEquals(await check("b.js", "const n = 1; n.x;"), undefined);
    assertMatch(await check("c.ts", '\nconst n: number = "x";') ?? "", /TS2322[\s\S]*\/c\.ts:2:7/);
    // A configuration of the author applies as it is.
    await Deno.writeTextFile(`${folder}/deno.json`, "{}");
    assertMatch(await check("a.ts", plain) ?? "", /TS7006/);
  }));

Deno.test("checkTypes() loads types from the server only", () =>
  withTempFolder(async (folder) => {
    await using served = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () =>
        new Response("export type Text = string;", {
          headers: { "content-type": "application/typescript" },
        }),
    );
    const { port } = served.addr;
    const text = (host: string) =>
      `import type { Text } from "http://${host}:${port}/types.d.ts";\nexport const n: Text = 1;\n`;
    const check = async (host: string, server: string) => {
      await Deno.writeTextFile(`${folder}/${host}.ts`, text(host));
      return await checkTypes(await findPluginEntry(`${folder}/${host}.ts`, "p"), server) ?? "";
    };
    const wrong = /TS2322[\s\S]*\.ts:2:14/;
    assertMatch(await check("127.0.0.1", `http://127.0.0.1:${port}`), wrong);
    assertMatch(await check("127.0.0.1", `http://localhost:${port}`), wrong);
    assertMatch(await check("127.0.0.1", "http://127.0.0.1:1"), /import access/);
    assertMatch(await check("127.0.0.1", `https://server.example:${port}`), /import access/);
  }));
