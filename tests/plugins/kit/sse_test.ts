import { assertEquals, assertThrows } from "../../support/assert.ts";
import {
  EventReader,
  EventTooLong,
  formatEvent,
  type ServerEvent,
} from "../../../plugins/kit/sse.ts";

const encoder = new TextEncoder();

/** Events of a text that arrives in pieces of `size` bytes. */
function eventsOf(text: string, size = text.length): ServerEvent[] {
  const reader = new EventReader(1000);
  const bytes = encoder.encode(text);
  const events: ServerEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    events.push(...reader.push(bytes.subarray(at, at + size)));
  }
  return [...events, ...reader.end()];
}

const TEXTS: readonly (readonly [text: string, events: readonly ServerEvent[]])[] = [
  ["data: a\n\n", [{ event: "message", data: "a" }]],
  ["data:a\ndata: b\ndata\n\n", [{ event: "message", data: "a\nb\n" }]],
  ["event: done\r\ndata: ü\r\n\r\n", [{ event: "done", data: "ü" }]],
  ["data: a\r\rdata: b\r\r", [{ event: "message", data: "a" }, { event: "message", data: "b" }]],
  [": comment\nid: 1\nretry: 5\nother: x\ndata: a\n\n", [{ event: "message", data: "a" }]],
  ["event: empty\n\n\n\n", []],
  ["\ufeffdata: a\n\n", [{ event: "message", data: "a" }]],
  ["data: a\n\ndata: no end", [
    { event: "message", data: "a" },
    { event: "message", data: "no end" },
  ]],
  ["", []],
];

for (const [text, events] of TEXTS) {
  Deno.test(`EventReader reads ${JSON.stringify(text)} in pieces of any length`, () => {
    assertEquals(eventsOf(text), events);
    for (const size of [1, 2, 3, 5]) assertEquals(eventsOf(text, size), events);
  });
}

Deno.test("EventReader throws for an event that is too long, after the events before it", () => {
  const reader = new EventReader(10);
  const events = reader.push(encoder.encode(`data: a\n\ndata: ${"x".repeat(20)}`));
  assertEquals(events, [{ event: "message", data: "a" }]);
  assertThrows(() => reader.push(encoder.encode("y")), EventTooLong);
  assertThrows(() => reader.end(), EventTooLong);
});

Deno.test("EventReader accepts an event of the maximum length in many lines", () => {
  const reader = new EventReader(10);
  assertEquals(reader.push(encoder.encode("data: 12345\ndata: 678\n\n")), [
    { event: "message", data: "12345\n678" },
  ]);
});

Deno.test("formatEvent() writes every line of the text as a field", () => {
  assertEquals(formatEvent("a\r\nb\rc\n"), "data: a\ndata: b\ndata: c\ndata: \n\n");
  assertEquals(formatEvent("", "done"), "event: done\ndata: \n\n");
});

Deno.test("formatEvent() writes what EventReader reads", () => {
  for (const data of ["", "a", "a\nb", "\n\n", " leading", "colon: x"]) {
    assertEquals(eventsOf(formatEvent(data, "x")), [{ event: "x", data }]);
  }
});
