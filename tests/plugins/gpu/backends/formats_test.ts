import { assertEquals } from "../../../support/assert.ts";
import { parseSettings } from "../../../../plugins/gpu/config.ts";
import {
  createBackendRequest,
  readDocument,
  readFrame,
} from "../../../../plugins/gpu/backends/formats.ts";

const COMMON = { "content-type": "application/json", "accept-encoding": "identity" };

Deno.test("createBackendRequest() sends the key in the header of the format, and no other header", () => {
  const rows: readonly (readonly [
    config: string,
    key: string | undefined,
    headers: Record<string, string>,
  ])[] = [
    ["ollama://localhost", undefined, { accept: "application/x-ndjson" }],
    ["ollama://localhost", "k", { accept: "application/x-ndjson", authorization: "Bearer k" }],
    ["openai://localhost", "k", { accept: "text/event-stream", authorization: "Bearer k" }],
    ["openai://localhost", undefined, { accept: "text/event-stream" }],
    ["claude://localhost", "k", {
      "accept": "text/event-stream",
      "anthropic-version": "2023-06-01",
      "x-api-key": "k",
    }],
  ];
  for (const [config, key, headers] of rows) {
    const { backend } = parseSettings(config);
    if (backend === undefined) throw new Error(`no backend in ${config}`);
    const request = createBackendRequest(backend, key, "m", "p");
    assertEquals(request.headers, { ...COMMON, ...headers }, config);
    assertEquals([request.method, request.redirect], ["POST", "manual"]);
    assertEquals(JSON.parse(request.body).model, "m");
  }
});

Deno.test("readFrame() and readDocument() read the format of the backend", () => {
  const chunk = '{"choices":[{"delta":{"content":"a"}}]}';
  assertEquals(readFrame("openai", { event: "message", data: chunk }), { text: "a" });
  assertEquals(readFrame("ollama", { event: "message", data: '{"response":"a"}' }), {
    text: "a",
  });
  assertEquals(readFrame("claude", { event: "message_stop", data: "{}" }), { isEnd: true });
  assertEquals(readDocument("openai", '{"choices":[{"message":{"content":"a"}}]}').text, "a");
  assertEquals(readDocument("claude", '{"content":[{"type":"text","text":"a"}]}').text, "a");
});
