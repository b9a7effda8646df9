/**
 * The generated modules of the kit and the built plugins are up to date, and the command reports what it
 * wrote or why it wrote nothing.
 */

import { assertEquals } from "../support/assert.ts";
import { generatedKit, linkedPlugins } from "../../lib/tools/build_plugins.ts";
import { cleanEnv, ROOT } from "../project/program.ts";

for (const [path, text] of generatedKit()) {
  Deno.test(`${path} is what \`deno task plugins\` generates`, async () => {
    const advice = `run \`deno task plugins\` and commit ${path}`;
    assertEquals(await Deno.readTextFile(`${ROOT}/${path}`) === text, true, advice);
  });
}

for (const [path, text] of await linkedPlugins(`${ROOT}/`)) {
  Deno.test(`${path} is what its sources are linked to`, async () => {
    const advice = `run \`deno task plugins\` and commit ${path}`;
    assertEquals(await Deno.readTextFile(`${ROOT}/${path}`) === text, true, advice);
  });

  Deno.test(`${path} can be evaluated`, async () => {
    // With a query, since other tests load the same file as text.
    const plugin = await import(`../../${path}?evaluated`);
    assertEquals(typeof plugin.default.fetch, "function");
  });
}

/** Runs the command in a new folder with these files and returns its output and what it wrote. */
async function build(files: Readonly<Record<string, string>>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const path of ["lib/deps/eventsource_parser.ts", "plugins/install.sh"]) {
      await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await Deno.copyFile(`${ROOT}/${path}`, `${folder}/${path}`);
    }
    for (const name of ["a", "kit"]) await Deno.mkdir(`${folder}/plugins/${name}`);
    for (const [path, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/plugins/${path}`, text);
    }
    const command = {
      args: ["run", "-A", "--no-check", "--no-lock", `${ROOT}/lib/tools/build_plugins.ts`],
      cwd: folder,
      env: cleanEnv(),
    };
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), command).output();
    const written = [...Deno.readDirSync(`${folder}/plugins`)].map(({ name }) => name)
      .filter((name) => name.endsWith(".ts")).sort();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr), written };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const HEADER = "/** The plugin. */\n\n";

Deno.test("`deno task plugins` prints how many plugins it linked and changed", async () => {
  assertEquals(await build({ "a/mod.ts": `${HEADER}export const a = 1;\n` }), {
    code: 0,
    stdout: "1 plugin linked, 1 changed\n",
    stderr: "",
    written: ["a.ts", "mod.ts"],
  });
});

Deno.test("`deno task plugins` prints one sentence if it cannot link, and writes nothing", async () => {
  const refused: readonly (readonly [files: Record<string, string>, message: string])[] = [
    [{}, "plugins/a/mod.ts line 1: the file does not exist; a folder of a plugin needs it"],
    [
      { "a/mod.ts": `${HEADER}const b = 1;\nconst c = ;\n` },
      "plugins/a/mod.ts line 4: SyntaxError: Expression expected",
    ],
    [
      { "a/mod.ts": `${HEADER}import { b } from "./b.ts";\n`, "a/b.ts": "const b = 1;\n" },
      "plugins/a/mod.ts line 3: plugins/a/b.ts does not export b",
    ],
  ];
  for (const [files, message] of refused) {
    assertEquals(await build(files), {
      code: 1,
      stdout: "",
      stderr: `Cannot link ${message}\n`,
      written: [],
    });
  }
});
