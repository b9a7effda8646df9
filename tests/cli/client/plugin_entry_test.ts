import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { InstallError } from "../../../lib/cli/client/install_plugins.ts";
import { findPluginEntry } from "../../../lib/cli/client/plugin_entry.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Writes files by their paths below a folder. */
async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(file.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(file, text);
  }
}

Deno.test("findPluginEntry() finds the module of a file, a folder and a declared entry", () =>
  withTempFolder(async (temp) => {
    const folder = await Deno.realPath(temp);
    await write(folder, {
      "my_plugin.ts": "",
      "a/main.ts": "",
      "a/index.ts": "",
      "b/index.js": "",
      "c/deno.json": '{"exports":"./src/app.ts"}',
      "c/src/app.ts": "",
      "c/mod.ts": "",
      "d/package.json": '{"main":"old.js","exports":{".":{"import":"./new.js"}}}',
      "d/new.js": "",
      "e/deno.json": "{}",
      "e/mod.ts": "",
    });
    const rows = [
      ["my_plugin.ts", "my_plugin.ts", "my_plugin"],
      ["a", "a/main.ts", "a"],
      ["a/index.ts", "a/index.ts", "a"],
      ["b/", "b/index.js", "b"],
      ["c", "c/src/app.ts", "c"],
      ["d", "d/new.js", "d"],
      ["e/../e", "e/mod.ts", "e"],
    ] as const;
    for (const [path, file, name] of rows) {
      const found = await findPluginEntry(`${folder}/${path}`, undefined);
      assertEquals([found.file, found.name], [`${folder}/${file}`, name], path);
    }
    assertEquals((await findPluginEntry(`${folder}/a`, "other")).name, "other");
  }));

Deno.test("findPluginEntry() says what is missing", () =>
  withTempFolder(async (folder) => {
    await write(folder, {
      "has space.ts": "",
      "empty/readme.md": "",
      "gone/package.json": '{"main":"gone.js"}',
      "bad/deno.json": "{",
    });
    const rows: readonly [string, RegExp][] = [
      ["none.ts", /there is no such file or folder/],
      ["has space.ts", /"has space" is not a valid plugin name; .*--name/],
      ["empty", /it contains none of mod\.ts, .*no deno\.json or package\.json names a module/],
      ["gone", /its configuration names gone\.js, which does not exist/],
      ["bad", /deno\.json: it is not valid JSON/],
    ];
    for (const [path, says] of rows) {
      await assertRejects(findPluginEntry(`${folder}/${path}`, undefined), (error: unknown) => {
        assertEquals(error instanceof InstallError && error.code, 2, path);
        assertMatch(error instanceof Error ? error.message : "", says);
        return true;
      });
    }
  }));
