import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
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
  ok(found);
  return found;
}

Deno.test("IdSequence.next() skips taken ids, and wasUsed() knows the returned ones", () => {
  const ids = new IdSequence();
  equal([ids.next(new Set()), ids.next(new Set()), ids.next(new Set([3, 4]))], [1, 2, 5]);
  equal([ids.wasUsed(5), ids.wasUsed(6), ids.wasUsed(4_000_000_000)], [true, false, false]);
});

Deno.test("formatFailure() returns name and message of an Error only, cut to MAX_FAILURE_CHARS", () => {
  equal(formatFailure(new TypeError("no")), "TypeError: no");
  equal(formatFailure({ toString: () => "mine" }), "the thrown value is not an Error");
  equal(
    formatFailure(new Error("x".repeat(2 * MAX_FAILURE_CHARS))).length,
    MAX_FAILURE_CHARS,
  );
});

Deno.test("readResponseFrame() refuses a body for a status without one", () => {
  equal(readResponseFrame(frameOf('[200,"",["a","b"],0]', "text")).make("text").status, 200);
  for (const status of [204, 205, 304]) {
    throws(() => readResponseFrame(frameOf(`[${status},"",[],0]`, "text")), ProtocolError);
    throws(() => readResponseFrame(frameOf(`[${status},"",[],1]`)), ProtocolError);
    equal(readResponseFrame(frameOf(`[${status},"",[],0]`)).head.status, status);
  }
});

Deno.test("readResponseFrame() refuses control characters in headers and status text", () => {
  for (const bad of ["\u0001", "\u007f", "\r", "\n", "\0", "\u0100"]) {
    const headers = JSON.stringify(["x-a", `a${bad}b`]);
    throws(() => readResponseFrame(frameOf(`[200,"",${headers},0]`)), ProtocolError, headers);
    throws(() => readResponseFrame(frameOf(`[200,${JSON.stringify(bad)},[],0]`)), ProtocolError);
  }
  equal(readResponseFrame(frameOf('[200,"",["x-a","a\\tb\\u00e9"],0]')).head.headers, [
    "x-a",
    "a\tb\u00e9",
  ]);
});

Deno.test("InboundCall.abort() aborts a signal that was read before or is read later", () => {
  const head = { method: "GET", url: "/", headers: [], isStreamed: false, hasBody: false } as const;
  const early = new InboundCall(1, { ...head, note: ["T1", "x"] });
  const { signal } = early;
  early.abort(new Error("gone"));
  equal(signal.aborted, true);
  const late = new InboundCall(2, { ...head, note: ["T1", "x"] });
  late.abort(new Error("gone"));
  equal(late.signal.aborted, true);
});

Deno.test("readResponseFrame() makes a Response that does not share the bytes of its frame", async () => {
  const frame = frameOf('[200,"",[],0]', "what was said");
  const { body, make } = readResponseFrame(frame);
  const response = make(body);
  frame.payload.fill(0x21);
  equal(await response.text(), "what was said");
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
  equal(headers(new Set(["connection"])), cookies);
  equal(headers(), [["connection", "x"], ...cookies]);
});

Deno.test("OutboundCall calls onResponse for a response and for an RpcError, but not for its own cancellation", async () => {
  let heard = 0;
  const call = () => {
    const made = new OutboundCall(1, { onResponse: () => heard++ }, () => {});
    made.response.catch(() => {});
    return made;
  };
  const answered = call();
  answered.resolve(new Response("x"));
  equal([heard, answered.hasResponse, await (await answered.response).text()], [1, true, "x"]);
  call().reject(new RpcError("no"));
  equal(heard, 2);
  call().reject(new Error("given up"));
  equal(heard, 2);
});
