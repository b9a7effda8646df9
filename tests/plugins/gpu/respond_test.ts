import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { Piece } from "../../../plugins/gpu/backends/wire.ts";
import { CallerDisconnected } from "../../../plugins/gpu/call.ts";
import { type Exchange, respondEvents, respondText } from "../../../plugins/gpu/respond.ts";
import { Problem } from "../../../plugins/kit/problem.ts";

const PROBLEM = new Problem("bad-gateway", "Cannot answer: the openai backend answered 500");

/** An exchange whose call returns these pieces, and how often it ended and was cancelled. */
function exchangeOf(start: () => AsyncGenerator<Piece[]>) {
  const counts = { ended: 0, cancelled: 0 };
  const exchange: Exchange = {
    call: { start: () => Promise.resolve().then(start), cancel: () => void counts.cancelled++ },
    model: "m",
    prompt: "p",
    headers: { "x-gpu-model": "m" },
    usage: {
      route: "/dev/gpu",
      backend: "openai",
      model: "m",
      prompt_bytes: 1,
      answer_bytes: 0,
      status: 200,
      finish: "stop",
    },
    firstToken: 0,
    onEnd: () => void counts.ended++,
  };
  return { exchange, counts };
}

async function* pieces(...all: Piece[][]): AsyncGenerator<Piece[]> {
  yield* all;
}

async function* failing(error: Error, ...all: Piece[][]): AsyncGenerator<Piece[]> {
  yield* all;
  throw error;
}

Deno.test("respondText() joins the tokens and reports why the model stopped", async () => {
  const { exchange, counts } = exchangeOf(() =>
    pieces([{ text: "ä" }, { text: "" }], [{ text: "b", finish: "length" }, { isEnd: true }])
  );
  const response = await respondText(exchange);
  strictEqual(await response.text(), "äb");
  deepStrictEqual(
    ["content-type", "x-gpu-model", "x-gpu-finish"].map((name) => response.headers.get(name)),
    ["text/plain; charset=utf-8", "m", "length"],
  );
  const { answer_bytes, status, finish } = exchange.usage;
  deepStrictEqual([answer_bytes, status, finish, counts.ended], [3, 200, "length", 1]);
});

Deno.test("respondText() throws the problem of the backend, and records it", async () => {
  const { exchange, counts } = exchangeOf(() => failing(PROBLEM, [{ text: "half" }]));
  await rejects(respondText(exchange), PROBLEM);
  const { status, finish, answer_bytes } = exchange.usage;
  deepStrictEqual([status, finish, answer_bytes, counts.ended], [502, "error", 4, 1]);
});

Deno.test("respondText() refuses a text of more than 4 MiB", async () => {
  const { exchange, counts } = exchangeOf(() =>
    pieces([{ text: "x".repeat(4 * 1024 * 1024 + 1) }])
  );
  await rejects(respondText(exchange), {
    status: 502,
    message:
      "Cannot answer: the response is longer than 4194304 bytes; /dev/gpu/stream has no limit",
  });
  deepStrictEqual([counts.cancelled, counts.ended], [1, 1]);
});

Deno.test("respondText() records 499 if the caller disconnected", async () => {
  const { exchange } = exchangeOf(() => failing(new CallerDisconnected()));
  await rejects(respondText(exchange), CallerDisconnected);
  deepStrictEqual([exchange.usage.status, exchange.usage.finish], [499, "left"]);
});

Deno.test("respondEvents() sends an event per token, and done at the end", async () => {
  const { exchange, counts } = exchangeOf(() => pieces([{ text: "a" }, { text: "b" }], [{}]));
  const response = await respondEvents(exchange);
  strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  strictEqual(await response.text(), "data: a\n\ndata: b\n\nevent: done\ndata: stop\n\n");
  strictEqual(counts.ended, 1);
});

Deno.test("respondEvents() sends an error that comes after tokens as an event", async () => {
  const { exchange, counts } = exchangeOf(() => failing(PROBLEM, [{ text: "a" }]));
  const end = `event: error\ndata: ${PROBLEM.message}\n\nevent: done\ndata: error\n\n`;
  strictEqual(await (await respondEvents(exchange)).text(), `data: a\n\n${end}`);
  deepStrictEqual([exchange.usage.status, exchange.usage.finish, counts.ended], [200, "error", 1]);
});

Deno.test("respondEvents() throws a problem that comes before tokens", async () => {
  const { exchange, counts } = exchangeOf(() => {
    throw PROBLEM;
  });
  await rejects(respondEvents(exchange), PROBLEM);
  deepStrictEqual([exchange.usage.status, counts.ended], [502, 1]);
});

Deno.test("respondEvents() cancels the call when its reader leaves", async () => {
  const { exchange, counts } = exchangeOf(() => pieces([{ text: "a" }], [{ text: "b" }]));
  const reader = (await respondEvents(exchange)).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  deepStrictEqual([counts.cancelled, counts.ended], [1, 1]);
  deepStrictEqual([exchange.usage.status, exchange.usage.finish], [499, "left"]);
});
