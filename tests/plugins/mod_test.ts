import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import {
  formatPluginsModule,
  parsePluginSets as setsOf,
} from "../../lib/tools/generate_plugins_module.ts";
import { pluginSets, pluginSources } from "../../plugins/mod.ts";
import { ROOT } from "../project/program.ts";

const files = [...Deno.readDirSync(`${ROOT}/plugins`)].map(({ name }) => name);
const installer = await Deno.readTextFile(`${ROOT}/plugins/install.sh`);

Deno.test("plugins/mod.ts is what `deno task plugins` writes", async () => {
  const text = await Deno.readTextFile(`${ROOT}/plugins/mod.ts`);
  assertEquals(
    text,
    formatPluginsModule(files, installer),
    "run `deno task plugins` and commit plugins/mod.ts",
  );
});

Deno.test("pluginSources contain the text of the files", async () => {
  assertEquals(
    Object.keys(pluginSources),
    files.filter((name) => name.endsWith(".ts") && name !== "mod.ts")
      .map((name) => name.slice(0, -3)).sort(),
  );
  for (const [name, text] of Object.entries(pluginSources)) {
    assertEquals(text, await Deno.readTextFile(`${ROOT}/plugins/${name}.ts`), name);
  }
});

Deno.test("parsePluginSets() returns the sets of the install script", () => {
  assertEquals(pluginSets, setsOf(installer));
  assert(pluginSets.primitives?.includes("gpu"));
  assertThrows(() => setsOf("nothing"), /has no line with primitives/);
});

Deno.test("formatPluginsModule() lists sources only, in order", () => {
  const script = "primitives='b'\n";
  assertEquals(
    formatPluginsModule(["b.ts", "a.ts"], script),
    formatPluginsModule(["a.ts", "mod.ts", "README.md", "install.sh", "b.ts"], script),
  );
});
