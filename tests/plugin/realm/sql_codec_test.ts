import { assertEquals, assertThrows } from "../../support/assert.ts";
import {
  decodeSqlQuery,
  decodeSqlResult,
  encodeSqlError,
  encodeSqlQuery,
  encodeSqlResult,
} from "../../../lib/plugin/realm/sql_codec.ts";

const PARAMS = [null, "ü", 1, 1.5, -Infinity, 2n ** 62n, new Uint8Array([0, 255])];

async function bytesOf(written: ReturnType<typeof encodeSqlQuery>) {
  return await new Response(written instanceof Uint8Array ? written : written).bytes();
}

Deno.test("decodeSqlQuery() returns every parameter that encodeSqlQuery() encoded, by position and by name", async () => {
  const named = Object.fromEntries(PARAMS.map((value, at) => [`p${at}`, value]));
  for (const params of [PARAMS, named]) {
    const written = encodeSqlQuery({ sql: "SELECT 'ü'", params, maxRows: 3, copy: true }, "/a b");
    const { query, image } = decodeSqlQuery(await bytesOf(written));
    assertEquals(query.params, params);
    assertEquals([query.sql, query.path, query.maxRows], ["SELECT 'ü'", "/a b", 3]);
    assertEquals([query.copy, image.length], [true, 0]);
  }
});

Deno.test("encodeSqlQuery() appends a database to the query, from bytes or from a stream", async () => {
  const database = new Uint8Array([1, 2, 3]);
  for (const source of [database, ReadableStream.from([database.slice(0, 1), database.slice(1)])]) {
    const { query, image } = decodeSqlQuery(
      await bytesOf(encodeSqlQuery({ sql: "x", params: [] }, source)),
    );
    assertEquals([query.path, [...image]], [undefined, [1, 2, 3]]);
  }
});

Deno.test("encodeSqlQuery() throws a TypeError for a parameter that is not a value of SQLite", () => {
  const odd: unknown = { a: 1 };
  assertThrows(() => encodeSqlQuery({ sql: "x", params: [odd as string] }, "/a"), TypeError);
});

Deno.test("decodeSqlResult() returns the result that encodeSqlResult() encoded", () => {
  const result = {
    columns: ["a", "a"],
    rows: [["x", 1.5], [null, new Uint8Array([7])], ["9007199254740993", Infinity]],
    truncated: true,
  };
  assertEquals(decodeSqlResult(encodeSqlResult(result)), result);
});

Deno.test("decodeSqlResult() throws the error that encodeSqlError() encoded", () => {
  const error = Object.assign(new Error("words"), { name: "Busy" });
  assertThrows(() => decodeSqlResult(encodeSqlError(error)), { name: "Busy", message: "words" });
  assertThrows(() => decodeSqlResult(encodeSqlError(new TypeError("t"))), TypeError);
  assertThrows(() => decodeSqlResult(encodeSqlError("text")), { name: "Error" });
});
