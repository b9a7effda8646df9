import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import {
  errorMessage,
  notificationMessage,
  parseMessage,
  resultMessage,
  RpcError,
} from "../../../plugins/mcp/json_rpc.ts";
import { MAX_ID_CHARS, MAX_MESSAGE_BYTES, MAX_NESTING } from "../../../plugins/mcp/limits.ts";

Deno.test("parseMessage() distinguishes requests, notifications and responses", () => {
  const rows: [text: string, kind: string][] = [
    ['{"jsonrpc":"2.0","id":1,"method":"a"}', "request"],
    ['{"jsonrpc":"2.0","id":"","method":"a","params":{}}', "request"],
    ['{"jsonrpc":"2.0","method":"a"}', "notification"],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', "response"],
    ['{"jsonrpc":"2.0","id":1,"error":{}}', "response"],
  ];
  for (const [text, kind] of rows) assertStrictEquals(parseMessage(text).kind, kind, text);
});

Deno.test("parseMessage() refuses what is not one message, with the id if it can be read", () => {
  const rows: [text: string, code: number, id?: string | number][] = [
    ["", -32700],
    ["{", -32700],
    ["nonsense", -32700],
    ["[]", -32600],
    ['[{"jsonrpc":"2.0","id":1,"method":"a"}]', -32600],
    ["null", -32600],
    ["1", -32600],
    ['{"id":1,"method":"a"}', -32600, 1],
    ['{"jsonrpc":"1.0","id":"x","method":"a"}', -32600, "x"],
    ['{"jsonrpc":"2.0","id":1}', -32600, 1],
    ['{"jsonrpc":"2.0","id":1,"method":2}', -32600, 1],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', -32600, 1],
    ['{"jsonrpc":"2.0","id":null,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":1.5,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"a"}', -32600],
  ];
  for (const [text, code, id] of rows) {
    assertThrows(() => parseMessage(text), { code, status: 400, ...(id !== undefined && { id }) });
  }
});

Deno.test("parseMessage() accepts nesting and ids up to their limits and no more", () => {
  const nested = (depth: number): string => {
    // The message and its params are two levels.
    const inner = "[".repeat(depth - 2) + "]".repeat(depth - 2);
    return `{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":${inner}}}`;
  };
  assertStrictEquals(parseMessage(nested(MAX_NESTING)).kind, "request");
  assertThrows(() => parseMessage(nested(MAX_NESTING + 1)), /nested deeper/);
  assertThrows(() => parseMessage("[".repeat(1_000_000)), /nested deeper/);
  const text = "[".repeat(100);
  const inText = `{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"\\"${text}"}}`;
  assertStrictEquals(parseMessage(inText).kind, "request");
  // A string that does not end, and one that does, as long as a message can be.
  assertThrows(() => parseMessage(`"${"x".repeat(MAX_MESSAGE_BYTES - 1)}`), { code: -32700 });
  assertThrows(() => parseMessage(`"${"\\\\x".repeat(MAX_MESSAGE_BYTES / 3)}`), { code: -32700 });
  const named = (length: number): string =>
    JSON.stringify({ jsonrpc: "2.0", id: "x".repeat(length), method: "a" });
  assertStrictEquals(parseMessage(named(MAX_ID_CHARS)).kind, "request");
  assertThrows(() => parseMessage(named(MAX_ID_CHARS + 1)), /at most/);
});

Deno.test("messages of the server leave out what they do not have", () => {
  assertEquals(resultMessage(1, { a: 2 }), { jsonrpc: "2.0", id: 1, result: { a: 2 } });
  assertEquals(errorMessage(undefined, new RpcError(-32700, "no")), {
    jsonrpc: "2.0",
    error: { code: -32700, message: "no" },
  });
  assertEquals(errorMessage("x", new RpcError(-32602, "no", 200, { uri: "u" })), {
    jsonrpc: "2.0",
    id: "x",
    error: { code: -32602, message: "no", data: { uri: "u" } },
  });
  assertEquals(notificationMessage("n"), { jsonrpc: "2.0", method: "n" });
  assertEquals(notificationMessage("n", { a: 1 }), {
    jsonrpc: "2.0",
    method: "n",
    params: { a: 1 },
  });
});
