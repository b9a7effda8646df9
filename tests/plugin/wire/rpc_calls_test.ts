import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  formatFailure,
  IdSequence,
  InboundCall,
  MAX_FAILURE_CHARS,
  OutboundCall,
  readResponseFrame,
  RpcError,
} from "../../../lib/plugin/wire/rpc_calls.ts";
import {
  FrameReader,
  FrameWriter,
  ProtocolError,
  SIDE,
  VERB,
} from "../../../lib/plugin/wire/frames.ts";
import type { Frame } from "../../../lib/plugin/wire/frames.ts";

function frameOf(head: string, body = ""): Frame {
  const writer = new FrameWriter();
  writer.writeHead(VERB.RESPONSE, SIDE.HOST, 1, head, new TextEncoder().encode(body));
  let found: Frame | undefined;
  new FrameReader().push(writer.take(), (frame) => {
    found = { ...frame, payload: frame.payload.slice() };
  });
  assert(found);
  return found;
}

Deno.test("IdSequence.next() skips taken ids, and wasUsed() knows the returned ones", () => {
  const ids = new IdSequence();
  assertEquals([ids.next(new Set()), ids.next(new Set()), ids.next(new Set([3, 4]))], [1, 2, 5]);
  assertEquals([ids.wasUsed(5), ids.wasUsed(6), ids.wasUsed(4_000_000_000)], [true, false, false]);
});

Deno.test("formatFailure() returns name and message of an Error only, cut to MAX_FAILURE_CHARS", () => {
  assertEquals(formatFailure(new TypeError("no")), "TypeError: no");
  assertEquals(formatFailure({ toString: () => "mine" }), "the thrown value is not an Error");
  assertEquals(
    formatFailure(new Error("x".repeat(2 * MAX_FAILURE_CHARS))).length,
    MAX_FAILURE_CHARS,
  );
});

Deno.test("readResponseFrame() refuses a body for a status without one", () => {
  assertEquals(readResponseFrame(frameOf('[200,"",["a","b"],0]', "text")).make("text").status, 200);
  for (const status of [204, 205, 304]) {
    assertThrows(() => readResponseFrame(frameOf(`[${status},"",[],0]`, "text")), ProtocolError);
    assertThrows(() => readResponseFrame(frameOf(`[${status},"",[],1]`)), ProtocolError);
    assertEquals(readResponseFrame(frameOf(`[${status},"",[],0]`)).head.status, status);
  }
});

Deno.test("readResponseFrame() refuses control characters in headers and status text", () => {
  for (const bad of ["\u0001", "\u007f", "\r", "\n", "\0", "\u0100"]) {
    const headers = JSON.stringify(["x-a", `a${bad}b`]);
    assertThrows(() => readResponseFrame(frameOf(`[200,"",${headers},0]`)), ProtocolError, headers);
    assertThrows(
      () => readResponseFrame(frameOf(`[200,${JSON.stringify(bad)},[],0]`)),
      ProtocolError,
    );
  }
  assertEquals(readResponseFrame(frameOf('[200,"",["x-a","a\\tb\\u00e9"],0]')).head.headers, [
    "x-a",
    "a\tb\u00e9",
  ]);
});

Deno.test("InboundCall.abort() aborts a signal that was read before or is read later", () => {
  const head = { method: "GET", url: "/", headers: [], isStreamed: false, hasBody: false } as const;
  const early = new InboundCall(1, { ...head, note: ["T1", "x"] });
  const { signal } = early;
  early.abort(new Error("gone"));
  assertEquals(signal.aborted, true);
  const late = new InboundCall(2, { ...head, note: ["T1", "x"] });
  late.abort(new Error("gone"));
  assertEquals(late.signal.aborted, true);
});

Deno.test("readResponseFrame() makes a Response that does not share the bytes of its frame", async () => {
  const frame = frameOf('[200,"",[],0]', "the body");
  const { body, make } = readResponseFrame(frame);
  const response = make(body);
  frame.payload.fill(0x21);
  assertEquals(await response.text(), "the body");
});

Deno.test("readResponseFrame() leaves out the ignored headers, in any letter case, and no others", () => {
  const head = JSON.stringify([
    200,
    "",
    ["CoNNection", "x", "set-cookie", "a", "SET-COOKIE", "b"],
    0,
  ]);
  const headers = (
    unheard?: ReadonlySet<string>,
  ) => [...readResponseFrame(frameOf(head), unheard).make(null).headers];
  const cookies = [["set-cookie", "a"], ["set-cookie", "b"]];
  assertEquals(headers(new Set(["connection"])), cookies);
  assertEquals(headers(), [["connection", "x"], ...cookies]);
});

Deno.test("OutboundCall calls onResponse for a response and for an RpcError, but not for its own cancellation", async () => {
  let responses = 0;
  const call = () => {
    const made = new OutboundCall(1, { method: "GET", onResponse: () => responses++ }, () => {});
    made.response.catch(() => {});
    return made;
  };
  const answered = call();
  answered.resolve(new Response("x"));
  assertEquals([responses, answered.hasResponse, await (await answered.response).text()], [
    1,
    true,
    "x",
  ]);
  call().reject(new RpcError("no"));
  assertEquals(responses, 2);
  call().reject(new Error("given up"));
  assertEquals(responses, 2);
});
