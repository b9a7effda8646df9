import { deepStrictEqual as equal, notStrictEqual } from "node:assert/strict";
import { createHmac } from "node:crypto";
import {
  canonicalEvent,
  CHAIN_START,
  type ChainState,
  createChainSigner,
  type EventRow,
  GENESIS,
  stepChain,
  toEventRow,
} from "../../lib/world/event_chain.ts";

const sign = createChainSigner("the key");

/** Creates the rows of a chain with these payloads. */
function chainOf(payloads: readonly string[], type = "stage_written"): EventRow[] {
  let prev = GENESIS;
  return payloads.map((payload, i) => {
    const timestamp = `2026-01-01T00:00:0${i}.000Z`;
    const hmac = sign(prev, timestamp, type, payload);
    const row = { id: i + 1, timestamp, event_type: type, payload, hmac, prev_hmac: prev };
    prev = hmac;
    return row;
  });
}

function checkAll(rows: readonly EventRow[]): ChainState {
  return rows.reduce((state, row) => stepChain(state, row, sign), CHAIN_START);
}

Deno.test("createChainSigner() returns HMAC-SHA256 for keys of every length", () => {
  const keys = [
    "",
    "k",
    "a".repeat(63),
    "a".repeat(64),
    "a".repeat(65),
    "a".repeat(1000),
    "ключ🔑",
  ];
  const events: [string, string, string, string][] = [
    [GENESIS, "2026-01-01T00:00:00.000Z", "stage_written", '{"op":"put"}'],
    ["", "", "", ""],
    ["f".repeat(64), "t", "e", "x".repeat(10_000)],
    [GENESIS, "t", "naïve", '{"ext":"ü","by":"\u0000"}'],
  ];
  for (const key of keys) {
    const signWithKey = createChainSigner(key);
    for (const event of events) {
      const expected = createHmac("sha256", key).update(canonicalEvent(...event)).digest("hex");
      equal(signWithKey(...event), expected, `${key.length} ${event[2]}`);
    }
  }
});

Deno.test("createChainSigner() returns a signer with equal results for equal input", () => {
  const [first, second] = [sign("a", "b", "c", "d"), sign("a", "b", "c", "d")];
  equal(first, second);
  notStrictEqual(first, createChainSigner("the kez")("a", "b", "c", "d"));
});

Deno.test("canonicalEvent() returns different texts for different events, even if joined fields are equal", () => {
  const events: [string, string, string, string][] = [
    ["a", "b", "c", "d"],
    ["ab", "", "c", "d"],
    ["a", "bc", "", "d"],
    ["a", "b", "cd", ""],
    ["a", "b", 'c","d', ""],
    ["a", "b", "c", '","'],
    ["a", 'b","c', "d", ""],
    ["", "", "", "abcd"],
    ["a", "b", "c", "d\u0000"],
    ["a", "b", "c", "\ud800"],
    ["a", "b", "c", "\ud801"],
    ["a", "b", "c", "\ufffd"],
  ];
  equal(
    new Set(events.map((event) => canonicalEvent(...event))).size,
    events.length,
  );
});

Deno.test("stepChain() returns the fields of the newest events of a valid chain", () => {
  const state = checkAll(chainOf([
    '{"op":"put","version_after":1,"body_sha256_after":"aa","ext":"md","meta_headers":[["x-meta-a","1"]]}',
    '{"op":"put","version_after":2,"body_sha256_after":"bb","ext":"txt","meta_headers":[]}',
  ]));
  equal(state.brokenAt, undefined);
  equal(state.events, 2);
  equal([state.version, state.bodySha256, state.ext, state.meta], [2, "bb", "txt", "[]"]);
});

Deno.test("stepChain() ignores the fields of events of other types", () => {
  const payload = '{"version_after":9,"body_sha256_after":"ff","ext":"html","to":"active"}';
  const state = checkAll(chainOf([payload], "remark"));
  equal([state.version, state.bodySha256, state.ext, state.state], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  equal(
    checkAll(chainOf(['{"from":"pending","to":"active"}'], "state_transition")).state,
    "active",
  );
});

Deno.test("stepChain() ignores fields of a wrong type and payloads that are not objects", () => {
  for (
    const payload of [
      '{"version_after":"9","body_sha256_after":9,"ext":null}',
      "null",
      "[]",
      "9",
      '"version_after"',
      "",
      "{",
    ]
  ) {
    const state = checkAll(chainOf([payload]));
    equal([state.version, state.bodySha256, state.ext], [undefined, undefined, undefined], payload);
    equal(state.brokenAt, undefined, payload);
  }
});

Deno.test("stepChain() keeps the first event that is not valid", () => {
  const rows = chainOf(["1", "2", "3", "4", "5"]);
  const broken = rows.map((row) => row.id === 2 || row.id === 4 ? { ...row, payload: "x" } : row);
  const state = checkAll(broken);
  equal(state.brokenAt, 2);
  equal(state.events, 5);
});

Deno.test("stepChain() detects a change of any character in any field of any event", () => {
  const rows = chainOf(['{"a":1}', '{"b":2}', '{"c":3}']);
  const fields = ["timestamp", "event_type", "payload", "hmac", "prev_hmac"] as const;
  for (const target of rows) {
    for (const field of fields) {
      for (let at = 0; at < target[field].length; at++) {
        const text = target[field];
        const flipped = text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
        if (flipped === text) continue;
        const changed = rows.map((row) => row === target ? { ...row, [field]: flipped } : row);
        equal(checkAll(changed).brokenAt, target.id, `${field} of ${target.id} at ${at}`);
      }
    }
  }
});

Deno.test("toEventRow() converts a BLOB to text that does not match the HMAC", () => {
  const [row] = chainOf(["{}"]);
  if (row === undefined) throw new Error("no row");
  const blob = toEventRow({ ...row, payload: new TextEncoder().encode("{}") });
  equal(stepChain(CHAIN_START, blob, sign).brokenAt, 1);
  equal(stepChain(CHAIN_START, toEventRow({ ...row }), sign).brokenAt, undefined);
});
