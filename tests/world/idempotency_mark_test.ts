import { assertEquals } from "../support/assert.ts";
import { formatMark, readMark } from "../../lib/world/idempotency_mark.ts";

const KEY = "k".repeat(22);
const CONTENT = "c".repeat(22);

Deno.test("readMark() reads what formatMark() wrote, from text and from values", () => {
  for (const mark of [{ key: KEY, content: CONTENT }, { key: KEY, content: CONTENT, of: 12 }]) {
    const payload = { op: "put", idem: formatMark(mark), by: "T2" };
    assertEquals(readMark(payload), mark);
    assertEquals(readMark(JSON.stringify(payload)), mark);
  }
});

Deno.test("readMark() ignores other payloads, and texts that only contain the member", () => {
  const text = `"idem":"${KEY}.${CONTENT}"`;
  const payloads = [
    { op: "put" },
    { idem: 1 },
    { idem: "***" },
    { idem: `${KEY}.${CONTENT}.` },
    { reason: text },
    { meta_headers: [["x-meta-a", text]] },
    [text],
    null,
    "",
  ];
  for (const payload of payloads) {
    assertEquals(readMark(payload), undefined);
    assertEquals(readMark(JSON.stringify(payload)), undefined);
  }
  assertEquals(readMark(text), undefined);
});
