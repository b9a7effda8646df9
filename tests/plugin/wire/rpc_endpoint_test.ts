/** Tests of two endpoints that are connected directly, without a cell between them. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { CELL_WINDOW_BYTES } from "../../../lib/cell_limits.ts";
import { type InboundRequest, RpcError } from "../../../lib/plugin/wire/rpc_calls.ts";
import { RpcEndpoint } from "../../../lib/plugin/wire/rpc_endpoint.ts";
import {
  type Frame,
  FrameReader,
  FrameWriter,
  ProtocolError,
  SIDE,
  VERB,
} from "../../../lib/plugin/wire/frames.ts";

/** Connects a server's endpoint to a cell's endpoint that answers with `serve`. */
function join(serve: (served: InboundRequest) => Promise<Response>) {
  const idle: number[] = [];
  const make = (side: 0 | 1, answer: typeof serve, other: () => RpcEndpoint) => {
    const writer = new FrameWriter();
    const reader = new FrameReader();
    let scheduled = false;
    const peer: RpcEndpoint = new RpcEndpoint({
      side,
      writer,
      serve: answer,
      maxInboundCalls: 4,
      onIgnoredFrame: () => idle.push(side),
      scheduleFlush: () => {
        if (scheduled) return;
        scheduled = true;
        setImmediate(() => {
          scheduled = false;
          peer.flush();
          if (writer.length > 0) reader.push(writer.take(), (frame) => other().receive(frame));
        });
      },
    });
    return peer;
  };
  const host: RpcEndpoint = make(SIDE.HOST, () => Promise.reject(new Error("no")), () => cell);
  const cell: RpcEndpoint = make(SIDE.CELL, serve, () => host);
  return { host, cell, idle };
}

function ask(
  host: RpcEndpoint,
  body: ReadableStream<Uint8Array> | Uint8Array | null = null,
  moved?: () => void,
) {
  let ended = 0;
  const call = host.call({
    method: "POST",
    url: "http://localhost/x",
    headers: ["x-a", "b"],
    note: ["T1", "ada"],
    body,
    onEnd: () => ended++,
    ...(moved && { onProgress: moved }),
  });
  return {
    id: call.id,
    response: call.response,
    cancel: (reason: Error) => call.cancel(reason),
    ended: () => ended,
  };
}

function frame(verb: number, side: number, id: number, payload = new Uint8Array(0)): Frame {
  return { verb, side, id, payload };
}

const text = (words: string) => new TextEncoder().encode(words);

Deno.test("RpcEndpoint.call() sends a request and resolves with its response", async () => {
  const { host } = join(async ({ head, body }) => {
    const received = `${head.method} ${head.url} ${head.headers} ${await new Response(body)
      .text()}`;
    return new Response(received, { status: 201, headers: { "x-c": "d" } });
  });
  const call = ask(host, text("hello"));
  const answer = await call.response;
  assertEquals([answer.status, answer.headers.get("x-c")], [201, "d"]);
  assertEquals(await answer.text(), "POST http://localhost/x x-a,b hello");
  assertEquals(call.ended(), 1);
});

Deno.test("RpcEndpoint.receive() copies the request body, because the frame's buffer is reused", async () => {
  const served = Promise.withResolvers<InboundRequest>();
  const { cell } = join((request) => {
    served.resolve(request);
    return new Promise(() => {});
  });
  const writer = new FrameWriter();
  const body = new TextEncoder().encode("what was sent");
  writer.writeHead(VERB.REQUEST, SIDE.HOST, 1, '["PUT","/x",[],1,["T1","ada"]]', body);
  const bytes = writer.take();
  new FrameReader().push(bytes, (frame) => cell.receive(frame));
  bytes.fill(0x21);
  assertEquals((await served.promise).body, body);
});

Deno.test("RpcEndpoint streams bodies longer than the window in both directions", async () => {
  const { host } = join(({ body }) => Promise.resolve(new Response(body)));
  let left = 3 * CELL_WINDOW_BYTES;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = new Uint8Array(Math.min(left, 50_000));
      left -= piece.length;
      controller.enqueue(piece);
      if (left === 0) controller.close();
    },
  });
  let moved = 0;
  const answer = await ask(host, body, () => moved++).response;
  assertEquals((await answer.bytes()).length, 3 * CELL_WINDOW_BYTES);
  assert(moved > 0, "onProgress is called for consumed bytes");
});

Deno.test("RpcEndpoint rejects with the other end's failure, and informs it of a cancelled call", async () => {
  const { host } = join(() => Promise.reject(new RangeError("too far")));
  await assertRejects(
    ask(host).response,
    (error) => error instanceof RpcError && /too far/.test(error.message),
  );
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const waiting = join(({ signal }) => {
    signal.addEventListener("abort", () => resolve());
    arrive();
    return new Promise(() => {});
  });
  const call = ask(waiting.host);
  await arrived;
  call.cancel(new Error("enough"));
  await assertRejects(call.response, /enough/);
  await aborted;
  assertEquals(call.ended(), 1);
});

Deno.test("RpcEndpoint refuses to send a header with a control character, in either direction", async () => {
  const { host } = join(() =>
    Promise.resolve(new Response("", { headers: { "x-a": "a\u0001b" } }))
  );
  await assertRejects(ask(host).response, /contain control characters/);
  const headers = ["x-a", "a\u007fb"];
  const call = host.call({ method: "GET", url: "/", headers, note: ["T1", "x"], body: null });
  await assertRejects(call.response, RangeError);
});

Deno.test("RpcEndpoint ignores credit for bytes that were never sent", () => {
  const { host, idle } = join(() => new Promise(() => {}));
  let moved = 0;
  const { id, response } = ask(host, null, () => moved++);
  response.catch(() => {});
  const credit = new Uint8Array([1, 0, 0, 0]);
  for (let i = 0; i < 10; i++) host.receive(frame(VERB.CREDIT, SIDE.HOST, id, credit));
  assertEquals([moved, idle.length], [0, 10]);
  host.fail(new Error("over"));
});

Deno.test("RpcEndpoint.receive() throws for an unknown id, an unknown side or too many calls", async () => {
  const { host } = join(() => new Promise(() => {}));
  assertThrows(() => host.receive(frame(VERB.RESPONSE, SIDE.HOST, 7)), ProtocolError);
  assertThrows(() => host.receive(frame(VERB.RESPONSE, 9, 1)), ProtocolError);
  const { cell } = join(() => new Promise(() => {}));
  const writer = new FrameWriter();
  const head = '["GET","/x",[],0,["T1","x"]]';
  for (let id = 1; id <= 5; id++) writer.writeHead(VERB.REQUEST, SIDE.HOST, id, head);
  assertThrows(
    () => new FrameReader().push(writer.take(), (frame) => cell.receive(frame)),
    /4 calls are open/,
  );
  await Promise.resolve();
});

Deno.test("RpcEndpoint.fail() fails all open calls and every later call", async () => {
  const { host } = join(() => new Promise(() => {}));
  const call = ask(host);
  host.fail(new Error("the cell ended"));
  await assertRejects(call.response, /the cell ended/);
  await assertRejects(ask(host).response, /the cell ended/);
  assertEquals(call.ended(), 1);
});
