import { assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import {
  isDamageError,
  isOpenError,
  sqliteErrorCode,
  toStoreError,
} from "../../lib/world/sqlite_errors.ts";
import { StoreError } from "../../lib/world/store.ts";

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

Deno.test("toStoreError() returns a StoreError unchanged", () => {
  const error = new StoreError("precondition", "seen another", "home/x");
  assertStrictEquals(toStoreError(error, "home/y"), error);
});

Deno.test("toStoreError() returns the code full for a full disk, from SQLite and from the file system", () => {
  const errors = [
    Object.assign(new Error("database or disk is full"), { errcode: 13 }),
    Object.assign(new Error("disk I/O error"), { errcode: 10 | (19 << 8) }),
    new Error("database or disk is full"),
    new Error("No space left on device (os error 28)"),
    new Error("Disk quota exceeded (os error 122)"),
    Object.assign(new Error("write"), { message: "ENOSPC: no space left on device, write" }),
  ];
  for (const error of errors) {
    const failure = toStoreError(error, "home/x");
    assertEquals(failure.code, "full", error.message);
    assertEquals(failure.world, "home/x");
  }
});

Deno.test("toStoreError() returns the code in-use for a file that another process has locked", () => {
  const codes = [5, 6, 15, 5 | (1 << 8), 5 | (2 << 8)]; // with BUSY_RECOVERY and BUSY_SNAPSHOT
  const errors = [
    ...codes.map((errcode) => Object.assign(new Error("SQLite"), { errcode })),
    new Error("database is locked"),
    new Error("database table is locked: stage_meta"),
  ];
  for (const error of errors) assertEquals(toStoreError(error, "home/x").code, "in-use");
});

Deno.test("toStoreError() returns read-only for a read-only disk, and busy without free file handles", () => {
  const codes = [
    Object.assign(new Error("attempt to write a readonly database"), { errcode: 8 }),
    Object.assign(new Error("SQLite"), { errcode: 8 | (5 << 8) }),
    new Error("Read-only file system (os error 30)"),
    new Error("Too many open files (os error 24)"),
  ].map((error) => toStoreError(error, "home/x").code);
  assertEquals(codes, ["read-only", "read-only", "read-only", "busy"]);
});

Deno.test("toStoreError() returns the code damaged for other errors and keeps their message", () => {
  for (const error of [new Error("file is not a database"), "a string", undefined, null, 7]) {
    const failure = toStoreError(error, "home/x");
    assertEquals(failure.code, "damaged");
    assertMatch(failure.message, /^Cannot use the file of the world: /);
  }
});

Deno.test("sqliteErrorCode() returns the primary result code of an error of node:sqlite", () => {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE t (x UNIQUE)");
  db.exec("INSERT INTO t VALUES (1)");
  const error = thrownBy(() => db.prepare("INSERT INTO t VALUES (1)").run());
  assertEquals(sqliteErrorCode(error), 19);
  db.close();
  for (const other of [undefined, null, "x", {}, { errcode: "13" }]) {
    assertEquals(sqliteErrorCode(other), undefined);
  }
});

Deno.test("isOpenError() knows errors with a code, and those of exec, which have none", () => {
  for (const errcode of [10, 14, 10 | (4 << 8)]) {
    assertEquals(isOpenError(Object.assign(new Error("x"), { errcode })), true);
  }
  assertEquals(isOpenError(Object.assign(new Error("disk I/O error"), { errcode: 11 })), false);
  assertEquals(isOpenError(new Error("unable to open database file: /data/x")), true);
  assertEquals(isOpenError(new Error("disk I/O error")), true);
  assertEquals(isOpenError(new Error("no such table: disk I/O error")), false);
  assertEquals(isOpenError("disk I/O error"), false);
});

Deno.test("isDamageError() is true for a file that is damaged, was cut or was moved", () => {
  const withCode = (errcode: number) => Object.assign(new Error("failed"), { errcode });
  for (const code of [11, 26, 11 | (1 << 8), 10 | (2 << 8), 8 | (4 << 8)]) {
    assertEquals(isDamageError(withCode(code)), true, String(code));
  }
  for (const code of [5, 8, 10, 13, 14, 10 | (19 << 8)]) {
    assertEquals(isDamageError(withCode(code)), false, String(code));
  }
  assertEquals(isDamageError(new Error("file is not a database")), true);
  assertEquals(isDamageError(new Error("database is locked")), false);
});
