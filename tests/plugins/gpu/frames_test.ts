import { assertEquals, assertThrows } from "../../support/assert.ts";
import type { WireFormat } from "../../../plugins/gpu/backend.ts";
import { type Frame, MalformedFrame } from "../../../plugins/gpu/backends/wire.ts";
import { createFrameParser } from "../../../plugins/gpu/frames.ts";

const encoder = new TextEncoder();

/** The frames of a response that arrives in pieces of this many bytes. */
function framesOf(format: WireFormat, text: string, size = Infinity): Frame[] {
  const parser = createFrameParser(format);
  const bytes = encoder.encode(text);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    frames.push(...parser.push(bytes.slice(at, at + size)));
  }
  return [...frames, ...parser.end()];
}

Deno.test("createFrameParser() reads lines of NDJSON however the bytes are cut", () => {
  const text = '{"a":"ü"}\r\n\n  \n{"b":"👩‍🔬"}\n{"c":1}';
  for (const size of [1, 2, 3, 7, Infinity]) {
    const lines = framesOf("ollama", text, size).map(({ data }) => data.trim());
    assertEquals(lines, ['{"a":"ü"}', '{"b":"👩‍🔬"}', '{"c":1}'], `${size}`);
  }
});

Deno.test("createFrameParser() reads events however the bytes are cut, with any line end", () => {
  const text = ": ping\n\nid: 7\nevent: e\ndata: ü\ndata: 2\n\ndata: 👩‍🔬\n\nevent: x\n\ndata:last";
  for (const newline of ["\n", "\r\n", "\r"]) {
    for (const size of [1, 2, 3, 7, Infinity]) {
      assertEquals(framesOf("claude", text.replaceAll("\n", newline), size), [
        { event: "e", data: "ü\n2" },
        { event: "message", data: "👩‍🔬" },
        { event: "message", data: "last" },
      ], JSON.stringify([newline, size]));
    }
  }
});

Deno.test("createFrameParser() returns a frame as soon as it is complete", () => {
  const parser = createFrameParser("openai");
  assertEquals(parser.push(encoder.encode("data: a\n")), []);
  assertEquals(parser.push(encoder.encode("\n")), [{ event: "message", data: "a" }]);
});

Deno.test("createFrameParser() throws MalformedFrame for a frame of more than 1 MiB, after those before it", () => {
  const long = "x".repeat(1_200_000);
  for (const [format, first] of [["ollama", "{}\n"], ["openai", "data: {}\n\n"]] as const) {
    const parser = createFrameParser(format);
    assertEquals(parser.push(encoder.encode(`${first}data: ${long}`)).length, 1, format);
    assertThrows(() => parser.push(encoder.encode("x")), MalformedFrame, format);
  }
});
