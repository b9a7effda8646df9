import { assertEquals, assertRejects } from "../../support/assert.ts";
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
  assertEquals(await response.text(), "äb");
  assertEquals(
    ["content-type", "x-gpu-model", "x-gpu-finish"].map((name) => response.headers.get(name)),
    ["text/plain; charset=utf-8", "m", "length"],
  );
  const { answer_bytes, status, finish } = exchange.usage;
  assertEquals([answer_bytes, status, finish, counts.ended], [3, 200, "length", 1]);
});

Deno.test("respondText() throws the problem of the backend, and records it", async () => {
  const { exchange, counts } = exchangeOf(() => failing(PROBLEM, [{ text: "half" }]));
  await assertRejects(respondText(exchange), PROBLEM);
  const { status, finish, answer_bytes } = exchange.usage;
  assertEquals([status, finish, answer_bytes, counts.ended], [502, "error", 4, 1]);
});

Deno.test("respondText() refuses a text of more than 4 MiB", async () => {
  const { exchange, counts } = exchangeOf(() =>
    pieces([{ text: "x".repeat(4 * 1024 * 1024 + 1) }])
  );
  await assertRejects(respondText(exchange), {
    status: 502,
    message:
      "Cannot answer: the response is longer than 4194304 bytes; /dev/gpu/stream has no limit",
  });
  assertEquals([counts.cancelled, counts.ended], [1, 1]);
});

Deno.test("respondText() records 499 if the caller disconnected", async () => {
  const { exchange } = exchangeOf(() => failing(new CallerDisconnected()));
  await assertRejects(respondText(exchange), CallerDisconnected);
  assertEquals([exchange.usage.status, exchange.usage.finish], [499, "left"]);
});

Deno.test("respondEvents() sends an event per token, and done at the end", async () => {
  const { exchange, counts } = exchangeOf(() => pieces([{ text: "a" }, { text: "b" }], [{}]));
  const response = await respondEvents(exchange);
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assertEquals(await response.text(), "data: a\n\ndata: b\n\nevent: done\ndata: stop\n\n");
  assertEquals(counts.ended, 1);
});

Deno.test("respondEvents() sends an error that comes after tokens as an event", async () => {
  const { exchange, counts } = exchangeOf(() => failing(PROBLEM, [{ text: "a" }]));
  const end = `event: error\ndata: ${PROBLEM.message}\n\nevent: done\ndata: error\n\n`;
  assertEquals(await (await respondEvents(exchange)).text(), `data: a\n\n${end}`);
  assertEquals([exchange.usage.status, exchange.usage.finish, counts.ended], [200, "error", 1]);
});

Deno.test("respondEvents() throws a problem that comes before tokens", async () => {
  const { exchange, counts } = exchangeOf(() => {
    throw PROBLEM;
  });
  await assertRejects(respondEvents(exchange), PROBLEM);
  assertEquals([exchange.usage.status, counts.ended], [502, 1]);
});

Deno.test("respondEvents() cancels the call when its reader leaves", async () => {
  const { exchange, counts } = exchangeOf(() => pieces([{ text: "a" }], [{ text: "b" }]));
  const reader = (await respondEvents(exchange)).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  assertEquals([counts.cancelled, counts.ended], [1, 1]);
  assertEquals([exchange.usage.status, exchange.usage.finish], [499, "left"]);
});
