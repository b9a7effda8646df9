import { deepStrictEqual as equal, throws } from "node:assert/strict";
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

Deno.test("encodeSqlQuery() and decodeSqlQuery() carry every value, by position and by name", async () => {
  const named = Object.fromEntries(PARAMS.map((value, at) => [`p${at}`, value]));
  for (const params of [PARAMS, named]) {
    const written = encodeSqlQuery({ sql: "SELECT 'ü'", params, maxRows: 3, copy: true }, "/a b");
    const { question, image } = decodeSqlQuery(await bytesOf(written));
    equal(question.params, params);
    equal([question.sql, question.path, question.maxRows], ["SELECT 'ü'", "/a b", 3]);
    equal([question.copy, image.length], [true, 0]);
  }
});

Deno.test("encodeSqlQuery() sends a database after the question, whole or in pieces", async () => {
  const database = new Uint8Array([1, 2, 3]);
  for (const source of [database, ReadableStream.from([database.slice(0, 1), database.slice(1)])]) {
    const { question, image } = decodeSqlQuery(
      await bytesOf(encodeSqlQuery({ sql: "x", params: [] }, source)),
    );
    equal([question.path, [...image]], [undefined, [1, 2, 3]]);
  }
});

Deno.test("encodeSqlQuery() refuses a parameter that is no value of SQLite", () => {
  const odd: unknown = { a: 1 };
  throws(() => encodeSqlQuery({ sql: "x", params: [odd as string] }, "/a"), TypeError);
});

Deno.test("encodeSqlResult() and readResponseFrame() carry rows", () => {
  const result = {
    columns: ["a", "a"],
    rows: [["x", 1.5], [null, new Uint8Array([7])], ["9007199254740993", Infinity]],
    truncated: true,
  };
  equal(decodeSqlResult(encodeSqlResult(result)), result);
});

Deno.test("encodeSqlError() and readResponseFrame() carry an error's name and words", () => {
  const error = Object.assign(new Error("words"), { name: "Busy" });
  throws(() => decodeSqlResult(encodeSqlError(error)), { name: "Busy", message: "words" });
  throws(() => decodeSqlResult(encodeSqlError(new TypeError("t"))), TypeError);
  throws(() => decodeSqlResult(encodeSqlError("text")), { name: "Error" });
});
