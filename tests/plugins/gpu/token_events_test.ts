import { strictEqual } from "node:assert/strict";
import { TokenEvents } from "../../../plugins/gpu/token_events.ts";

Deno.test("TokenEvents.format() makes one event per token and one data line per line", () => {
  const events = new TokenEvents();
  strictEqual(events.format(["a", "b\nc", ""]), "data: a\n\ndata: b\ndata: c\n\n");
});

Deno.test("TokenEvents.format() holds a carriage return back until the next token", () => {
  const events = new TokenEvents();
  strictEqual(events.format(["a\r"]), "data: a\n\n");
  strictEqual(events.format(["\nb"]), "data: \ndata: b\n\n");
  strictEqual(events.format(["\r"]), "");
  strictEqual(events.end("stop"), "data: \ndata: \n\nevent: done\ndata: stop\n\n");
});

Deno.test("TokenEvents.end() sends the error before done", () => {
  const end = new TokenEvents().end("error", "Cannot answer: x");
  strictEqual(end, "event: error\ndata: Cannot answer: x\n\nevent: done\ndata: error\n\n");
});
