import { assert, assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import {
  acquireDataFolder,
  assertHasWorlds,
  DataFolderBusy,
  InvalidSecret,
  loadOrCreateSecret,
  lockDataFolderForReading,
  readSecret,
  UnusableEntry,
} from "../../../lib/world/file/data_folder.ts";
import { pathExists } from "../../../lib/world/file/durable_fs.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { snapshotFolder } from "../../support/snapshot_folder.ts";

const posix = Deno.build.os !== "windows";

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("acquireDataFolder() creates a missing folder that only this user can read", () =>
  withTempFolder((data) => {
    const folder = acquireDataFolder(`${data}/a/b`);
    assert(pathExists(`${data}/a/b/.trash`));
    if (posix) assertEquals(modeOf(`${data}/a/b`), 0o700);
    folder.release();
  }));

Deno.test("acquireDataFolder() refuses a folder that another process holds and reports its id", () =>
  withTempFolder((data) => {
    const folder = acquireDataFolder(data);
    assertThrows(() => acquireDataFolder(data), (error) => {
      assert(error instanceof DataFolderBusy);
      assertMatch(error.message, new RegExp(`another server holds it \\(process ${Deno.pid}\\)`));
      return true;
    });
    folder.release();
    acquireDataFolder(data).release();
  }));

Deno.test("acquireDataFolder() accepts a folder whose server stopped without releasing it", () =>
  withTempFolder((data) => {
    // The lock belongs to the open file, not to the process id that the file contains.
    Deno.writeTextFileSync(`${data}/.lock`, "99999999\n");
    acquireDataFolder(data).release();
    assertEquals(Deno.readTextFileSync(`${data}/.lock`), `${Deno.pid}\n`);
  }));

Deno.test("acquireDataFolder() empties the incoming folder and keeps the trash", () =>
  withTempFolder((data) => {
    for (const folder of [".incoming/1", ".trash/1"]) {
      Deno.mkdirSync(`${data}/${folder}`, { recursive: true });
      Deno.writeTextFileSync(`${data}/${folder}/universe.db`, "x");
    }
    const folder = acquireDataFolder(data);
    assertEquals([pathExists(`${data}/.incoming/1`), pathExists(`${data}/.trash/1`)], [
      false,
      true,
    ]);
    folder.release();
  }));

Deno.test("acquireDataFolder() changes nothing in a folder that another process holds", () =>
  withTempFolder((data) => {
    const folder = acquireDataFolder(data);
    Deno.mkdirSync(`${data}/.incoming/1`);
    const before = snapshotFolder(data);
    assertThrows(() => acquireDataFolder(data), DataFolderBusy);
    assertEquals(snapshotFolder(data), before);
    folder.release();
  }));

Deno.test("lockDataFolderForReading() allows a second reader, excludes a server and changes nothing", () =>
  withTempFolder((data) => {
    acquireDataFolder(data).release();
    const before = snapshotFolder(data);
    const releases = [lockDataFolderForReading(data), lockDataFolderForReading(data)];
    assertThrows(() => acquireDataFolder(data), DataFolderBusy);
    for (const release of releases) release();
    assertEquals(snapshotFolder(data), before);
    acquireDataFolder(data).release();
  }));

Deno.test("lockDataFolderForReading() refuses a folder that a server holds", () =>
  withTempFolder((data) => {
    const folder = acquireDataFolder(data);
    assertThrows(() => lockDataFolderForReading(data), DataFolderBusy);
    folder.release();
  }));

Deno.test("assertHasWorlds() refuses a folder in which no server has kept worlds", () =>
  withTempFolder((data) => {
    assertThrows(() => assertHasWorlds(`${data}/none`), Deno.errors.NotFound);
    // What commands for keys leave.
    acquireDataFolder(data).release();
    Deno.writeTextFileSync(`${data}/.key-retired`, "key\n");
    assertThrows(
      () => assertHasWorlds(data),
      (error: unknown) =>
        error instanceof UnusableEntry && /no server has kept/.test(error.message),
    );
    // All worlds were deleted.
    Deno.writeTextFileSync(`${data}/.names.db`, "");
    assertHasWorlds(data);
    Deno.removeSync(`${data}/.names.db`);
    // An export that was unpacked.
    Deno.mkdirSync(`${data}/home%2Fx`);
    assertHasWorlds(data);
  }));

Deno.test("lockDataFolderForReading() succeeds without a lock file", () =>
  withTempFolder((data) => {
    lockDataFolderForReading(data)();
    assertEquals(snapshotFolder(data), []);
  }));

Deno.test("loadOrCreateSecret() creates a secret once, readable only by this user", () =>
  withTempFolder((data) => {
    const first = loadOrCreateSecret(data, ".key");
    assertMatch(first.secret, /^[0-9a-f]{64}$/);
    assertEquals(first.fresh, true);
    if (posix) assertEquals(modeOf(`${data}/.key`), 0o600);
    assertEquals(loadOrCreateSecret(data, ".key"), { secret: first.secret, fresh: false });
    assert(loadOrCreateSecret(data, ".approve-token").secret !== first.secret);
    assert(!pathExists(`${data}/.key.new`));
  }));

Deno.test("loadOrCreateSecret() removes the permissions of other users", () =>
  withTempFolder((data) => {
    if (!posix) return; // Windows has no modes to close
    loadOrCreateSecret(data, ".key");
    Deno.chmodSync(`${data}/.key`, 0o644);
    loadOrCreateSecret(data, ".key");
    assertEquals(modeOf(`${data}/.key`), 0o600);
  }));

Deno.test("loadOrCreateSecret() refuses a file without a secret and does not replace it", () =>
  withTempFolder((data) => {
    const contents = ["", "\n", "short", "g".repeat(64), "A".repeat(64), `${"a".repeat(64)} b`];
    for (const content of contents) {
      Deno.writeTextFileSync(`${data}/.key`, content);
      assertThrows(() => loadOrCreateSecret(data, ".key"), (error) => {
        assert(error instanceof InvalidSecret);
        assertMatch(error.message, /\.key .*64 hexadecimal digits; restore it from a backup/);
        if (content.trim() !== "") {
          assert(!error.message.includes(content), "the message contains the secret");
        }
        return true;
      });
      assertEquals(Deno.readTextFileSync(`${data}/.key`), content);
    }
  }));

Deno.test("loadOrCreateSecret() ignores the temporary file of a crash", () =>
  withTempFolder((data) => {
    Deno.writeTextFileSync(`${data}/.key.new`, "abc");
    assertEquals(loadOrCreateSecret(data, ".key").fresh, true);
  }));

Deno.test("readSecret() returns undefined for a missing file and changes nothing", () =>
  withTempFolder((data) => {
    assertEquals(readSecret(data, ".key"), undefined);
    const { secret } = loadOrCreateSecret(data, ".key");
    if (posix) Deno.chmodSync(`${data}/.key`, 0o644);
    const before = snapshotFolder(data);
    assertEquals(readSecret(data, ".key"), secret);
    assertEquals(snapshotFolder(data), before);
    Deno.mkdirSync(`${data}/.folder`);
    assertThrows(() => readSecret(data, ".folder"), InvalidSecret);
  }));
