import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import { toBytes } from "../../../lib/world/file/read_stage.ts";
import { WorldFile } from "../../../lib/world/file/world_file.ts";
import { createSample, SAMPLE_FILE, SAMPLE_KEY, SAMPLE_NAME } from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const encoder = new TextEncoder();
const NOW = "2026-02-01T00:00:00.000Z";
const FACTS = { by: "T2" };

function open(data: string): WorldFile {
  return new WorldFile(SAMPLE_NAME, `${data}/${SAMPLE_FILE}`, {
    sign: createChainSigner(SAMPLE_KEY),
    sync: "full",
    history: { versions: 100, bytes: 1024 * 1024 },
  });
}

function faults(data: string): unknown {
  const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
  try {
    return verifyWorld(db, SAMPLE_NAME, createChainSigner(SAMPLE_KEY)).faults;
  } finally {
    db.close();
  }
}

function withFile(use: (file: WorldFile, data: string) => void): Promise<void> {
  return withTempFolder((data) => {
    createSample(data);
    const file = open(data);
    try {
      use(file, data);
    } finally {
      file.close();
    }
    assertEquals(faults(data), []);
  });
}

function replace(file: WorldFile, text: string, state = ""): void {
  file.replace(encoder.encode(text), { ext: "md", headers: "[]", state }, NOW, FACTS);
}

Deno.test("WorldFile.replace() increments the stored version", () =>
  withFile((file) => {
    assertEquals(file.row.version, 5);
    file.begin();
    replace(file, "six\n");
    file.commit();
    assertEquals(file.row, {
      version: 6,
      updatedAt: NOW,
      ext: "md",
      headers: "[]",
      state: "",
      len: 4,
    });
    assertEquals(file.sha256, sha256Hex("six\n"));
  }));

Deno.test("WorldFile.append() continues the hash and keeps ext and metadata", () =>
  withFile((file) => {
    file.begin();
    for (const text of ["six\n", "", "seven\n"]) file.append(encoder.encode(text), "", NOW, FACTS);
    file.commit();
    assertEquals(file.row.version, 8);
    assertEquals(file.row.headers, '[["x-meta-author","sample"]]');
    assertEquals(file.row.ext, "txt");
    assertEquals(file.body(), encoder.encode("five\nsix\nseven\n"));
    assertEquals(file.sha256, sha256Hex("five\nsix\nseven\n"));
  }));

Deno.test("WorldFile.append() computes the right hash after a replacement", () =>
  withFile((file) => {
    file.begin();
    file.append(encoder.encode("a"), "", NOW, FACTS);
    replace(file, "b");
    file.append(encoder.encode("c"), "", NOW, FACTS);
    file.commit();
    assertEquals(file.sha256, sha256Hex("bc"));
  }));

Deno.test("WorldFile.rollback() restores the state in memory", () =>
  withFile((file) => {
    const before = { row: file.row, sha256: file.sha256 };
    file.begin();
    file.append(encoder.encode("never"), "", NOW, FACTS);
    replace(file, "never");
    file.note("remark", FACTS, NOW);
    file.rollback();
    assertEquals({ row: file.row, sha256: file.sha256 }, before);
    file.begin();
    file.append(encoder.encode("six\n"), "", NOW, FACTS);
    file.commit();
    assertEquals(file.row.version, 6);
    assertEquals(file.sha256, sha256Hex("five\nsix\n"));
  }));

Deno.test("WorldFile.rollback() does nothing without an open transaction", () =>
  withFile((file) => {
    file.rollback();
    assertEquals(file.row.version, 5);
  }));

Deno.test("WorldFile.transition() changes only the state", () =>
  withFile((file) => {
    const { sha256 } = file;
    file.begin();
    file.transition("active", NOW, FACTS);
    file.commit();
    assertEquals([file.row.state, file.row.version, file.sha256], ["active", 5, sha256]);
  }));

Deno.test("WorldFile appends a state_transition event if a write changes the state", () =>
  withFile((file) => {
    file.begin();
    file.transition("active", NOW, FACTS);
    replace(file, "other source", "pending");
    file.transition("active", NOW, FACTS);
    file.append(encoder.encode("more"), "pending", NOW, FACTS);
    file.commit();
    const types = file.all("SELECT event_type, payload FROM events WHERE id > 6 ORDER BY id")
      .map(({ event_type: type, payload }) => [type, JSON.parse(String(payload)).to]);
    assertEquals(types, [
      ["state_transition", "active"],
      ["stage_written", undefined],
      ["state_transition", "pending"],
      ["state_transition", "active"],
      ["stage_appended", undefined],
      ["state_transition", "pending"],
    ]);
  }));

Deno.test("WorldFile stores all bytes unchanged", () =>
  withFile((file) => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff);
    file.begin();
    file.replace(bytes, { ext: "bin", headers: "[]", state: "" }, NOW, FACTS);
    file.append(bytes.subarray(1, 300), "", NOW, FACTS);
    file.replace(new Uint8Array(), { ext: "bin", headers: "[]", state: "" }, NOW, FACTS);
    file.append(Uint8Array.of(0), "", NOW, FACTS);
    file.commit();
    assertEquals(file.body(), Uint8Array.of(0));
    assertEquals(file.get("SELECT typeof(stage_html) AS t FROM stage_meta")?.t, "blob");
  }));

Deno.test("WorldFile.append() accepts a row that was edited to text", () =>
  withTempFolder((data) => {
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("UPDATE stage_meta SET stage_html = 'fünf'");
    db.close();
    const file = open(data);
    file.begin();
    file.append(encoder.encode("!"), "", NOW, FACTS);
    file.commit();
    assertEquals(file.body(), encoder.encode("fünf!"));
    assertEquals(file.sha256, sha256Hex("fünf!"));
    file.close();
  }));

Deno.test("WorldFile.append() counts the length in bytes, also after an edit to text", () =>
  withTempFolder((data) => {
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("UPDATE stage_meta SET stage_html = 'üüü'");
    db.close();
    const file = open(data);
    assertEquals(file.row.len, 6);
    file.close();
  }));

Deno.test("WorldFile refuses a file without its row or its tables", () =>
  withTempFolder((data) => {
    createSample(data);
    for (const damage of ["DELETE FROM stage_meta", "DROP TABLE stage_meta"]) {
      const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
      db.exec(damage);
      db.close();
      assertThrows(() => open(data), /has no row|no such table/);
    }
    // A refused file is closed again.
    assert(
      !Array.from(Deno.readDirSync(`${data}/home%2Fsample`)).some(({ name }) =>
        name.endsWith("-wal")
      ),
    );
  }));

Deno.test("toBytes() copies a BLOB, encodes text as UTF-8 and returns no bytes for other values", () => {
  const bytes = Uint8Array.of(1, 2);
  const copy = toBytes(bytes);
  bytes[0] = 9;
  assertEquals(copy, Uint8Array.of(1, 2));
  assertEquals(toBytes("ü"), encoder.encode("ü"));
  for (const other of [null, undefined, 7, 7n]) assertEquals(toBytes(other), new Uint8Array());
});

/** Makes a world whose last append is a piece. */
function appendPiece(file: WorldFile): void {
  file.begin();
  replace(file, "x".repeat(20_000));
  file.append(encoder.encode("tail"), "", NOW, FACTS);
  file.commit();
  assertEquals(file.hasPieces, true);
}

Deno.test("WorldFile.fold() writes the pieces into the row, with the same version and no event", () =>
  withFile((file, data) => {
    appendPiece(file);
    const before = [file.row, file.sha256, file.get("SELECT count(*) AS n FROM events")?.n];
    const rowOf = () => {
      const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
      try {
        return db.prepare("SELECT version, length(stage_html) AS len FROM stage_meta").get();
      } finally {
        db.close();
      }
    };
    assertEquals({ ...rowOf() }, { version: 6, len: 20_000 });
    file.fold();
    assertEquals({ ...rowOf() }, { version: 7, len: 20_004 });
    assertEquals(
      [file.row, file.sha256, file.get("SELECT count(*) AS n FROM events")?.n],
      before,
    );
    assertEquals(file.hasPieces, false);
    file.fold();
  }));

Deno.test("WorldFile.fold() leaves the pieces if another process has locked the file, and works later", () =>
  withFile((file, data) => {
    appendPiece(file);
    const other = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    try {
      other.exec("BEGIN IMMEDIATE");
      assertThrows(() => file.fold(), /locked/);
      assertEquals([file.hasPieces, file.isOpen, file.row.version], [true, true, 7]);
    } finally {
      other.close();
    }
    file.fold();
    assertEquals([file.hasPieces, file.row.version, file.body().length], [false, 7, 20_004]);
  }));

Deno.test("WorldFile.fold() writes nothing to a file that was moved", () =>
  withFile((file, data) => {
    appendPiece(file);
    Deno.renameSync(`${data}/${SAMPLE_FILE}`, `${data}/moved`);
    try {
      assertThrows(() => file.fold(), { name: "StoreError", code: "in-use" });
      assertEquals(file.hasPieces, true);
    } finally {
      Deno.renameSync(`${data}/moved`, `${data}/${SAMPLE_FILE}`);
    }
  }));

Deno.test("WorldFile.fold() takes the row from the file after a failed transaction was not rolled back in memory", () =>
  withFile((file) => {
    appendPiece(file);
    file.begin();
    file.append(encoder.encode("never"), "", NOW, FACTS);
    file.exec("ROLLBACK");
    file.takeEvents();
    file.fold();
    assertEquals([file.row.version, file.body().length], [7, 20_004]);
    file.rollback();
  }));
