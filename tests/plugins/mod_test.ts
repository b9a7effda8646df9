import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import { pluginModule, pluginSets as setsOf } from "../../lib/tasks/plugin_sources.ts";
import { pluginSets, pluginSources } from "../../plugins/mod.ts";
import { ROOT } from "../project/program.ts";

const files = [...Deno.readDirSync(`${ROOT}/plugins`)].map(({ name }) => name);
const installer = await Deno.readTextFile(`${ROOT}/plugins/install.sh`);

Deno.test("plugins/mod.ts is what `deno task plugins` writes", async () => {
  const text = await Deno.readTextFile(`${ROOT}/plugins/mod.ts`);
  equal(text, pluginModule(files, installer), "run `deno task plugins` and commit plugins/mod.ts");
});

Deno.test("pluginSources have the text of the files", async () => {
  equal(
    Object.keys(pluginSources),
    files.filter((name) => name.endsWith(".ts") && name !== "mod.ts")
      .map((name) => name.slice(0, -3)).sort(),
  );
  for (const [name, text] of Object.entries(pluginSources)) {
    equal(text, await Deno.readTextFile(`${ROOT}/plugins/${name}.ts`), name);
  }
});

Deno.test("pluginSets() are those of the install script", () => {
  equal(pluginSets, setsOf(installer));
  ok(pluginSets.primitives?.includes("gpu"));
  throws(() => setsOf("nothing"), /names no primitives/);
});

Deno.test("pluginModule() lists sources only, in order", () => {
  const script = "primitives='b'\n";
  equal(
    pluginModule(["b.ts", "a.ts"], script),
    pluginModule(["a.ts", "mod.ts", "README.md", "install.sh", "b.ts"], script),
  );
});
