import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { fillData, fillOriginal, KEY, tarOf } from "../../archive/fixtures.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { putJob } from "../../testdata/test_writer.ts";

const run = (folder: string, ...args: string[]) => runProgram(fromCheckout(folder, args));

/** Packs a folder as tar.gz without the exporter. */
async function archiveOf(folder: string, file: string): Promise<void> {
  const entries = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (!isDirectory) {
      entries.push({ name: `data/${name}`, body: await Deno.readFile(`${folder}/${name}`) });
      continue;
    }
    for (const inner of Deno.readDirSync(`${folder}/${name}`)) {
      const body = await Deno.readFile(`${folder}/${name}/${inner.name}`);
      entries.push({ name: `data/${name}/${inner.name}`, body });
    }
  }
  await Deno.writeFile(file, await tarOf(entries));
}

Deno.test("import adds a snapshot of elastik v5 and reports the check of each chain", () =>
  withTempFolder(async (folder) => {
    fillOriginal(`${folder}/theirs`, [
      { folder: "hello", body: "<h1>I am alive</h1>", ext: "html" },
      { folder: "etc%2Fmotd", body: "welcome" },
      { folder: "lib%2Fgpu", body: "import os\n", state: "active" },
      { folder: "a:b", body: "x" },
    ], "their key");
    await archiveOf(`${folder}/theirs`, `${folder}/data.tar.gz`);
    await Deno.writeTextFile(`${folder}/key`, "their key\n");
    const { code, stdout, stderr } = await run(folder, "import", "data.tar.gz", "--key", "@key");
    assertEquals(code, 1, stderr);
    assertMatch(stdout, /^home\/hello: from elastik v5: its chain of 2 events is valid$/m);
    assertMatch(
      stdout,
      /^a:b: not imported: it contains the character :; a copy is in data\/\.aside\/$/m,
    );
    assertMatch(stdout, /^lib\/gpu: plugin that was active there; it needs approval here$/m);
    assertMatch(stdout, /^Imported 3 worlds into data$/m);
    assert(!(stdout + stderr).includes("their key"));
    assertEquals((await run(folder, "verify")).code, 0);
    const program = await startProgram(fromCheckout(folder));
    try {
      assertEquals((await ask(`${program.url}/home/hello?raw`)).text, "<h1>I am alive</h1>");
      const log = JSON.parse((await ask(`${program.url}/proc/log/home/hello`)).text);
      assertEquals(log.map(({ type }: { type: string }) => type), [
        "stage_written",
        "world_imported",
        "event_imported",
        "event_imported",
      ]);
      const token = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
      const state = await ask(`${program.url}/lib/gpu/state`, {
        method: "PUT",
        body: "active",
        headers: { authorization: `Bearer ${token}` },
      });
      assertEquals(state.status, 422, "a Python source was imported as a plugin");
    } finally {
      await program.stop();
    }
  }));

Deno.test("import adds a data folder with uncheckpointed write-ahead logs", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/other`);
    const { code, stdout } = await run(folder, "import", "other");
    assertEquals(code, 0, stdout);
    assertMatch(stdout, /^Imported 3 worlds into data$/m);
    assertEquals((await run(folder, "verify")).code, 0);
    const again = await run(folder, "import", "other");
    assertEquals(again.code, 2);
    assertMatch(again.stderr, /^Cannot import into data: it contains worlds already; .*--merge$/m);
    const merged = await run(folder, "import", "other", "--merge");
    assertEquals(merged.code, 0);
    assertMatch(merged.stdout, /^Imported 0 worlds into data; 3 existed already$/m);
  }));

Deno.test("import rejects malicious archives and leaves nothing of them", () =>
  withTempFolder(async (folder) => {
    const world = { name: "data/home%2Fx/universe.db", body: "x" };
    const rows: readonly [Parameters<typeof tarOf>[0], RegExp][] = [
      [[world, { name: "../../evil" }], /^Cannot unpack "\.\.\/\.\.\/evil": it leaves its folder/],
      [
        [{ name: "data/\x1b[2J", body: "" }],
        /^Cannot unpack "data\/\\u001b\[2J": it is not a relative/,
      ],
      [[{ name: "data/.key", type: "symlink", linkname: "/etc/passwd" }], /it is a symlink/],
      [[world, world], /it occurs twice/],
      [[{ name: "data/.key", body: "no key" }, world], /^Cannot use the secret \.key/],
    ];
    for (const [entries, says] of rows) {
      await Deno.writeFile(`${folder}/evil.tar.gz`, await tarOf(entries));
      const { code, stderr } = await run(folder, "import", "evil.tar.gz");
      assertEquals(code, 2, stderr);
      assertMatch(stderr, says);
      assertEquals(stderr.trimEnd().split("\n").length, 1);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["evil.tar.gz"]);
    }
  }));

Deno.test("import reports its errors", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/other`);
    const program = await startProgram(fromCheckout(folder));
    const busy = await run(folder, "import", "other", "--merge");
    await program.stop();
    assertEquals(busy.code, 2);
    assertMatch(busy.stderr, /another server holds it/);
    const rows: readonly [string[], RegExp][] = [
      [[], /^Cannot run import with 0 arguments: it takes <file\|folder\|->/],
      [["nowhere"], /^Cannot import nowhere: /],
      [["other", "--key"], /--key needs <key\|@file>/],
      [["other", "--key", "@nowhere"], /^Cannot read the key from nowhere/],
    ];
    for (const [args, says] of rows) {
      const ran = await run(folder, "import", ...args);
      assertEquals(ran.code, 2, ran.stdout + ran.stderr);
      assertMatch(ran.stderr, says);
    }
  }));

Deno.test("import reads the standard input, and hides its key from the process list", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/other`);
    await archiveOf(`${folder}/other`, `${folder}/x.tar.gz`);
    const { command, args, env } = fromCheckout(folder);
    const piped = await runProgram({
      command: "bash",
      args: ["-c", `"$0" "$@" import - --with-key < x.tar.gz`, command, ...args],
      cwd: folder,
      env: env ?? {},
    });
    assertEquals(piped.code, 0, piped.stderr);
    assertEquals((await Deno.readTextFile(`${folder}/data/.key`)).trim(), KEY);
  }));

Deno.test("import adds a snapshot of the plugin reality with the key in it", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    await ask(`${program.url}/home/x`, { method: "PUT", body: "cloned" });
    const installed = await run(folder, "install", "reality", "--url", program.url);
    assertEquals(installed.code, 0, installed.stderr);
    const token = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
    const reality = await fetch(`${program.url}/__reality__`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assertEquals(reality.status, 200);
    await Deno.writeFile(`${folder}/data.tar.gz`, reality.body ?? new Uint8Array());
    await program.stop();
    const imported = await run(folder, "import", "data.tar.gz", "--into", "clone");
    assertEquals(imported.code, 0, imported.stdout + imported.stderr);
    const verified = await run(folder, "verify", "clone");
    assertEquals(verified.code, 0, verified.stdout);
    const clone = await startProgram(fromCheckout(folder, [], { ELASTIK_DATA: "clone" }));
    assertEquals((await ask(`${clone.url}/home/x?raw`)).text, "cloned");
    await clone.stop();
  }));

Deno.test("import is not limited by quotas, and takes /etc/quota like a setting", () =>
  withTempFolder(async (folder) => {
    const list = "prefix:/home bytes:8\n";
    fillData(`${folder}/other`, KEY, [
      putJob("etc/quota", list),
      putJob("home/long", "0123456789"),
    ]);
    const first = await run(folder, "import", "other");
    assertMatch(first.stdout, /^Imported 5 worlds into data$/m);
    const start = async () => {
      const program = await startProgram(fromCheckout(folder));
      const token = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
      const headers = { authorization: `Bearer ${token}` };
      return { program, headers };
    };
    const one = await start();
    try {
      // What was imported is there, and nothing can be added.
      assertEquals((await ask(`${one.program.url}/home/long?raw`)).text, "0123456789");
      const put = (body: string) => ask(`${one.program.url}/home/n`, { method: "PUT", body });
      assertEquals((await put("1")).status, 507);
      const url = `${one.program.url}/etc/quota`;
      const own = { method: "PUT", body: "prefix:/home worlds:4\n", headers: one.headers };
      assertEquals((await ask(url, own)).status, 200);
      // A restore onto a server is a change of its client.
      const gone = await ask(`${one.program.url}/home/a`, {
        method: "DELETE",
        headers: one.headers,
      });
      assertEquals(gone.status, 200, gone.text);
      const fits = await put("1");
      assertEquals(fits.status, 201, fits.text);
      const restored = await run(folder, "restore", "other", "/home/a", "--url", one.program.url);
      assertEquals(restored.code, 1);
      assertMatch(
        restored.stdout + restored.stderr,
        /the quota of prefix:\/home is 4 worlds, and the change needs 1 more/,
      );
    } finally {
      await one.program.stop();
    }
    const merged = await run(folder, "import", "other", "--merge");
    assertMatch(merged.stdout, /^etc\/quota: exists already and differs; it was not changed$/m);
    fillData(`${folder}/third`);
    const third = await run(folder, "import", "other", "--into", "third", "--merge");
    assertMatch(third.stdout, /^etc\/quota: not imported, .*; --with-system takes it$/m);
    const two = await start();
    try {
      assertEquals((await ask(`${two.program.url}/home/a?raw`)).text, "one, two");
      const kept = await ask(`${two.program.url}/etc/quota?raw`, { headers: two.headers });
      assertEquals(kept.text, "prefix:/home worlds:4\n");
    } finally {
      await two.program.stop();
    }
  }));
