import { assertEquals, assertThrows, errorWith } from "../support/assert.ts";
import { BackupError, BackupFolder, listBins, timeOfId } from "../../lib/archive/backup_folder.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("BackupFolder.create() accepts a new or an empty folder, and its own backup", () =>
  withTempFolder((folder) => {
    for (const path of [`${folder}/new/deep`, folder]) {
      const backup = new BackupFolder(path);
      if (path === folder) Deno.removeSync(`${folder}/new`, { recursive: true });
      assertEquals(backup.isBackup(), false, path);
      backup.create();
      backup.create();
      assertEquals(backup.isBackup(), true, path);
    }
  }));

Deno.test("BackupFolder.create() refuses other files and a later format", () =>
  withTempFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/notes.txt`, "mine");
    assertThrows(
      () => new BackupFolder(folder).create(),
      errorWith(BackupError, "contains other files"),
    );
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["notes.txt"]);
    Deno.removeSync(`${folder}/notes.txt`);
    for (const mark of ['{"format":2}', "{}", "no JSON", ""]) {
      Deno.writeTextFileSync(`${folder}/elastik-backup.json`, mark);
      assertThrows(
        () => new BackupFolder(folder).create(),
        errorWith(BackupError, "its format is not 1"),
      );
    }
  }));

Deno.test("BackupFolder reads the states that it saved, and none if they are lost or damaged", () =>
  withTempFolder((folder) => {
    const backup = new BackupFolder(folder);
    assertEquals([...backup.readStates()], []);
    const states = new Map([["home%2Fa", "1:2:3"], ["__proto__", "x"]]);
    backup.saveStates(states);
    assertEquals(backup.readStates().get("home%2Fa"), "1:2:3");
    for (const text of ["", "{", "[1]", "null", '{"home%2Fa":1}']) {
      Deno.writeTextFileSync(`${folder}/.states.json`, text);
      assertEquals(backup.readStates().get("home%2Fa"), undefined, text);
    }
  }));

Deno.test("listBins() lists worlds only, sorted by id", () =>
  withTempFolder((trash) => {
    for (
      const path of ["b/home%2Fx", "a/home%2Fy", "a/%zz", ".hidden/home%2Fx", "c/home%2Fempty"]
    ) {
      Deno.mkdirSync(`${trash}/${path}`, { recursive: true });
      if (!path.startsWith("c/")) Deno.writeTextFileSync(`${trash}/${path}/universe.db`, "");
    }
    Deno.writeTextFileSync(`${trash}/file`, "");
    const found = listBins(trash).map(({ id, folder }) => `${id} ${folder}`);
    assertEquals(found, ["a home%2Fy", "b home%2Fx"]);
    assertEquals(listBins(`${trash}/missing`), []);
  }));

Deno.test("timeOfId() reads the time of a removal", () => {
  const at = Date.parse("2026-11-28T10:11:12.123Z");
  assertEquals(timeOfId("20261128T101112123Z-0a1b2c3d4e5f"), at);
  assertEquals(timeOfId("gone-20261128T101112123Z"), at);
  for (const id of ["leftover-1", "", "20269928T101112123Z-x"]) {
    assertEquals(timeOfId(id), undefined, id);
  }
});

Deno.test("BackupFolder.isBackup() is false for a file, and for a path that does not exist", () =>
  withTempFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    for (const path of ["file", "file/x", "none"]) {
      assertEquals(new BackupFolder(`${folder}/${path}`).isBackup(), false, path);
    }
    return Promise.resolve();
  }));
