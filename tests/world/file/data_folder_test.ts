import { deepStrictEqual as equal, match, ok, throws } from "node:assert/strict";
import {
  acquireDataFolder,
  DataFolderBusy,
  InvalidSecret,
  loadOrCreateSecret,
  lockDataFolderForReading,
  readSecret,
} from "../../../lib/world/file/data_folder.ts";
import { pathExists } from "../../../lib/world/file/durable_fs.ts";
import { snapshot, withTempData } from "../../testdata/temp_data.ts";

const posix = Deno.build.os !== "windows";

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("acquireDataFolder() makes a folder that is missing, for this user alone", () =>
  withTempData((data) => {
    const folder = acquireDataFolder(`${data}/a/b`);
    ok(pathExists(`${data}/a/b/.trash`));
    if (posix) equal(modeOf(`${data}/a/b`), 0o700);
    folder.release();
  }));

Deno.test("acquireDataFolder() refuses a folder that is held, and names the process that holds it", () =>
  withTempData((data) => {
    const folder = acquireDataFolder(data);
    throws(() => acquireDataFolder(data), (error) => {
      ok(error instanceof DataFolderBusy);
      match(error.message, new RegExp(`another server holds it \\(process ${Deno.pid}\\)`));
      return true;
    });
    folder.release();
    acquireDataFolder(data).release();
  }));

Deno.test("acquireDataFolder() takes over from a server that died without giving the folder back", () =>
  withTempData((data) => {
    // The lock lives with the open file, not with what the file says.
    Deno.writeTextFileSync(`${data}/.lock`, "99999999\n");
    acquireDataFolder(data).release();
    equal(Deno.readTextFileSync(`${data}/.lock`), `${Deno.pid}\n`);
  }));

Deno.test("acquireDataFolder() sweeps away what never arrived, and keeps the trash", () =>
  withTempData((data) => {
    for (const folder of [".incoming/1", ".trash/1"]) {
      Deno.mkdirSync(`${data}/${folder}`, { recursive: true });
      Deno.writeTextFileSync(`${data}/${folder}/universe.db`, "x");
    }
    const folder = acquireDataFolder(data);
    equal([pathExists(`${data}/.incoming/1`), pathExists(`${data}/.trash/1`)], [false, true]);
    folder.release();
  }));

Deno.test("acquireDataFolder() does not touch what belongs to whoever holds the folder", () =>
  withTempData((data) => {
    const folder = acquireDataFolder(data);
    Deno.mkdirSync(`${data}/.incoming/1`);
    const before = snapshot(data);
    throws(() => acquireDataFolder(data), DataFolderBusy);
    equal(snapshot(data), before);
    folder.release();
  }));

Deno.test("lockDataFolderForReading() changes nothing, lets a second look in, and keeps a server out", () =>
  withTempData((data) => {
    acquireDataFolder(data).release();
    const before = snapshot(data);
    const releases = [lockDataFolderForReading(data), lockDataFolderForReading(data)];
    throws(() => acquireDataFolder(data), DataFolderBusy);
    for (const release of releases) release();
    equal(snapshot(data), before);
    acquireDataFolder(data).release();
  }));

Deno.test("lockDataFolderForReading() refuses a folder that a server holds", () =>
  withTempData((data) => {
    const folder = acquireDataFolder(data);
    throws(() => lockDataFolderForReading(data), DataFolderBusy);
    folder.release();
  }));

Deno.test("lockDataFolderForReading() needs no lock where no server ever was", () =>
  withTempData((data) => {
    lockDataFolderForReading(data)();
    equal(snapshot(data), []);
  }));

Deno.test("loadOrCreateSecret() makes a secret once and keeps it from others", () =>
  withTempData((data) => {
    const first = loadOrCreateSecret(data, ".key");
    match(first.secret, /^[0-9a-f]{64}$/);
    equal(first.fresh, true);
    if (posix) equal(modeOf(`${data}/.key`), 0o600);
    equal(loadOrCreateSecret(data, ".key"), { secret: first.secret, fresh: false });
    ok(loadOrCreateSecret(data, ".approve-token").secret !== first.secret);
    ok(!pathExists(`${data}/.key.new`));
  }));

Deno.test("loadOrCreateSecret() closes a file that others could read", () =>
  withTempData((data) => {
    if (!posix) return; // Windows has no modes to close
    loadOrCreateSecret(data, ".key");
    Deno.chmodSync(`${data}/.key`, 0o644);
    loadOrCreateSecret(data, ".key");
    equal(modeOf(`${data}/.key`), 0o600);
  }));

Deno.test("loadOrCreateSecret() never replaces a file that holds no secret, and says what to do", () =>
  withTempData((data) => {
    const contents = ["", "\n", "short", "g".repeat(64), "A".repeat(64), `${"a".repeat(64)} b`];
    for (const content of contents) {
      Deno.writeTextFileSync(`${data}/.key`, content);
      throws(() => loadOrCreateSecret(data, ".key"), (error) => {
        ok(error instanceof InvalidSecret);
        match(error.message, /\.key .*64 hex characters; restore it from a backup/);
        if (content.trim() !== "") ok(!error.message.includes(content), "the message tells it");
        return true;
      });
      equal(Deno.readTextFileSync(`${data}/.key`), content);
    }
  }));

Deno.test("loadOrCreateSecret() survives a crash while it was being made", () =>
  withTempData((data) => {
    Deno.writeTextFileSync(`${data}/.key.new`, "abc");
    equal(loadOrCreateSecret(data, ".key").fresh, true);
  }));

Deno.test("readSecret() makes nothing and changes nothing", () =>
  withTempData((data) => {
    equal(readSecret(data, ".key"), undefined);
    const { secret } = loadOrCreateSecret(data, ".key");
    if (posix) Deno.chmodSync(`${data}/.key`, 0o644);
    const before = snapshot(data);
    equal(readSecret(data, ".key"), secret);
    equal(snapshot(data), before);
    Deno.mkdirSync(`${data}/.folder`);
    throws(() => readSecret(data, ".folder"), InvalidSecret);
  }));
