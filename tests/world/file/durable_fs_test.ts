import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  createWorldFolder,
  INCOMING_FOLDER,
  moveToTrash,
  pathExists,
  replaceFile,
  syncFolder,
  TRASH_FOLDER,
  tryRemove,
  WORLD_FILE,
  writeSynced,
} from "../../../lib/world/file/durable_fs.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const image = new TextEncoder().encode("a world");

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("createWorldFolder() creates a folder with its file, readable only by this user", () =>
  withTempFolder((data) => {
    createWorldFolder(data, "home%2Fx", image, "1");
    assertEquals(Deno.readFileSync(`${data}/home%2Fx/${WORLD_FILE}`), image);
    assertEquals(names(`${data}/${INCOMING_FOLDER}`), []);
    if (Deno.build.os === "windows") return;
    assertEquals([modeOf(`${data}/home%2Fx`), modeOf(`${data}/home%2Fx/${WORLD_FILE}`)], [
      0o700,
      0o600,
    ]);
  }));

Deno.test("createWorldFolder() moves an existing folder without a world to the trash", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/home%2Fx`);
    Deno.writeTextFileSync(`${data}/home%2Fx/note`, "by hand");
    createWorldFolder(data, "home%2Fx", image, "1");
    assertEquals(names(`${data}/home%2Fx`), [WORLD_FILE]);
    assertEquals(
      Deno.readTextFileSync(`${data}/${TRASH_FOLDER}/leftover-1/home%2Fx/note`),
      "by hand",
    );
  }));

Deno.test("createWorldFolder() removes its temporary folder if it fails", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/home%2Fx`);
    Deno.writeTextFileSync(`${data}/${TRASH_FOLDER}`, "no folder");
    assertThrows(() => createWorldFolder(data, "home%2Fx", image, "1"));
    assertEquals(names(`${data}/${INCOMING_FOLDER}`), []);
    assert(pathExists(`${data}/home%2Fx`));
  }));

Deno.test("moveToTrash() uses separate folders for two removals of one name", () =>
  withTempFolder((data) => {
    const places = ["1", "2"].map((serial) => {
      createWorldFolder(data, "home%2Fx", new TextEncoder().encode(serial), serial);
      return moveToTrash(data, "home%2Fx", serial);
    });
    assertEquals(places.map((place) => Deno.readTextFileSync(`${place}/${WORLD_FILE}`)), [
      "1",
      "2",
    ]);
    assert(!pathExists(`${data}/home%2Fx`));
  }));

Deno.test("replaceFile() replaces a file, and keeps the old one if it fails", () =>
  withTempFolder((data) => {
    replaceFile(`${data}/f`, new TextEncoder().encode("a longer text"));
    replaceFile(`${data}/f`, new TextEncoder().encode("short"));
    assertEquals(Deno.readTextFileSync(`${data}/f`), "short");
    // What a crash or a person left is removed first; a link would lead to another file.
    Deno.writeTextFileSync(`${data}/other`, "other");
    Deno.symlinkSync("other", `${data}/f.new`);
    replaceFile(`${data}/f`, new TextEncoder().encode("short"));
    assertEquals(Deno.readTextFileSync(`${data}/other`), "other");
    Deno.mkdirSync(`${data}/f.new/x`, { recursive: true });
    assertThrows(() => replaceFile(`${data}/f`, new TextEncoder().encode("never")));
    assertEquals(Deno.readTextFileSync(`${data}/f`), "short");
  }));

Deno.test("writeSynced() replaces the content of a file that only this user can read", () =>
  withTempFolder((data) => {
    const big = new Uint8Array(3 * 1024 * 1024).fill(7);
    writeSynced(`${data}/f`, big);
    assertEquals(Deno.statSync(`${data}/f`).size, big.length);
    writeSynced(`${data}/f`, new Uint8Array());
    assertEquals(Deno.statSync(`${data}/f`).size, 0);
    if (Deno.build.os !== "windows") assertEquals(modeOf(`${data}/f`), 0o600);
  }));

Deno.test("syncFolder() throws if the folder does not exist", () =>
  withTempFolder((data) => {
    syncFolder(data);
    if (Deno.build.os !== "windows") {
      assertThrows(() => syncFolder(`${data}/none`), Deno.errors.NotFound);
    }
  }));

Deno.test("pathExists() is true for a symbolic link without a target", () =>
  withTempFolder((data) => {
    assertEquals(pathExists(`${data}/x`), false);
    Deno.symlinkSync(`${data}/nowhere`, `${data}/x`);
    assertEquals(pathExists(`${data}/x`), true);
  }));

Deno.test("tryRemove() removes a path and ignores a missing one", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/a/b`, { recursive: true });
    tryRemove(`${data}/a`);
    tryRemove(`${data}/a`);
    assertEquals(names(data), []);
  }));
