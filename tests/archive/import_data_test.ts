import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import {
  ImportError,
  importFolder,
  type ImportOptions,
  type ImportResult,
} from "../../lib/archive/import_data.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { acquireDataFolder, InvalidSecret, readSecret } from "../../lib/world/file/data_folder.ts";
import { superJournal } from "../testdata/super_journal.ts";
import { putJob, removeJob, testWriter, transitionJob } from "../testdata/test_writer.ts";
import { fillData, fillOriginal, fillRotated, KEY, NOW, OTHER_KEY } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";

function importInto(
  source: string,
  into: string,
  more: Partial<ImportOptions> = {},
): Promise<ImportResult> {
  return importFolder({
    source,
    into,
    merge: false,
    newKey: false,
    take: { accounts: true, plugins: true, system: true },
    key: undefined,
    serverKey: undefined,
    now: NOW,
    ...more,
  });
}

/** Asserts that a folder verifies, by default with its own key. */
function verified(data: string, key = readSecret(data, ".key") ?? ""): number {
  const { worlds, broken, leftovers } = verifyDataFolder({ data, key });
  assertEquals([broken, leftovers], [[], []]);
  return worlds;
}

function stateOf(data: string, folder: string): unknown {
  const db = new DatabaseSync(`${data}/${folder}/universe.db`);
  try {
    return db.prepare("SELECT state FROM stage_meta").get()?.state;
  } finally {
    db.close();
  }
}

function rowOf(data: string, folder: string): unknown {
  const db = new DatabaseSync(`${data}/${folder}/universe.db`);
  try {
    const row = db.prepare("SELECT version, CAST(stage_html AS TEXT) AS text FROM stage_meta")
      .get();
    return { ...row };
  } finally {
    db.close();
  }
}

const PLUGIN = putJob("lib/p", "source", { state: "pending" });

/** A folder with an approved plugin. */
function fillActive(data: string, key: string): void {
  fillData(data, key, [PLUGIN]);
  const writer = testWriter(data, { key });
  writer.apply([transitionJob("lib/p", "active")]);
  writer.close();
}

Deno.test("importFolder() creates an equal folder, including the key, and leaves no other file", () =>
  withTempFolder(async (folder) => {
    fillActive(`${folder}/source`, KEY);
    const found = await importInto(`${folder}/source`, `${folder}/into`);
    assertEquals([...found.worlds].sort(), ["etc/conf", "home/a", "home/b c%d", "lib/p"]);
    assertEquals([found.adoptedKey, found.active, found.demoted], [true, ["lib/p"], []]);
    assertEquals(readSecret(`${folder}/into`, ".key"), KEY);
    assertEquals((Deno.statSync(`${folder}/into/.key`).mode ?? 0) & 0o777, 0o600);
    assertEquals(Deno.readTextFileSync(`${folder}/into/.collections`), "home/empty\n");
    assertEquals(verified(`${folder}/into`), 4);
    assertEquals(stateOf(`${folder}/into`, "lib%2Fp"), "active");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["into", "source"]);
    assertEquals(
      [...Deno.readDirSync(`${folder}/into`)].some(({ name }) => /token|import/.test(name)),
      false,
    );
    assertEquals([...Deno.readDirSync(`${folder}/into/.incoming`)], []);
  }));

Deno.test("importFolder() never overwrites a world, with or without merge", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    fillData(`${folder}/into`, OTHER_KEY);
    const before = snapshotFolder(`${folder}/into`).filter((line) => /universe|\.key/.test(line));
    await assertRejects(
      importInto(`${folder}/source`, `${folder}/into`),
      (error) =>
        error instanceof ImportError && /contains worlds already; .*--merge/.test(error.message),
    );
    const writer = testWriter(`${folder}/source`, { key: KEY });
    writer.apply([putJob("home/a", "three"), putJob("home/new", "new")]);
    writer.close();
    const found = await importInto(`${folder}/source`, `${folder}/into`, { merge: true });
    assertEquals([found.worlds, found.conflicts], [["home/new"], ["home/a"]]);
    assertEquals([...found.same].sort(), ["etc/conf", "home/b c%d"]);
    assertEquals(found.adoptedKey, false);
    const after = new Set(snapshotFolder(`${folder}/into`));
    assertEquals(before.filter((line) => !after.has(line)), [], "something was overwritten");
    assertEquals(verified(`${folder}/into`, OTHER_KEY), 4);
    const again = await importInto(`${folder}/source`, `${folder}/into`, { merge: true });
    assertEquals([again.worlds, again.same.length], [[], 3]);
  }));

Deno.test("importFolder() re-signs for another server and demotes its plugins", () =>
  withTempFolder(async (folder) => {
    fillActive(`${folder}/source`, KEY);
    const rows: readonly [string, Partial<ImportOptions>, string | undefined][] = [
      ["merged", { merge: true }, OTHER_KEY],
      ["configured", { serverKey: "operator's own" }, "operator's own"],
      ["new", { newKey: true }, undefined],
    ];
    fillData(`${folder}/merged`, OTHER_KEY);
    for (const [into, options, key] of rows) {
      const found = await importInto(`${folder}/source`, `${folder}/${into}`, {
        ...options,
        take: { accounts: true, plugins: false, system: true },
      });
      assertEquals([found.active, found.demoted, found.adoptedKey], [[], ["lib/p"], false], into);
      verified(`${folder}/${into}`, key);
      assertEquals(stateOf(`${folder}/${into}`, "lib%2Fp"), "pending");
    }
    assert(readSecret(`${folder}/new`, ".key") !== KEY);
    assertEquals(readSecret(`${folder}/configured`, ".key"), undefined);
  }));

Deno.test("importFolder() throws if no chain fits the key, and changes nothing", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    Deno.removeSync(`${folder}/source/.key`);
    fillData(`${folder}/into`, OTHER_KEY);
    const before = snapshotFolder(`${folder}/into`).filter((line) =>
      !/\.(lock|incoming|trash)/.test(line)
    );
    await assertRejects(
      importInto(`${folder}/source`, `${folder}/into`, { merge: true }),
      /none of the 3 chains fits the key; give the key that signed them with --key/,
    );
    assertEquals(
      snapshotFolder(`${folder}/into`).filter((line) => !/\.(lock|incoming|trash)/.test(line)),
      before,
    );
    await assertRejects(importInto(`${folder}/source`, `${folder}/fresh`), ImportError);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["into", "source"]);
    const found = await importInto(`${folder}/source`, `${folder}/fresh`, { key: KEY });
    assertEquals([found.worlds.length, found.adoptedKey], [3, false]);
    assertEquals(verified(`${folder}/fresh`), 3);
  }));

Deno.test("importFolder() imports a world that does not verify and reports it", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    const db = new DatabaseSync(`${folder}/source/home%2Fa/universe.db`);
    db.exec("UPDATE events SET payload = '{}' WHERE id = 2");
    db.close();
    for (const newKey of [false, true]) {
      const into = `${folder}/into-${newKey}`;
      const found = await importInto(`${folder}/source`, into, { newKey });
      assertEquals(found.broken.map(({ name }) => name), ["home/a"]);
      const { broken } = verifyDataFolder({ data: into, key: readSecret(into, ".key") ?? "" });
      assertEquals(broken.map(({ name, faults }) => [name, faults[0]?.event]), [["home/a", 2]]);
    }
  }));

Deno.test("importFolder() copies only the rows of a file", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    const file = (name: string) => `${folder}/source/${name}/universe.db`;
    const withTrigger = new DatabaseSync(file("home%2Fa"));
    withTrigger.exec("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END");
    withTrigger.close();
    const loose = new DatabaseSync(file("etc%2Fconf"));
    loose.exec("PRAGMA user_version = 0; PRAGMA application_id = 77");
    loose.close();
    Deno.mkdirSync(`${folder}/source/home%2Flink`);
    Deno.symlinkSync(file("etc%2Fconf"), file("home%2Flink"));
    Deno.mkdirSync(`${folder}/source/home%2Fnone`);
    const found = await importInto(`${folder}/source`, `${folder}/into`);
    assertEquals([...found.worlds].sort(), ["etc/conf", "home/b c%d"]);
    assertEquals(
      found.rejected.map(({ folder: name, reason, harmless }) => [name, reason, harmless]),
      [
        ["home%2Fa", "it contains a trigger", false],
        ["home%2Flink", "it does not contain universe.db", false],
        ["home%2Fnone", "it does not contain universe.db", true],
      ],
    );
    const db = new DatabaseSync(`${folder}/into/etc%2Fconf/universe.db`);
    assertEquals(db.prepare("PRAGMA application_id").get()?.application_id, 0);
    db.close();
  }));

Deno.test("importFolder() deletes no file that a super-journal names", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    Deno.writeTextFileSync(`${folder}/precious`, "kept");
    const journal = `${folder}/source/home%2Fa/universe.db-journal`;
    Deno.writeFileSync(journal, superJournal(`${folder}/precious`));
    const found = await importInto(`${folder}/source`, `${folder}/into`);
    assertEquals(found.rejected.map(({ folder: name }) => name), ["home%2Fa"]);
    assertMatch(found.rejected[0]?.reason ?? "", /its journal names another file/);
    assertEquals(Deno.readTextFileSync(`${folder}/precious`), "kept");
  }));

Deno.test("importFolder() copies worlds with invalid names into the aside folder", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    fillOriginal(`${folder}/source`, [{ folder: "a:b", body: "x" }]);
    Deno.renameSync(`${folder}/source/home%2Fa`, `${folder}/source/home%2F..%2Fa`);
    const found = await importInto(`${folder}/source`, `${folder}/into`);
    const refused = found.rejected.map(({ folder: name, aside }) => [name, aside]);
    assertEquals(refused, [["a:b", true], ["home%2F..%2Fa", true]]);
    assertEquals([...Deno.readDirSync(`${folder}/into/.aside`)].map(({ name }) => name).sort(), [
      "a:b",
      "home%2F..%2Fa",
    ]);
    assertEquals(verified(`${folder}/into`), 2);
  }));

Deno.test("importFolder() refuses a malformed /etc/revoked and imports the other worlds", () =>
  withTempFolder(async (folder) => {
    for (const [at, body] of ["name:kestrel\nname:\n", "\u0000"].entries()) {
      const [source, into] = [`${folder}/source-${at}`, `${folder}/into-${at}`];
      fillData(source, KEY, [putJob("etc/revoked", "")]);
      // No writer of this version accepts the content.
      const db = new DatabaseSync(`${source}/etc%2Frevoked/universe.db`);
      db.prepare("UPDATE stage_meta SET stage_html = ?").run(new TextEncoder().encode(body));
      db.close();
      const found = await importInto(source, into);
      assertEquals([...found.worlds].sort(), ["etc/conf", "home/a", "home/b c%d"]);
      const [refused] = found.rejected;
      assertEquals([refused?.folder, refused?.aside, refused?.harmless], [
        "etc%2Frevoked",
        true,
        false,
      ]);
      assertMatch(
        refused?.reason ?? "",
        /^(line 2 is|the content is not).*no capability is revoked/,
      );
      assertEquals(found.rejected.length, 1);
      assertEquals(verified(into), 3);
    }
    fillData(`${folder}/valid`, KEY, [putJob("etc/revoked", "name:kestrel\n")]);
    const found = await importInto(`${folder}/valid`, `${folder}/into`);
    assertEquals([found.rejected, found.worlds.includes("etc/revoked")], [[], true]);
  }));

Deno.test("importFolder() converts worlds of elastik v5, and the result verifies", () =>
  withTempFolder(async (folder) => {
    fillOriginal(`${folder}/source`, [
      { folder: "hello", body: "<h1>hi</h1>", ext: "html" },
      { folder: "home%2Fhello", body: "another of that name" },
      { folder: "etc%2Fgpu.conf", body: "backend=ollama" },
      { folder: "lib%2Fgpu", body: "import os", state: "active" },
      { folder: "never", body: "", version: 0, writes: 0 },
    ], "their key");
    const db = new DatabaseSync(`${folder}/source/etc%2Fgpu.conf/universe.db`);
    db.exec("UPDATE events SET hmac = 'x' WHERE id = 2");
    db.close();
    const found = await importInto(`${folder}/source`, `${folder}/into`, { key: "their key" });
    assertEquals(
      found.v5Worlds.map(({ name, result }) => [name, result.chain, result.broken_at]),
      [
        ["etc/gpu.conf", "broken", 2],
        ["home/hello", "holds", undefined],
        ["lib/gpu", "holds", undefined],
      ],
    );
    assertEquals(found.conflicts, ["home/hello"]);
    assertEquals(found.rejected.map(({ folder: name, harmless }) => [name, harmless]), [[
      "never",
      true,
    ]]);
    assertEquals([found.active, found.demoted, found.adoptedKey], [[], ["lib/gpu"], false]);
    assertEquals(verified(`${folder}/into`), 3);
    assertEquals(stateOf(`${folder}/into`, "lib%2Fgpu"), "pending");
  }));

Deno.test("importFolder() does not change a folder that a server holds", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    const held = acquireDataFolder(`${folder}/into`);
    await assertRejects(
      importInto(`${folder}/source`, `${folder}/into`),
      /another server holds it/,
    );
    held.release();
    const source = acquireDataFolder(`${folder}/source`);
    await assertRejects(
      importInto(`${folder}/source`, `${folder}/other`),
      /another server holds it/,
    );
    source.release();
    assertMatch(
      [...Deno.readDirSync(folder)].map(({ name }) => name).sort().join(),
      /^into,source$/,
    );
  }));

Deno.test("importFolder() leaves nothing after an abort", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/source`);
    const control = new AbortController();
    const options = {
      signal: control.signal,
      onProgress: (done: number) => done === 0 && control.abort(new Error("enough")),
    };
    const more = Array.from({ length: 40 }, (_, i) => putJob(`home/w${i}`, "x"));
    const writer = testWriter(`${folder}/source`, { key: KEY });
    writer.apply(more);
    writer.close();
    await assertRejects(importInto(`${folder}/source`, `${folder}/into`, options), /enough/);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["source"]);
  }));

Deno.test("importFolder() with merge never uses a version again that a deleted world had", () =>
  withTempFolder(async (folder) => {
    const [source, into] = [`${folder}/source`, `${folder}/into`];
    fillData(source, KEY, [putJob("home/d", "old")]);
    fillData(into, KEY, [putJob("home/d", "new 1"), putJob("home/d", "new 2")]);
    const remover = testWriter(into, { key: KEY });
    remover.apply([removeJob("home/d")]);
    remover.close();
    const found = await importInto(source, into, { merge: true });
    assert(found.worlds.includes("home/d"));
    assertEquals(rowOf(into, "home%2Fd"), { version: 3, text: "old" });
    assertEquals(found.rejected, []);
    verified(into);
    const writer = testWriter(into, { key: KEY });
    writer.apply([putJob("home/d", "newer")]);
    writer.close();
    assertEquals(rowOf(into, "home%2Fd"), { version: 4, text: "newer" });
  }));

const THIRD_KEY = "ef".repeat(32);

Deno.test("importFolder() signs chains of retired keys with the key of the folder, and takes no retired key", () =>
  withTempFolder(async (folder) => {
    const source = `${folder}/source`;
    fillRotated(source);
    const rows: readonly [into: string, more: Partial<ImportOptions>, key: string][] = [
      ["adopted", {}, OTHER_KEY],
      ["new", { newKey: true }, ""],
      ["configured", { serverKey: THIRD_KEY }, THIRD_KEY],
    ];
    for (const [into, more, key] of rows) {
      const found = await importInto(source, `${folder}/${into}`, more);
      assertEquals([found.worlds.length, found.broken, found.rejected], [4, [], []], into);
      const own = key === "" ? undefined : key;
      assertEquals(verified(`${folder}/${into}`, own), 4);
      const entries = [...Deno.readDirSync(`${folder}/${into}`)].map(({ name }) => name);
      assert(!entries.includes(".key-retired"), into);
    }
    // Without keys in the source: given, or those of the folder from before.
    for (const file of [".key", ".key-retired"]) Deno.removeSync(`${source}/${file}`);
    const given = { key: OTHER_KEY, retiredKeys: [KEY], serverKey: THIRD_KEY };
    assertEquals((await importInto(source, `${folder}/given`, given)).broken, []);
    const one = { key: OTHER_KEY, serverKey: THIRD_KEY };
    assertEquals((await importInto(source, `${folder}/one`, one)).broken.length, 3);
    const own = `${folder}/own`;
    Deno.mkdirSync(own);
    Deno.writeTextFileSync(`${own}/.key`, `${THIRD_KEY}\n`);
    Deno.writeTextFileSync(`${own}/.key-retired`, `${KEY}\n${OTHER_KEY}\n`);
    assertEquals((await importInto(source, own)).broken, []);
    assertEquals(verified(own, THIRD_KEY), 4);
  }));

Deno.test("importFolder() refuses a source whose list of retired keys is malformed", () =>
  withTempFolder(async (folder) => {
    fillRotated(`${folder}/source`);
    Deno.writeTextFileSync(`${folder}/source/.key-retired`, "a\n".repeat(65));
    await assertRejects(
      importInto(`${folder}/source`, `${folder}/into`),
      (error) => error instanceof InvalidSecret && /it has 65 keys/.test(error.message),
    );
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["source"]);
  }));

Deno.test("importFolder() refuses a folder that is not a data folder", () =>
  withTempFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/other/sub`, { recursive: true });
    await assertRejects(
      importInto(`${folder}/other`, `${folder}/into`),
      (error: Error) => error instanceof ImportError && /not a data folder/.test(error.message),
    );
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["other"]);
  }));
