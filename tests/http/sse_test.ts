import { assertEquals, assertThrows } from "../support/assert.ts";
import { encodeComment, encodeEvent } from "../../lib/http/sse.ts";

const decoder = new TextDecoder();

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Parses events as the WHATWG algorithm specifies, independently of the encoder. */
function interpret(wire: string): { event: string; data: string; id: string }[] {
  const events: { event: string; data: string; id: string }[] = [];
  let [event, data, id] = ["", "", ""];
  for (const line of wire.split(/\r\n|\n|\r/)) {
    if (line === "") {
      if (data !== "") events.push({ event: event || "message", data: data.slice(0, -1), id });
      [event, data] = ["", ""];
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data += value + "\n";
    if (field === "id") id = value;
  }
  return events;
}

Deno.test("encodeEvent() writes the fields in order and ends with an empty line", () => {
  assertEquals(
    text(encodeEvent({ event: "update", id: "3", retry: 2000, data: '{"version":3}' })),
    'event: update\nid: 3\nretry: 2000\ndata: {"version":3}\n\n',
  );
  assertEquals(text(encodeEvent({ retry: 0 })), "retry: 0\n\n");
});

Deno.test("encodeEvent() passes any data to a reader, with line breaks as LF", () => {
  for (
    const data of [
      "",
      " leading space",
      "a\nb",
      "a\n\nb\n",
      "\n",
      ": no comment",
      "event: forged",
      "data: x\nid: 9",
      "é✓😀",
      "\ufeffbom",
      "a\u2028b",
    ]
  ) {
    assertEquals(interpret(text(encodeEvent({ event: "update", id: "1", data }))), [
      { event: "update", id: "1", data },
    ]);
  }
  assertEquals(interpret(text(encodeEvent({ data: "a\r\nb\rc\nd" })))[0]?.data, "a\nb\nc\nd");
});

Deno.test("encodeEvent() does not let data forge another field or event", () => {
  for (const end of ["\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r\n"]) {
    const data = `x${end}event: forged${end}id: 666${end}${end}data: forged`;
    const events = interpret(text(encodeEvent({ event: "update", id: "1", data })));
    assertEquals(events.map(({ event, id }) => [event, id]), [["update", "1"]]);
  }
});

Deno.test("encodeEvent() throws for line breaks and NUL in event and id", () => {
  for (const bad of ["a\nb", "a\rb", "a\0b", "\n"]) {
    assertThrows(() => encodeEvent({ event: bad }), /Cannot encode event/);
    assertThrows(() => encodeEvent({ id: bad }), /Cannot encode id/);
  }
});

Deno.test("encodeEvent() throws for a retry that is not a whole number of milliseconds", () => {
  for (const retry of [-1, 1.5, NaN, Infinity]) {
    assertThrows(() => encodeEvent({ retry }), TypeError);
  }
});

Deno.test("encodeComment() is ignored by readers, whatever its text", () => {
  assertEquals(text(encodeComment()), ": \n\n");
  assertEquals(interpret(text(encodeComment("hi\ndata: forged\r\rdata: forged"))), []);
});
