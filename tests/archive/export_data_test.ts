import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { exportData, type ExportOptions } from "../../lib/archive/export_data.ts";
import { createTarDecoder } from "../../lib/deps/modern_tar.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { fromFolderName } from "../../lib/world/name.ts";
import { verifyWorld } from "../../lib/world/file/verify_world.ts";
import { putJob, removeJob, testWriter } from "../testdata/test_writer.ts";
import { fillData, fillRotated, KEY, OTHER_KEY } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";

interface ArchivedFile {
  readonly mode: number | undefined;
  readonly bytes: Uint8Array;
}

/** Exports a folder and unpacks the archive. */
async function exportFolder(data: string, more: Partial<ExportOptions> = {}) {
  const through = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const read = entriesOf(through.readable);
  const done = exportData({ data, sink: through.writable, withKey: true, versions: 100, ...more });
  const [result, entries] = await Promise.all([done, read]);
  return { ...result, entries };
}

async function entriesOf(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Map<string, ArchivedFile>> {
  const found = new Map<string, ArchivedFile>();
  const entries = archive.pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(createTarDecoder({ strict: true }));
  for await (const { header, body } of entries) {
    found.set(header.name, { mode: header.mode, bytes: await new Response(body).bytes() });
  }
  return found;
}

function faultsOf(folder: string, { bytes }: ArchivedFile): unknown {
  const db = new DatabaseSync(":memory:");
  const plain = bytes.slice();
  plain[18] = plain[19] = 1;
  db.deserialize(plain);
  try {
    return verifyWorld(db, fromFolderName(folder) ?? "", createChainSigner(KEY)).faults;
  } finally {
    db.close();
  }
}

const WORLDS = ["etc%2Fconf", "home%2Fa", "home%2Fb c%25d"];

Deno.test("exportData() includes every world and nothing that is secret or derived", () =>
  withTempFolder(async (data) => {
    fillData(data);
    const writer = testWriter(data, { key: KEY });
    writer.apply([putJob("home/gone", "deleted"), removeJob("home/gone")]);
    writer.close();
    const before = snapshotFolder(data);
    const { worlds, isLive: live, includesKey: key, damaged, entries } = await exportFolder(data);
    assertEquals(snapshotFolder(data), before, "the folder was changed");
    assertEquals({ worlds, live, key, damaged }, {
      worlds: 3,
      live: false,
      key: true,
      damaged: [],
    });
    assertEquals([...entries.keys()].sort(), [
      "data/.collections",
      "data/.key",
      ...WORLDS.map((folder) => `data/${folder}/universe.db`),
    ]);
    assertEquals(new TextDecoder().decode(entries.get("data/.key")?.bytes), `${KEY}\n`);
    for (const [name, entry] of entries) {
      assertEquals(entry.mode, 0o600, name);
      const folder = name.split("/")[1] ?? "";
      if (WORLDS.includes(folder)) assertEquals(faultsOf(folder, entry), [], name);
      const text = new TextDecoder("latin1").decode(entry.bytes);
      assert(!text.includes("e".repeat(64)) && !text.includes("deleted"), name);
    }
  }));

Deno.test("exportData() excludes the key with withKey false", () =>
  withTempFolder(async (data) => {
    fillData(data);
    const { includesKey: key, entries } = await exportFolder(data, { withKey: false });
    assertEquals([key, entries.has("data/.key")], [false, false]);
    for (const [name, { bytes }] of entries) {
      assert(!new TextDecoder("latin1").decode(bytes).includes(KEY), name);
    }
  }));

Deno.test("exportData() reports a world that cannot be read and exports the others", () =>
  withTempFolder(async (data) => {
    fillData(data);
    Deno.writeTextFileSync(`${data}/home%2Fa/universe.db`, "no database ".repeat(500));
    const { worlds, damaged } = await exportFolder(data);
    assertEquals([worlds, damaged.map(({ folder }) => folder)], [2, ["home%2Fa"]]);
  }));

Deno.test("exportData() rejects with the reason of the failure", () =>
  withTempFolder(async (data) => {
    fillData(data);
    const full = new WritableStream({ write: () => Promise.reject(new Error("the disk is full")) });
    const options = { data, sink: full, withKey: true, versions: 1 };
    await assertRejects(exportData(options), /the disk is full/);
    const control = new AbortController();
    control.abort(new Error("enough"));
    const sink = new WritableStream();
    await assertRejects(exportData({ ...options, sink, signal: control.signal }), /enough/);
    await assertRejects(
      exportData({ ...options, data: `${data}/nowhere`, sink: new WritableStream() }),
      Deno.errors.NotFound,
    );
  }));

Deno.test("exportData() includes the retired keys with the key, and neither without", () =>
  withTempFolder(async (data) => {
    fillRotated(data);
    const { entries, includesKey, includesRetiredKeys } = await exportFolder(data);
    assertEquals([includesKey, includesRetiredKeys], [true, true]);
    for (const [file, key] of [[".key", OTHER_KEY], [".key-retired", KEY]] as const) {
      const entry = entries.get(`data/${file}`);
      assertEquals(new TextDecoder().decode(entry?.bytes), `${key}\n`);
      assertEquals(entry?.mode, 0o600);
    }
    const without = await exportFolder(data, { withKey: false });
    assertEquals([without.includesKey, without.includesRetiredKeys], [false, false]);
    for (const [name, { bytes }] of without.entries) {
      const text = new TextDecoder("latin1").decode(bytes);
      for (const key of [KEY, OTHER_KEY]) assert(!text.includes(key), name);
      assert(!name.includes(".key"), name);
    }
  }));
