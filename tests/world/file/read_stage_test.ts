import { assertEquals, assertThrows } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import {
  readStage,
  readStageBody,
  readStagePieces,
  readStageRow,
  rowsOf,
  toBytes,
} from "../../../lib/world/file/read_stage.ts";
import * as sql from "../../../lib/world/file/sql.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A world with version 3, `base`, and these pieces: version, version of the row, bytes. */
function withWorld(
  pieces: readonly (readonly [number, number, string | Uint8Array])[],
  use: (db: DatabaseSync) => void,
): void {
  const db = new DatabaseSync(":memory:");
  try {
    db.exec(sql.CREATE_WORLD);
    db.prepare(sql.INSERT_STAGE).run(encoder.encode("base"), 3, "t3", "md", "[]", "old");
    if (pieces.length > 0) db.exec(sql.CREATE_PIECES);
    for (const [version, base, bytes] of pieces) {
      db.prepare(sql.INSERT_PIECE).run(version, base, `t${version}`, "new", bytes);
    }
    use(db);
  } finally {
    db.close();
  }
}

function textOf(value: unknown): string {
  return decoder.decode(toBytes(value));
}

Deno.test("readStage(), readStageRow() and readStageBody() return the row if there are no pieces", () =>
  withWorld([], (db) => {
    const { stage_html, ...columns } = readStage(rowsOf(db)) ?? {};
    const expected = { version: 3, updated_at: "t3", ext: "md", headers: "[]", state: "old" };
    assertEquals([textOf(stage_html), columns], ["base", expected]);
    assertEquals({ ...readStageRow(rowsOf(db)) }, { ...expected, len: 4 });
    assertEquals(decoder.decode(readStageBody(rowsOf(db))), "base");
    db.exec(sql.CREATE_PIECES);
    assertEquals({ ...readStageRow(rowsOf(db)) }, { ...expected, len: 4 }, "an empty table");
    assertEquals(decoder.decode(readStageBody(rowsOf(db))), "base", "an empty table");
  }));

Deno.test("readStage(), readStageRow() and readStageBody() join the pieces in the order of their versions", () =>
  withWorld([[7, 3, encoder.encode(" two")], [4, 3, " öne"]], (db) => {
    const { stage_html, ...columns } = readStage(rowsOf(db)) ?? {};
    const expected = { version: 7, updated_at: "t7", ext: "md", headers: "[]", state: "new" };
    assertEquals([textOf(stage_html), columns], ["base öne two", expected]);
    assertEquals(readStageRow(rowsOf(db)), { ...expected, len: 13 });
    assertEquals(decoder.decode(readStageBody(rowsOf(db))), "base öne two");
    assertEquals(readStagePieces(rowsOf(db), 3)?.count, 2);
    assertEquals(readStagePieces(rowsOf(db), 3)?.bytes, 9);
  }));

Deno.test("readStage() returns long beyond its limit, also if only the pieces exceed it", () =>
  withWorld([[4, 3, " one"], [7, 3, " two"]], (db) => {
    assertEquals(readStage(rowsOf(db), 11), "long");
    const found = readStage(rowsOf(db), 12);
    assertEquals(found === "long" ? found : textOf(found?.stage_html), "base one two");
    db.exec("DELETE FROM stage_meta");
    assertEquals(readStage(rowsOf(db), 12), undefined);
  }));

Deno.test("readStage() returns the integers of a statement that reads them exactly", () =>
  withWorld([[7, 3, "x"]], (db) => {
    const read = (statement: string) => {
      const prepared = db.prepare(statement);
      prepared.setReadBigInts(true);
      return prepared.all();
    };
    assertEquals(readStage(read)?.version, 7n);
  }));

Deno.test("readStage(), readStageRow() and readStageBody() refuse pieces of another row", () => {
  for (
    const pieces of [[[4, 2, "x"]], [[4, 3, "x"], [5, 4, "y"]], [[3, 3, "x"]], [[
      4,
      9,
      "x",
    ]]] as const
  ) {
    withWorld(pieces, (db) => {
      for (const read of [readStage, readStageRow, readStageBody]) {
        assertThrows(() => read(rowsOf(db)), { name: "StoreError", code: "damaged" });
      }
    });
  }
  withWorld([[4, 2, "x"]], (db) => {
    assertThrows(() => readStage(rowsOf(db)), {
      message: "Cannot use the world: its pieces continue version 2 and its row has version 3",
    });
  });
});

Deno.test("readStage() and readStageRow() return undefined without a row, readStageBody() no bytes", () =>
  withWorld([[4, 3, "x"]], (db) => {
    db.exec("DELETE FROM stage_meta");
    assertEquals([readStage(rowsOf(db)), readStageRow(rowsOf(db))], [undefined, undefined]);
    assertEquals(readStageBody(rowsOf(db)).length, 0);
  }));
