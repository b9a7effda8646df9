import { assertEquals } from "../support/assert.ts";
import { packEntry, unpackEntry } from "../../lib/world/packed_entry.ts";

const EVENT = {
  id: 7,
  timestamp: "2026-11-28T10:00:00.000Z",
  type: "stage_written",
  payload: JSON.stringify({ op: "put", text: "a\nb\u2028", by: "user:ada" }),
};

Deno.test("unpackEntry() returns what packEntry() got", () => {
  const entries = [
    { name: "home/a b/ü", restricted: false, by: "T2:local", events: [EVENT] },
    { name: "boot/x", restricted: true, by: "", events: [{ ...EVENT, hmac: "ab" }, EVENT] },
    { name: "home/x", restricted: true, by: "", events: [{ ...EVENT, hmac: "c", chain: "c x" }] },
    { name: "home/x", restricted: false, alsoRestricted: true, by: "cap:/home#k", events: [] },
    { name: "home/x", restricted: true, alsoRestricted: false, ended: true, by: "T3", events: [] },
  ];
  for (const entry of entries) {
    assertEquals(unpackEntry(packEntry(entry)), {
      ended: false,
      alsoRestricted: entry.restricted,
      ...entry,
    });
  }
});
