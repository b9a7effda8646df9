import { assertEquals } from "../support/assert.ts";
import { createHmac } from "node:crypto";
import { V5_DEFAULT_KEY, V5Chain } from "../../lib/archive/v5_chain.ts";
import type { EventRow } from "../../lib/world/event_chain.ts";

const HASH = "f".repeat(64);

/** Three events, signed as elastik v5 does. */
function events(key: string): EventRow[] {
  let head = "";
  return [1, 2, 3].map((id) => {
    const payload = JSON.stringify({
      op: "put",
      n: id,
      ...(id === 2 ? { body_sha256_after: HASH } : {}),
    });
    const hmac = createHmac("sha256", key).update(head + payload).digest("hex");
    const row = {
      id,
      timestamp: "2026-04-01 12:00:00",
      event_type: "stage_written",
      payload,
      hmac,
      prev_hmac: head,
    };
    head = hmac;
    return row;
  });
}

function verdict(rows: readonly EventRow[], key?: string, hash = HASH) {
  const chain = new V5Chain(key);
  for (const row of rows) chain.add(row);
  return chain.result(hash);
}

Deno.test("V5Chain accepts a chain with the given key and with the default key", () => {
  const rows = events("secret");
  const head = rows[2]?.hmac;
  assertEquals(verdict(rows, "secret"), { events: 3, head, chain: "holds", body: "holds" });
  assertEquals(verdict(events(V5_DEFAULT_KEY)).chain, "holds");
  assertEquals(verdict(rows, "secret", "0").body, "differs");
  assertEquals(verdict([]), { events: 0, head: "", chain: "empty", body: "untold" });
});

Deno.test("V5Chain returns unchecked without a key", () => {
  const rows = events("secret");
  assertEquals(verdict(rows).chain, "unchecked");
  assertEquals(verdict(rows.toSpliced(1, 1)).broken_at, 3, "a gap shows without a key");
  assertEquals(verdict(rows, "other"), {
    ...verdict(rows, "secret"),
    chain: "broken",
    broken_at: 1,
  });
});

Deno.test("V5Chain returns the first invalid event", () => {
  const changes: readonly [number, Partial<EventRow>][] = [
    [1, { payload: "{}" }],
    [2, { hmac: "0".repeat(64) }],
    [2, { prev_hmac: "" }],
    [3, { payload: "no json" }],
  ];
  for (const [id, change] of changes) {
    const rows = events("k").map((row) => row.id === id ? { ...row, ...change } : row);
    const { chain, broken_at } = verdict(rows, "k");
    assertEquals([chain, broken_at], ["broken", id], JSON.stringify(change));
  }
  assertEquals(verdict(events("k").slice(1), "k").broken_at, 2, "the first is missing");
});
