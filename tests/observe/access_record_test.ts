import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { type AccessRecord, formatRecord } from "../../lib/observe/access_record.ts";

const RECORD: AccessRecord = {
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  client: "192.0.2.7",
  by: "T2",
  method: "PUT",
  path: "/home/x",
  status: 201,
  bytes: 27,
  ms: 1.23456,
};

Deno.test("formatRecord() writes values in a fixed order, separated by spaces", () => {
  assertEquals(
    formatRecord(RECORD, "line"),
    "2026-01-02T03:04:05.678Z 192.0.2.7 T2 PUT /home/x 201 27 1.23ms\n",
  );
  const { by: _by, ...withoutCaller } = RECORD;
  assertEquals(
    formatRecord({ ...withoutCaller, aborted: true }, "line"),
    "2026-01-02T03:04:05.678Z 192.0.2.7 - PUT /home/x 201 27 1.23ms aborted\n",
  );
});

Deno.test("formatRecord() writes a JSON object on one line", () => {
  const line = formatRecord({ ...RECORD, aborted: true }, "json");
  assert(line.endsWith("}\n"));
  assertEquals(JSON.parse(line), {
    time: "2026-01-02T03:04:05.678Z",
    client: "192.0.2.7",
    by: "T2",
    method: "PUT",
    path: "/home/x",
    status: 201,
    bytes: 27,
    aborted: true,
    ms: 1.23,
  });
});

/** Values that try to forge log lines. */
const HOSTILE = [
  "\n2026-01-02T03:04:05.678Z 127.0.0.1 T3 DELETE /home/x 200 0 0ms",
  "\r\x1b[2J\x1b]0;owned\x07",
  "\u009b31m\u0085\u2028\u2029",
  "\u202e\u2066right to left",
  "\0\x7f\t",
  '"}\n{"by":"T3"',
  "a b",
  "ü💧\ud800",
];

Deno.test("formatRecord() keeps every value within its field", () => {
  for (const text of HOSTILE) {
    const record = { ...RECORD, client: text, by: text, method: text, path: text };
    const line = formatRecord(record, "line");
    assertMatch(line, /^(?:[\x21-\x7e]+ ){7}[\x21-\x7e]+\n$/);
    const json = formatRecord(record, "json");
    assertMatch(json, /^[\x20-\x7e]+\n$/);
    assertEquals(
      JSON.parse(json).path,
      text.toWellFormed() === text ? text : JSON.parse(json).path,
    );
    assertEquals(Object.keys(JSON.parse(json)).length, 8);
  }
});

Deno.test("formatRecord() limits the length of untrusted values", () => {
  const long = "\u0080".repeat(100_000);
  const record = { ...RECORD, client: long, by: long, method: long, path: long };
  for (const form of ["line", "json"] as const) {
    assert(formatRecord(record, form).length < 12_000);
  }
  assertMatch(formatRecord({ ...RECORD, path: "" }, "line"), / - 201 /);
});
