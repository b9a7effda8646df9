import { assertEquals, assertRejects } from "../../support/assert.ts";
import { readOutput } from "../../../plugins/semantic/read_output.ts";
import { modelEvents } from "./fake_server.ts";

const OPTIONS = { fences: ["", "json"], path: "/home/x" };

/** Reads a stream and returns the pieces of text. */
async function read(stream: string | ReadableStream<Uint8Array>): Promise<string[]> {
  const body = typeof stream === "string" ? new Blob([stream]).stream() : stream;
  const pieces: string[] = [];
  await readOutput(body, OPTIONS, (piece) => void (piece !== "" && pieces.push(piece)));
  return pieces;
}

Deno.test("readOutput() passes on the text without the fence", async () => {
  assertEquals(await read(modelEvents(["one ", "two\nlines"])), ["one", " two\nlines"]);
  assertEquals((await read(modelEvents(["``", "`json\n{}", "\n``", "`\n"]))).join(""), "{}");
});

Deno.test("readOutput() ignores comments and events of other types", async () => {
  const stream = ": a comment\n\nevent: usage\ndata: 3\n\n";
  assertEquals(await read(stream + modelEvents(["text"])), ["text"]);
});

Deno.test("readOutput() ends with the done event and cancels the rest", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(modelEvents(["text"]))),
    cancel: () => void (isCancelled = true),
  });
  assertEquals(await read(body), ["text"]);
  assertEquals(isCancelled, true);
});

Deno.test("readOutput() succeeds if only the cancellation after done fails", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(modelEvents(["text"]))),
    cancel: () => Promise.reject(new Error("the connection is lost")),
  });
  assertEquals(await read(body), ["text"]);
});

Deno.test("readOutput() throws a problem if the output is not complete", async () => {
  const early = "the model is not available, it stopped early; nothing was stored";
  const rows: [stream: string, status: number, state: string][] = [
    [modelEvents(["text"], ""), 503, early],
    [modelEvents(["text"], "event: done\ndata: stop"), 503, early],
    [modelEvents(["text"], "event: error\ndata: secret\n\n"), 503, early],
    [
      modelEvents(["text"], "event: error\ndata: secret\n\nevent: done\ndata: error\n\n"),
      503,
      early,
    ],
    [
      modelEvents(["text"], "event: error\ndata: secret\n\nevent: done\ndata: stop\n\n"),
      503,
      early,
    ],
    [modelEvents(["text"], "event: done\ndata: another\n\n"), 503, early],
    [
      modelEvents(["text"], "event: done\ndata: length\n\n"),
      502,
      "the output reached the limit of the model; request a shorter text; nothing was stored",
    ],
    [
      modelEvents(["text"], "event: error\ndata: x\n\nevent: done\ndata: filtered\n\n"),
      502,
      "a content filter of the model stopped the output; nothing was stored",
    ],
    [
      modelEvents(["text"], "event: error\ndata: x\n\nevent: done\ndata: refused\n\n"),
      502,
      "the model refused to write this; nothing was stored",
    ],
    [
      modelEvents(["text"], "event: error\ndata: x\n\nevent: done\ndata: incomplete\n\n"),
      502,
      "the model did not say that the output is complete; nothing was stored",
    ],
  ];
  for (const [stream, status, state] of rows) {
    await assertRejects(read(stream), { status, message: `Cannot shape /home/x: ${state}` });
  }
});

Deno.test("readOutput() stops a stream of more than 1 MiB", async () => {
  const piece = "x".repeat(1024 * 1024 - modelEvents([""]).length);
  assertEquals((await read(modelEvents([piece]))).join(""), piece);
  await assertRejects(read(modelEvents([`${piece}x`])), {
    status: 502,
    message: "Cannot shape /home/x: the model wrote more than 1048576 bytes",
  });
});

Deno.test("readOutput() passes on the error of a broken connection", async () => {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(new RangeError("broken")),
  });
  await assertRejects(read(body), RangeError);
});

Deno.test("readOutput() passes on an error of the receiver", async () => {
  const body = new Blob([modelEvents(["text"])]).stream();
  await assertRejects(
    readOutput(body, OPTIONS, () => {
      throw new RangeError("refused");
    }),
    RangeError,
  );
});
