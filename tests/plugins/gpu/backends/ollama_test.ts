import { assertEquals, assertThrows } from "../../../support/assert.ts";
import { parseSettings } from "../../../../plugins/gpu/config.ts";
import { ollamaRequest, readOllamaFrame } from "../../../../plugins/gpu/backends/ollama.ts";
import { MalformedFrame } from "../../../../plugins/gpu/backends/wire.ts";

const SETTINGS = "system s\ntemperature 0.2\nmax_tokens 9";

function requestOf(line: string): Record<string, unknown> {
  const { backend } = parseSettings(line);
  if (backend === undefined) throw new Error(`no backend in ${line}`);
  return ollamaRequest(backend, "m", "p");
}

Deno.test("ollamaRequest() has the content that /api/chat documents", () => {
  assertEquals(requestOf("ollama://localhost"), {
    model: "m",
    messages: [{ role: "user", content: "p" }],
    stream: true,
  });
  assertEquals(requestOf(`ollama://localhost\n${SETTINGS}`), {
    model: "m",
    messages: [{ role: "system", content: "s" }, { role: "user", content: "p" }],
    options: { temperature: 0.2, num_predict: 9 },
    stream: true,
  });
});

Deno.test("ollamaRequest() has the content that /api/generate documents", () => {
  assertEquals(requestOf(`ollama://localhost/api/generate\n${SETTINGS}`), {
    model: "m",
    prompt: "p",
    system: "s",
    options: { temperature: 0.2, num_predict: 9 },
    stream: true,
  });
});

Deno.test("readOllamaFrame() reads lines of both calls", () => {
  const rows: readonly (readonly [line: string, piece: unknown])[] = [
    ['{"message":{"role":"assistant","content":"a"},"done":false}', { text: "a" }],
    ['{"response":"a","done":false}', { text: "a" }],
    ['{"message":{"thinking":"hm"}}', { text: "" }],
    ["{}", { text: "" }],
    ['{"response":"","done":true}', { text: "", finish: "stop", isEnd: true }],
    [
      '{"message":{"content":"x"},"done":true,"done_reason":"length"}',
      { text: "x", finish: "length", isEnd: true },
    ],
    ['{"error":"model not found"}', { error: "model not found" }],
    ['{"error":7}', { error: "" }],
  ];
  for (const [data, piece] of rows) {
    assertEquals(readOllamaFrame({ event: "message", data }), piece);
  }
});

Deno.test("readOllamaFrame() throws MalformedFrame for a line of another form", () => {
  for (const data of ["x", "[1]", "7", '{"message":{"content":7}}']) {
    assertThrows(() => readOllamaFrame({ event: "message", data }), MalformedFrame, data);
  }
});

Deno.test("readOllamaFrame() takes only a known reason for the end of the answer", () => {
  const end = (reason: string) =>
    readOllamaFrame({ event: "message", data: `{"done":true,"done_reason":${reason}}` });
  assertEquals(end('"stop"'), { text: "", finish: "stop", isEnd: true });
  assertEquals(end('"load"'), { text: "", finish: "incomplete", isEnd: true });
  assertEquals(end('"error"'), { error: "error" });
  assertEquals(readOllamaFrame({ event: "message", data: '{"error":null,"response":"a"}' }), {
    text: "a",
  });
});
