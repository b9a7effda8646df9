import { assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { pathToFileURL } from "node:url";
import { findProgramSource } from "../../lib/source/find_program_source.ts";
import { toSourceError } from "../../lib/source/program_source.ts";
import { SingleFile } from "../../lib/source/single_file.ts";

Deno.test("findProgramSource() returns the source for each way to start the program", async () => {
  const standalone = false;
  const data = "data";
  const main = import.meta.resolve("../../main.ts");
  const ways = [
    { main, standalone, data },
    { main: "https://seed.test/main.ts", standalone, data },
    { main: "file:///tmp/elastik.js", single: true, standalone, data },
    { main, standalone: true, data },
    { standalone, data },
  ];
  const found = await Promise.all(ways.map(findProgramSource));
  assertEquals(found.map((source) => source.constructor.name), [
    "Checkout",
    "CachedModules",
    "SingleFile",
    "NoSource",
    "NoSource",
  ]);
  for (const none of found.slice(3)) {
    await assertRejects(none.list(), { name: "SourceUnavailableError", message: /one binary/ });
    await assertRejects(none.read("main.ts"), { name: "SourceUnavailableError" });
  }
});

Deno.test("SingleFile lists the one file from which it was started", async () => {
  const folder = await Deno.makeTempDir({ prefix: "single-" });
  try {
    await Deno.writeTextFile(`${folder}/my server.js`, "console.log(1);\n");
    await Deno.writeTextFile(`${folder}/.env`, "secret");
    const source = new SingleFile(pathToFileURL(`${folder}/my server.js`).href);
    assertEquals([source.main, await source.list()], ["my server.js", ["my server.js"]]);
    assertEquals(new TextDecoder().decode(await source.read("my server.js")), "console.log(1);\n");
    for (const path of [".env", "main.ts", "../x", ""]) {
      assertEquals(await source.read(path), undefined);
    }
    await Deno.remove(`${folder}/my server.js`);
    await assertRejects(source.read("my server.js"), { name: "SourceUnavailableError" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("toSourceError() includes no path", () => {
  const found = toSourceError(new Deno.errors.NotCapable('Requires read access to "/home/ada"'));
  assertMatch(
    String(found),
    /^SourceUnavailableError: the server has no permission/,
  );
  const other = new Error("else");
  assertEquals(toSourceError(other), other);
});
