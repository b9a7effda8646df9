import { assertEquals, assertThrows } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { UntrustedWorldError, withUntrustedWorld } from "../../lib/archive/untrusted_world.ts";
import { CREATE_HISTORY, CREATE_WORLD } from "../../lib/world/file/sql.ts";
import { fillOriginal } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";

function look(path: string): string {
  return withUntrustedWorld(path, () => Deno.makeTempDirSync(), (db) => {
    assertThrows(() => db.exec("DELETE FROM events"), /readonly/);
    return "looked";
  });
}

Deno.test("withUntrustedWorld() opens worlds and v5 worlds read-only", () =>
  withTempFolder((folder) => {
    const own = new DatabaseSync(`${folder}/own.db`);
    own.exec(CREATE_WORLD + CREATE_HISTORY);
    own.close();
    fillOriginal(folder, [{ folder: "x", body: "hi" }]);
    assertEquals(look(`${folder}/own.db`), "looked");
    assertEquals(look(`${folder}/x/universe.db`), "looked");
  }));

Deno.test("withUntrustedWorld() rejects files with triggers, views, virtual tables or generated columns", () =>
  withTempFolder((folder) => {
    const rows: readonly [string, string][] = [
      ["it contains a view", "CREATE VIEW content AS SELECT 1 AS sha256, 2 AS bytes"],
      [
        "it contains a view",
        `DROP TABLE stage_meta; CREATE VIEW stage_meta AS WITH RECURSIVE n(i) AS
         (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, zeroblob(1000) AS stage_html FROM n`,
      ],
      [
        "it contains a trigger",
        "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END",
      ],
      ["it contains a index", "CREATE INDEX i ON events(abs(length(payload)))"],
      ["it contains a table that no world has", "CREATE TABLE extra (x)"],
      ["it contains a table that no world has", "CREATE VIRTUAL TABLE s USING fts5(x)"],
      [
        "it contains a virtual table",
        "DROP TABLE events; CREATE VIRTUAL TABLE events USING fts5(payload)",
      ],
      [
        "it contains a generated column",
        `DROP TABLE events; CREATE TABLE events (id INTEGER PRIMARY KEY,
         payload TEXT GENERATED ALWAYS AS (hex(zeroblob(500000000))) VIRTUAL)`,
      ],
      [
        "it contains a generated column",
        "DROP TABLE events; CREATE TABLE events (id INTEGER PRIMARY KEY, payload AS (hex(id)))",
      ],
      ["it does not have the tables of a world", "DROP TABLE events"],
    ];
    rows.forEach(([reason, made], i) => {
      const db = new DatabaseSync(`${folder}/${i}.db`);
      db.exec(`${CREATE_WORLD}${made}`);
      db.close();
      assertThrows(
        () => look(`${folder}/${i}.db`),
        (error) => error instanceof UntrustedWorldError && error.message === reason,
        made,
      );
    });
  }));

Deno.test("withUntrustedWorld() rejects files that are not a database", () =>
  withTempFolder((folder) => {
    for (const [name, text] of [["text", "no database ".repeat(99)], ["empty", ""]] as const) {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
      assertThrows(() => look(`${folder}/${name}`), name);
    }
  }));
