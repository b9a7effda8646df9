import { assertEquals, assertThrows } from "../../../support/assert.ts";
import { parseSettings } from "../../../../plugins/gpu/config.ts";
import {
  openAiRequest,
  readOpenAiDocument,
  readOpenAiFrame,
} from "../../../../plugins/gpu/backends/openai.ts";
import { MalformedFrame } from "../../../../plugins/gpu/backends/wire.ts";

function requestOf(config: string): Record<string, unknown> {
  const { backend } = parseSettings(config);
  if (backend === undefined) throw new Error(`no backend in ${config}`);
  return openAiRequest(backend, "m", "p");
}

Deno.test("openAiRequest() has the content that chat completions document", () => {
  const user = { role: "user", content: "p" };
  assertEquals(requestOf("openai://localhost"), { model: "m", messages: [user], stream: true });
  assertEquals(requestOf("openai://localhost\nsystem s\ntemperature 0.2\nmax_tokens 9"), {
    model: "m",
    messages: [{ role: "system", content: "s" }, user],
    temperature: 0.2,
    max_tokens: 9,
    stream: true,
  });
});

Deno.test("openAiRequest() names the token limit as OpenAI's newer models require", () => {
  assertEquals(requestOf("openai://api.openai.com\nmax_tokens 9"), {
    model: "m",
    messages: [{ role: "user", content: "p" }],
    max_completion_tokens: 9,
    stream: true,
  });
});

Deno.test("readOpenAiFrame() reads the events of a response", () => {
  const rows: readonly (readonly [data: string, piece: unknown])[] = [
    ['{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}', { text: "a" }],
    ['{"choices":[{"delta":{"role":"assistant","content":""}}]}', { text: "" }],
    ['{"choices":[{"delta":{},"finish_reason":"stop"}]}', { text: "", finish: "stop" }],
    ['{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}', {
      text: "x",
      finish: "length",
    }],
    ['{"choices":[],"usage":{"prompt_tokens":1}}', {}],
    ["{}", {}],
    ["[DONE]", { isEnd: true }],
    ['{"error":{"message":"overloaded"}}', { error: "overloaded" }],
    ['{"error":null,"choices":[{"delta":{"content":"a"}}]}', { text: "a" }],
  ];
  for (const [data, piece] of rows) {
    assertEquals(readOpenAiFrame({ event: "message", data }), piece);
  }
});

Deno.test("readOpenAiFrame() throws MalformedFrame for an event of another form", () => {
  for (const data of ["x", "[1]", '{"choices":[{"delta":{"content":{}}}]}']) {
    assertThrows(() => readOpenAiFrame({ event: "message", data }), MalformedFrame, data);
  }
});

Deno.test("readOpenAiDocument() reads a response that is not streamed", () => {
  const document = '{"choices":[{"message":{"content":"all"},"finish_reason":"stop"}]}';
  assertEquals(readOpenAiDocument(document), { text: "all", finish: "stop", isEnd: true });
});

Deno.test("readOpenAiFrame() reports refusals, filters and errors, and skips reasoning", () => {
  const rows: readonly (readonly [data: string, piece: unknown])[] = [
    ["", {}],
    ['{"choices":[{"delta":{"refusal":"no"}}]}', { text: "no", finish: "refused" }],
    ['{"choices":[{"delta":{"refusal":null,"content":"a"}}]}', { text: "a" }],
    ['{"choices":[{"delta":{"content":[{"type":"refusal","refusal":"no"}]}}]}', {
      text: "no",
      finish: "refused",
    }],
    ['{"choices":[{"delta":{},"finish_reason":"content_filter"}]}', {
      text: "",
      finish: "filtered",
    }],
    ['{"choices":[{"delta":{"reasoning_content":"hm","content":null}}]}', { text: "" }],
    ['{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}', { text: "a" }],
    ['{"object":"error","message":"overloaded"}', { error: "overloaded" }],
    ['{"choices":[{"delta":{},"finish_reason":"error"}]}', { error: "error" }],
    ['{"choices":[{"delta":{},"error":{"message":"lost"}}]}', { error: "lost" }],
    ['{"choices":[],"error":"no"}', { error: "no" }],
  ];
  for (const [data, piece] of rows) {
    assertEquals(readOpenAiFrame({ event: "message", data }), piece, data);
  }
  assertEquals(readOpenAiFrame({ event: "error", data: '{"message":"x"}' }), { error: "x" });
  assertEquals(readOpenAiFrame({ event: "error", data: "" }), { error: "" });
});

Deno.test("readOpenAiDocument() refuses a document without an answer", () => {
  for (const document of ["", "{}", '{"choices":[]}']) {
    assertThrows(() => readOpenAiDocument(document), MalformedFrame, document);
  }
  assertEquals(readOpenAiDocument('{"error":{"message":"no"}}'), { error: "no", isEnd: true });
});
