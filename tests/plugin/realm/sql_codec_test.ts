import { deepStrictEqual as equal, throws } from "node:assert/strict";
import {
  readAnswer,
  readQuestion,
  writeAnswer,
  writeQuestion,
  writeRefusal,
} from "../../../lib/plugin/realm/sql_codec.ts";

const PARAMS = [null, "ü", 1, 1.5, -Infinity, 2n ** 62n, new Uint8Array([0, 255])];

async function bytesOf(written: ReturnType<typeof writeQuestion>) {
  return await new Response(written instanceof Uint8Array ? written : written).bytes();
}

Deno.test("writeQuestion() and readQuestion() carry every value, by position and by name", async () => {
  const named = Object.fromEntries(PARAMS.map((value, at) => [`p${at}`, value]));
  for (const params of [PARAMS, named]) {
    const written = writeQuestion({ sql: "SELECT 'ü'", params, maxRows: 3, copy: true }, "/a b");
    const { question, image } = readQuestion(await bytesOf(written));
    equal(question.params, params);
    equal([question.sql, question.path, question.maxRows], ["SELECT 'ü'", "/a b", 3]);
    equal([question.copy, image.length], [true, 0]);
  }
});

Deno.test("writeQuestion() sends a database after the question, whole or in pieces", async () => {
  const database = new Uint8Array([1, 2, 3]);
  for (const source of [database, ReadableStream.from([database.slice(0, 1), database.slice(1)])]) {
    const { question, image } = readQuestion(
      await bytesOf(writeQuestion({ sql: "x", params: [] }, source)),
    );
    equal([question.path, [...image]], [undefined, [1, 2, 3]]);
  }
});

Deno.test("writeQuestion() refuses a parameter that is no value of SQLite", () => {
  const odd: unknown = { a: 1 };
  throws(() => writeQuestion({ sql: "x", params: [odd as string] }, "/a"), TypeError);
});

Deno.test("writeAnswer() and readAnswer() carry rows", () => {
  const result = {
    columns: ["a", "a"],
    rows: [["x", 1.5], [null, new Uint8Array([7])], ["9007199254740993", Infinity]],
    truncated: true,
  };
  equal(readAnswer(writeAnswer(result)), result);
});

Deno.test("writeRefusal() and readAnswer() carry an error's name and words", () => {
  const error = Object.assign(new Error("words"), { name: "Busy" });
  throws(() => readAnswer(writeRefusal(error)), { name: "Busy", message: "words" });
  throws(() => readAnswer(writeRefusal(new TypeError("t"))), TypeError);
  throws(() => readAnswer(writeRefusal("text")), { name: "Error" });
});
