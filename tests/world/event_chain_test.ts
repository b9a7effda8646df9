import { assert, assertEquals, assertNotStrictEquals } from "../support/assert.ts";
import { createHmac } from "node:crypto";
import {
  canonicalEvent,
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  createChainSigner,
  createHmacSha256,
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

Deno.test("createHmacSha256() returns the codes of RFC 4231", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const repeat = (byte: number, count: number) => new Uint8Array(count).fill(byte);
  const vectors: readonly (readonly [key: Uint8Array, data: Uint8Array, code: string])[] = [
    [
      repeat(0x0b, 20),
      text("Hi There"),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ],
    [
      text("Jefe"),
      text("what do ya want for nothing?"),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ],
    [
      repeat(0xaa, 20),
      repeat(0xdd, 50),
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ],
    [
      Uint8Array.from({ length: 25 }, (_, i) => i + 1),
      repeat(0xcd, 50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ],
    // The RFC prints the first 128 bits of this one.
    [repeat(0x0c, 20), text("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"],
    [
      repeat(0xaa, 131),
      text("Test Using Larger Than Block-Size Key - Hash Key First"),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ],
    [
      repeat(0xaa, 131),
      text(
        "This is a test using a larger than block-size key and a larger than block-size data. " +
          "The key needs to be hashed before being used by the HMAC algorithm.",
      ),
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ],
  ];
  for (const [at, [key, data, code]] of vectors.entries()) {
    const found = createHmacSha256(key)(data);
    assertEquals(found.length, 64);
    assertEquals(found.slice(0, code.length), code, `test case ${at + 1}`);
  }
});

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
      assertEquals(signWithKey(...event), expected, `${key.length} ${event[2]}`);
    }
  }
});

Deno.test("createChainSigner() returns a signer with equal results for equal input", () => {
  const [first, second] = [sign("a", "b", "c", "d"), sign("a", "b", "c", "d")];
  assertEquals(first, second);
  assertNotStrictEquals(first, createChainSigner("the kez")("a", "b", "c", "d"));
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
  assertEquals(
    new Set(events.map((event) => canonicalEvent(...event))).size,
    events.length,
  );
});

Deno.test("stepChain() returns the fields of the newest events of a valid chain", () => {
  const state = checkAll(chainOf([
    '{"op":"put","version_after":1,"body_sha256_after":"aa","ext":"md","meta_headers":[["x-meta-a","1"]]}',
    '{"op":"put","version_after":2,"body_sha256_after":"bb","ext":"txt","meta_headers":[]}',
  ]));
  assertEquals(state.brokenAt, undefined);
  assertEquals(state.events, 2);
  assertEquals([state.version, state.bodySha256, state.ext, state.meta], [2, "bb", "txt", "[]"]);
});

Deno.test("stepChain() ignores the fields of events of other types", () => {
  const payload = '{"version_after":9,"body_sha256_after":"ff","ext":"html","to":"active"}';
  const state = checkAll(chainOf([payload], "remark"));
  assertEquals([state.version, state.bodySha256, state.ext, state.state], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(
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
    assertEquals(
      [state.version, state.bodySha256, state.ext],
      [undefined, undefined, undefined],
      payload,
    );
    assertEquals(state.brokenAt, undefined, payload);
  }
});

Deno.test("stepChain() keeps the first event that is not valid", () => {
  const rows = chainOf(["1", "2", "3", "4", "5"]);
  const broken = rows.map((row) => row.id === 2 || row.id === 4 ? { ...row, payload: "x" } : row);
  const state = checkAll(broken);
  assertEquals(state.brokenAt, 2);
  assertEquals(state.events, 5);
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
        assertEquals(checkAll(changed).brokenAt, target.id, `${field} of ${target.id} at ${at}`);
      }
    }
  }
});

Deno.test("toEventRow() converts a BLOB to text that does not match the HMAC", () => {
  const [row] = chainOf(["{}"]);
  if (row === undefined) throw new Error("no row");
  const blob = toEventRow({ ...row, payload: new TextEncoder().encode("{}") });
  assertEquals(stepChain(CHAIN_START, blob, sign).brokenAt, 1);
  assertEquals(stepChain(CHAIN_START, toEventRow({ ...row }), sign).brokenAt, undefined);
});

Deno.test("stepChain() reads the name from the first event and from moves of the chain", () => {
  const rows: EventRow[] = [];
  const add = (type: string, fields: Record<string, unknown>) => {
    const previous = rows.at(-1)?.hmac ?? GENESIS;
    const [timestamp, payload] = ["2026-01-01T00:00:00.000Z", JSON.stringify(fields)];
    const hmac = sign(previous, timestamp, type, payload);
    rows.push({
      id: rows.length + 1,
      timestamp,
      event_type: type,
      payload,
      hmac,
      prev_hmac: previous,
    });
    return checkAll(rows).name;
  };
  assertEquals(add("stage_written", { op: "put", name: "home/a" }), "home/a");
  assertEquals(add("stage_written", { op: "put", name: "home/other" }), "home/a");
  // The bytes were moved, and this chain stayed.
  assertEquals(add("world_moved", { from: "/home/a", to: "/home/b" }), "home/a");
  assertEquals(add("world_moved", { op: "move", from: "/home/a", to: "/home/c" }), "home/c");
  assertEquals(add("world_moved", { op: "move", from: "/home/c", to: 1 }), "home/c");
  assertEquals(checkAll(rows).brokenAt, undefined);
});

Deno.test("stepChain() reads no name from a chain that began without one", () => {
  const payload = JSON.stringify({ op: "put" });
  const time = "2026-01-01T00:00:00.000Z";
  const hmac = sign(GENESIS, time, "stage_written", payload);
  const first = {
    id: 1,
    timestamp: time,
    event_type: "stage_written",
    payload,
    hmac,
    prev_hmac: GENESIS,
  };
  const moved = JSON.stringify({ op: "move", from: "/home/a", to: "/home/b" });
  const next = sign(hmac, time, "world_moved", moved);
  const second = {
    id: 2,
    timestamp: time,
    event_type: "world_moved",
    payload: moved,
    hmac: next,
    prev_hmac: hmac,
  };
  assertEquals([checkAll([first]).name, checkAll([first, second]).name], [undefined, undefined]);
});

/** Creates a chain whose events have the given keys, and returns its rows. */
function chainOfKeys(keys: readonly string[]): EventRow[] {
  let prev = GENESIS;
  return keys.map((key, i) => {
    const [timestamp, event_type, payload] = [`2026-01-01T00:00:0${i % 10}.000Z`, "remark", "{}"];
    const hmac = createChainSigner(key)(prev, timestamp, event_type, payload);
    const row = { id: i + 1, timestamp, event_type, payload, hmac, prev_hmac: prev };
    prev = hmac;
    return row;
  });
}

const OLDER = "its key was retired before the key of the previous event";
const UNKNOWN = "hmac does not match the event and the signing key";

/** Keys of the events of a chain, and the first fault with the keys a and b retired and c current. */
const KEY_ROWS: readonly (readonly [keys: string, brokenAt?: number, reason?: string])[] = [
  ["c"],
  ["ccc"],
  ["aaa"],
  ["aabbcc"],
  ["aacc"],
  ["bc"],
  ["aba", 3, OLDER],
  ["aaca", 4, OLDER],
  ["ccb", 3, OLDER],
  ["abcab", 4, OLDER],
  ["x", 1, UNKNOWN],
  ["aax", 3, UNKNOWN],
  ["aaxcc", 3, UNKNOWN],
  ["ccx", 3, UNKNOWN],
];

Deno.test("stepChain() accepts retired keys, and only changes to newer ones", () => {
  const sign3 = createChainSigner("c", ["a", "b"]);
  for (const [keys, brokenAt, reason] of KEY_ROWS) {
    const rows = chainOfKeys([...keys]);
    const state = rows.reduce((chain, row) => stepChain(chain, row, sign3), CHAIN_START);
    assertEquals([state.brokenAt, state.reason], [brokenAt, reason], keys);
    assertEquals(state.events, keys.length);
  }
});

Deno.test("stepChain() accepts no retired key that it was not given", () => {
  for (const [keys, given] of [["aac", []], ["aabc", ["b"]], ["bc", ["a"]]] as const) {
    const signed = createChainSigner("c", [...given]);
    const state = chainOfKeys([...keys]).reduce(
      (at, row) => stepChain(at, row, signed),
      CHAIN_START,
    );
    assertEquals([state.brokenAt, state.reason], [1, UNKNOWN], keys);
  }
});

Deno.test("createChainSigner() signs with the current key, which can be among the retired ones", () => {
  const event = [GENESIS, "t", "remark", "{}"] as const;
  assertEquals(createChainSigner("c", ["a", "b"])(...event), createChainSigner("c")(...event));
  assertEquals(createChainSigner("c").retired, undefined);
  assertEquals(createChainSigner("c", ["c"]).retired, undefined);
  assertEquals(createChainSigner("c", ["a", "c"]).retired?.length, 1);
});

Deno.test("a chain of N events and K retired keys costs at most N + K signatures", () => {
  const retiredKeys = Array.from({ length: 20 }, (_, i) => `retired ${i}`);
  let signatures = 0;
  const count = (sign: ChainSigner): ChainSigner => (...event) => {
    signatures++;
    return sign(...event);
  };
  const counted: ChainSigner = Object.assign(count(createChainSigner("current")), {
    retired: retiredKeys.map((key) => count(createChainSigner(key))),
  });
  const chains = [
    [...retiredKeys.flatMap((key) => Array(10).fill(key)), ...Array(10).fill("current")],
    Array(500).fill("current"),
    Array(500).fill(retiredKeys[0]),
    [retiredKeys[0], ...Array(500).fill("current")],
  ];
  for (const keys of chains) {
    signatures = 0;
    const rows = chainOfKeys(keys);
    const state = rows.reduce((at, row) => stepChain(at, row, counted), CHAIN_START);
    assertEquals(state.brokenAt, undefined);
    assert(signatures <= rows.length + retiredKeys.length, `${signatures} for ${rows.length}`);
  }
  // A broken chain tries every key once, and none for the events after it.
  signatures = 0;
  const broken = chainOfKeys(["current", "unknown", ...Array(500).fill("current")]);
  broken.reduce((at, row) => stepChain(at, row, counted), CHAIN_START);
  assert(signatures <= 2 * (retiredKeys.length + 1) + 1, `${signatures}`);
});
