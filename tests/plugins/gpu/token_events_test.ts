import { assertEquals } from "../../support/assert.ts";
import { TokenEvents } from "../../../plugins/gpu/token_events.ts";

Deno.test("TokenEvents.format() makes one event per token and one data line per line", () => {
  const events = new TokenEvents();
  assertEquals(events.format(["a", "b\nc", ""]), "data: a\n\ndata: b\ndata: c\n\n");
});

Deno.test("TokenEvents.format() holds a carriage return back until the next token", () => {
  const events = new TokenEvents();
  assertEquals(events.format(["a\r"]), "data: a\n\n");
  assertEquals(events.format(["\nb"]), "data: \ndata: b\n\n");
  assertEquals(events.format(["\r"]), "");
  assertEquals(events.end("stop"), "data: \ndata: \n\nevent: done\ndata: stop\n\n");
});

Deno.test("TokenEvents.end() sends the error before done", () => {
  const end = new TokenEvents().end("error", "Cannot answer: x");
  assertEquals(end, "event: error\ndata: Cannot answer: x\n\nevent: done\ndata: error\n\n");
});
