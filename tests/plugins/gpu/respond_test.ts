import { assertEquals, assertRejects } from "../../support/assert.ts";
import type { Piece } from "../../../plugins/gpu/backends/wire.ts";
import { CallerDisconnected } from "../../../plugins/gpu/call.ts";
import { type ModelCall, respondEvents, respondText } from "../../../plugins/gpu/respond.ts";
import { Problem } from "../../../plugins/kit/problem.ts";

const PROBLEM = new Problem("bad-gateway", "Cannot answer: the openai backend answered 500");

/** A model call whose call returns these pieces, and how often it ended and was cancelled. */
function modelCallOf(start: () => AsyncGenerator<Piece[]>) {
  const counts = { ended: 0, cancelled: 0 };
  const modelCall: ModelCall = {
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
      finish: "incomplete",
    },
    firstToken: 0,
    onEnd: () => void counts.ended++,
  };
  return { modelCall, counts };
}

async function* pieces(...all: Piece[][]): AsyncGenerator<Piece[]> {
  yield* all;
}

async function* failing(error: Error, ...all: Piece[][]): AsyncGenerator<Piece[]> {
  yield* all;
  throw error;
}

Deno.test("respondText() joins the tokens and reports why the model stopped", async () => {
  const { modelCall, counts } = modelCallOf(() =>
    pieces([{ text: "ä" }, { text: "" }], [{ text: "b", finish: "length" }, { isEnd: true }])
  );
  const response = await respondText(modelCall);
  assertEquals(await response.text(), "äb");
  assertEquals(
    ["content-type", "x-gpu-model", "x-gpu-finish"].map((name) => response.headers.get(name)),
    ["text/plain; charset=utf-8", "m", "length"],
  );
  const { answer_bytes, status, finish } = modelCall.usage;
  assertEquals([answer_bytes, status, finish, counts.ended], [3, 200, "length", 1]);
});

Deno.test("respondText() throws the problem of the backend, and records it", async () => {
  const { modelCall, counts } = modelCallOf(() => failing(PROBLEM, [{ text: "half" }]));
  await assertRejects(respondText(modelCall), PROBLEM);
  const { status, finish, answer_bytes } = modelCall.usage;
  assertEquals([status, finish, answer_bytes, counts.ended], [502, "error", 4, 1]);
});

Deno.test("respondText() refuses a text of more than 4 MiB", async () => {
  const { modelCall, counts } = modelCallOf(() =>
    pieces([{ text: "x".repeat(4 * 1024 * 1024 + 1) }])
  );
  await assertRejects(respondText(modelCall), {
    status: 502,
    message:
      "Cannot answer: the response is longer than 4194304 bytes; /dev/gpu/stream has no limit",
  });
  assertEquals([counts.cancelled, counts.ended], [1, 1]);
});

Deno.test("respondText() records 499 if the caller disconnected", async () => {
  const { modelCall } = modelCallOf(() => failing(new CallerDisconnected()));
  await assertRejects(respondText(modelCall), CallerDisconnected);
  assertEquals([modelCall.usage.status, modelCall.usage.finish], [499, "left"]);
});

Deno.test("respondEvents() sends an event per token, and done at the end", async () => {
  const { modelCall, counts } = modelCallOf(() =>
    pieces([{ text: "a" }, { text: "b" }], [{ finish: "stop" }])
  );
  const response = await respondEvents(modelCall);
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assertEquals(await response.text(), "data: a\n\ndata: b\n\nevent: done\ndata: stop\n\n");
  assertEquals(counts.ended, 1);
});

Deno.test("respondEvents() sends an error that comes after tokens as an event", async () => {
  const { modelCall, counts } = modelCallOf(() => failing(PROBLEM, [{ text: "a" }]));
  const end = `event: error\ndata: ${PROBLEM.message}\n\nevent: done\ndata: error\n\n`;
  assertEquals(await (await respondEvents(modelCall)).text(), `data: a\n\n${end}`);
  assertEquals([modelCall.usage.status, modelCall.usage.finish, counts.ended], [200, "error", 1]);
});

Deno.test("respondEvents() throws a problem that comes before tokens", async () => {
  const { modelCall, counts } = modelCallOf(() => {
    throw PROBLEM;
  });
  await assertRejects(respondEvents(modelCall), PROBLEM);
  assertEquals([modelCall.usage.status, counts.ended], [502, 1]);
});

Deno.test("respondEvents() cancels the call when its reader leaves", async () => {
  const { modelCall, counts } = modelCallOf(() => pieces([{ text: "a" }], [{ text: "b" }]));
  const reader = (await respondEvents(modelCall)).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  assertEquals([counts.cancelled, counts.ended], [1, 1]);
  assertEquals([modelCall.usage.status, modelCall.usage.finish], [499, "left"]);
});

Deno.test("respondText() reports an answer that the model did not finish", async () => {
  for (const finish of ["length", "filtered", "refused", "incomplete"] as const) {
    const { modelCall } = modelCallOf(() => pieces([{ text: "a", finish }, { finish: "stop" }]));
    const response = await respondText(modelCall);
    assertEquals([await response.text(), response.headers.get("x-gpu-finish")], ["a", finish]);
  }
  const { modelCall } = modelCallOf(() => pieces([{ text: "a" }, { isEnd: true }]));
  assertEquals((await respondText(modelCall)).headers.get("x-gpu-finish"), "incomplete");
});

Deno.test("respondText() and respondEvents() throw bad-gateway for an unfinished answer without text", async () => {
  for (const respond of [respondText, respondEvents]) {
    const { modelCall, counts } = modelCallOf(() => pieces([{ text: "", finish: "filtered" }]));
    await assertRejects(respond(modelCall), {
      status: 502,
      message:
        "Cannot complete the answer: the openai backend stopped the answer with its content " +
        "filter; it sent no text",
    });
    assertEquals([modelCall.usage.finish, counts.ended], ["error", 1]);
  }
});

Deno.test("respondText() and respondEvents() throw unavailable for a response without an answer", async () => {
  for (const respond of [respondText, respondEvents]) {
    const { modelCall } = modelCallOf(() => pieces([{ isEnd: true }]));
    await assertRejects(respond(modelCall), {
      status: 503,
      message: "Cannot answer: the openai backend sent no answer",
      headers: { "retry-after": "30" },
    });
  }
});

Deno.test("respondText() sends an empty answer that the model finished", async () => {
  const { modelCall } = modelCallOf(() => pieces([{ text: "", finish: "stop" }]));
  const response = await respondText(modelCall);
  assertEquals([await response.text(), response.headers.get("x-gpu-finish")], ["", "stop"]);
});

Deno.test("respondEvents() sends an error event and the reason if the model did not finish", async () => {
  const { modelCall } = modelCallOf(() => pieces([{ text: "a" }], [{ finish: "refused" }]));
  const detail = "Cannot complete the answer: the openai backend refused to answer";
  assertEquals(
    await (await respondEvents(modelCall)).text(),
    `data: a\n\nevent: error\ndata: ${detail}\n\nevent: done\ndata: refused\n\n`,
  );
});

Deno.test("respondText() and respondEvents() join characters that two tokens share", async () => {
  const halves = () => pieces([{ text: "a\ud83d" }], [{ text: "\ude00", finish: "stop" }]);
  assertEquals(await (await respondText(modelCallOf(halves).modelCall)).text(), "a😀");
  assertEquals(
    await (await respondEvents(modelCallOf(halves).modelCall)).text(),
    "data: a\n\ndata: 😀\n\nevent: done\ndata: stop\n\n",
  );
});
