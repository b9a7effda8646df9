import { assertEquals, assertThrows } from "../../../support/assert.ts";
import { parseSettings } from "../../../../plugins/gpu/config.ts";
import {
  claudeRequest,
  readClaudeDocument,
  readClaudeFrame,
} from "../../../../plugins/gpu/backends/claude.ts";
import { MalformedFrame } from "../../../../plugins/gpu/backends/wire.ts";

function requestOf(config: string): Record<string, unknown> {
  const { backend } = parseSettings(config);
  if (backend === undefined) throw new Error(`no backend in ${config}`);
  return claudeRequest(backend, "m", "p");
}

Deno.test("claudeRequest() has the content that the messages API documents", () => {
  const messages = [{ role: "user", content: "p" }];
  assertEquals(requestOf("claude://localhost"), {
    model: "m",
    max_tokens: 4096,
    messages,
    stream: true,
  });
  assertEquals(requestOf("claude://localhost\nsystem s\ntemperature 0.2\nmax_tokens 9"), {
    model: "m",
    max_tokens: 9,
    system: "s",
    temperature: 0.2,
    messages,
    stream: true,
  });
});

Deno.test("readClaudeFrame() reads the events of a response", () => {
  const rows: readonly (readonly [event: string, data: string, piece: unknown])[] = [
    ["message_start", '{"message":{"role":"assistant"}}', {}],
    ["ping", '{"type":"ping"}', {}],
    ["content_block_delta", '{"delta":{"type":"text_delta","text":"a"}}', { text: "a" }],
    ["content_block_delta", '{"delta":{"type":"thinking_delta","thinking":"hm"}}', {}],
    ["message", '{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}', {
      text: "a",
    }],
    ["message_delta", '{"delta":{"stop_reason":"end_turn"}}', { finish: "stop" }],
    ["message_delta", '{"delta":{"stop_reason":"max_tokens"}}', { finish: "length" }],
    ["message_stop", "{}", { isEnd: true }],
    ["error", '{"error":{"message":"overloaded"}}', { error: "overloaded" }],
    ["message", '{"type":"error","error":{}}', { error: "" }],
    ["vendor", '{"new":true}', {}],
  ];
  for (const [event, data, piece] of rows) {
    assertEquals(readClaudeFrame({ event, data }), piece, `${event} ${data}`);
  }
});

Deno.test("readClaudeFrame() throws MalformedFrame for an event of another form", () => {
  const text = '{"delta":{"type":"text_delta","text":[]}}';
  assertThrows(() => readClaudeFrame({ event: "content_block_delta", data: text }), MalformedFrame);
  assertThrows(() => readClaudeFrame({ event: "message", data: "x" }), MalformedFrame);
});

Deno.test("readClaudeDocument() joins the text blocks of a response that is not streamed", () => {
  const content = [{ type: "text", text: "a" }, { type: "tool_use" }, { type: "text", text: "b" }];
  const document = { content, stop_reason: "max_tokens" };
  assertEquals(readClaudeDocument(JSON.stringify(document)), {
    text: "ab",
    finish: "length",
    isEnd: true,
  });
  const failed = '{"type":"error","error":{"message":"no"}}';
  assertEquals(readClaudeDocument(failed), { error: "no" });
});

Deno.test("readClaudeFrame() reports refusals and errors, and skips empty events", () => {
  const rows: readonly (readonly [event: string, data: string, piece: unknown])[] = [
    ["message", "", {}],
    ["message_delta", '{"delta":{"stop_reason":"refusal"}}', { finish: "refused" }],
    ["message_delta", '{"delta":{"stop_reason":"pause_turn"}}', { finish: "incomplete" }],
    ["message_delta", '{"delta":{"stop_reason":null}}', {}],
    ["content_block_start", '{"content_block":{"type":"text","text":"a"}}', { text: "a" }],
    ["content_block_start", '{"content_block":{"type":"thinking","thinking":"hm"}}', {}],
    ["message", '{"error":{"message":"no"}}', { error: "no" }],
    ["error", "", { error: "" }],
  ];
  for (const [event, data, piece] of rows) {
    assertEquals(readClaudeFrame({ event, data }), piece, `${event} ${data}`);
  }
});

Deno.test("readClaudeDocument() refuses a document without an answer", () => {
  assertThrows(() => readClaudeDocument("{}"), MalformedFrame);
  assertEquals(readClaudeDocument('{"content":[],"stop_reason":null}'), { text: "", isEnd: true });
});
