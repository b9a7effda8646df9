/**
 * Property: an answer that a model did not finish is never reported as complete, and every character
 * of an answer arrives, however a model server writes its stream. Over HTTP, with the plugins in
 * their processes and a fake model server that sends the documented wire formats and their variants.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { type GpuServer, withGpuServer } from "../plugins/gpu/gpu_server.ts";
import type { WireFormat } from "../plugins/fake_backend.ts";

const FORMATS: readonly WireFormat[] = ["openai", "claude", "ollama"];

const sse = (...frames: unknown[]): string =>
  frames.map((frame) => `data: ${typeof frame === "string" ? frame : JSON.stringify(frame)}\n\n`)
    .join("");
const named = (...frames: { type: string; [name: string]: unknown }[]): string =>
  frames.map((frame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`).join("");
const lines = (...frames: unknown[]): string =>
  frames.map((frame) => `${JSON.stringify(frame)}\n`).join("");

/** A chunk of OpenAI's format. */
const chunk = (delta: Record<string, unknown>, finish: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const delta = (text: string) => ({
  type: "content_block_delta",
  index: 0,
  delta: { type: "text_delta", text },
});
const stopped = (reason: string | null) => ({
  type: "message_delta",
  delta: { stop_reason: reason },
});
const END = { type: "message_stop" };
const said = (content: string) => ({ message: { role: "assistant", content }, done: false });
const done = (reason: string) => ({ message: { content: "" }, done: true, done_reason: reason });

async function configure(gpu: GpuServer, format: WireFormat): Promise<void> {
  await gpu.configure(`${format}://${gpu.backend.host}\ntimeout 1`);
}

/** Streams that end early, by format, with the result that the device reports. */
const UNFINISHED: Readonly<
  Record<WireFormat, readonly (readonly [body: string, result: string])[]>
> = {
  openai: [
    [sse(chunk({ content: "Par" }), chunk({}, "content_filter"), "[DONE]"), "filtered"],
    [sse(chunk({ content: "Par" }), chunk({}, "tool_calls"), "[DONE]"), "incomplete"],
    [sse(chunk({ content: "Par" }), "[DONE]"), "incomplete"],
    [sse(chunk({ content: "Par" }), chunk({}, "length"), "[DONE]"), "length"],
    [sse(chunk({ refusal: "Par" }), chunk({}, "stop"), "[DONE]"), "refused"],
  ],
  claude: [
    [named(delta("Par"), stopped("refusal"), END), "refused"],
    [named(delta("Par"), stopped("pause_turn"), END), "incomplete"],
    [named(delta("Par"), stopped("model_context_window_exceeded"), END), "length"],
    [named(delta("Par"), stopped(null), END), "incomplete"],
    [named(delta("Par"), END), "incomplete"],
  ],
  ollama: [
    [lines(said("Par"), done("length")), "length"],
    [lines(said("Par"), done("unload")), "incomplete"],
  ],
};

/** Responses without a usable answer, by format: 502, or an error event after the first token. */
const FAILED: Readonly<Record<WireFormat, readonly string[]>> = {
  openai: [
    sse({ object: "error", message: "overloaded" }, "[DONE]"),
    sse({ error: { message: "overloaded" } }, "[DONE]"),
    sse({ error: "overloaded" }, "[DONE]"),
    `event: error\n${sse({ message: "overloaded" })}`,
    sse("[DONE]"),
    sse(chunk({ role: "assistant" }), chunk({}, "content_filter"), "[DONE]"),
    sse(chunk({ content: "Par" }), chunk({}, "error"), "[DONE]"),
    sse(chunk({ content: "Par" })),
    sse(chunk({ content: "Par" }), { error: { message: "overloaded" } }, "[DONE]"),
    "",
  ],
  claude: [
    named({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
    named(delta("Par"), { type: "error", error: { message: "Overloaded" } }, END),
    named(delta("Par"), stopped("end_turn")).replace(/event: message_delta[^]*/, ""),
    named(stopped("refusal"), END),
    named(END),
  ],
  ollama: [
    lines({ error: "model requires more memory" }),
    lines(said("Par"), { error: "unexpected EOF" }),
    lines(said("Par")),
    lines(done("load")),
  ],
};

/** Streams whose answer is `Hello 😀`, by format. */
const COMPLETE: Readonly<Record<WireFormat, readonly string[]>> = {
  openai: [
    sse(
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }] }),
      chunk({ content: [{ type: "text", text: "Hel" }] }),
      chunk({ content: "lo 😀" }),
      chunk({}, "stop"),
      "[DONE]",
    ),
    `\ufeff: ping\n\ndata:\n\n${sse(chunk({ content: "Hello " }))}data: \n\n: ping\n\n` +
    sse(chunk({ reasoning_content: "hm" }), chunk({ content: "😀" }), chunk({}, "stop"), "[DONE]"),
    'data: {"choices":[{"delta":{"content":"Hello \\ud83d"}}]}\n\n' +
    'data: {"choices":[{"delta":{"content":"\\ude00"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
  ],
  claude: [
    `event: ping\ndata:\n\ndata:\n\n${
      named(
        { type: "content_block_start", content_block: { type: "thinking", thinking: "" } },
        { type: "content_block_delta", delta: { type: "thinking_delta", thinking: "hm" } },
        { type: "content_block_start", content_block: { type: "text", text: "Hel" } },
        delta("lo 😀"),
        stopped("end_turn"),
        END,
      )
    }`,
    'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello \\ud83d"}}\n\n' +
    'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"\\ude00"}}\n\n' +
    sse(stopped("stop_sequence"), END),
  ],
  ollama: [
    `\ufeff${lines(said("Hel"), { message: { thinking: "hm", content: "" } }, said("lo 😀"))}\n${
      lines(done("stop"))
    }`,
    '{"message":{"content":"Hello \\ud83d"}}\n{"message":{"content":"\\ude00"},"done":true}\n',
  ],
};

Deno.test("/dev/gpu reports an answer that the model did not finish, in every format", async (t) => {
  await withGpuServer(async (gpu) => {
    for (const format of FORMATS) {
      await configure(gpu, format);
      for (const [body, result] of UNFINISHED[format]) {
        await t.step(`${format}: ${result} ${body.slice(-90)}`, async () => {
          gpu.backend.behaviour = { body };
          const reply = await gpu.ask("x");
          assertEquals([reply.status, reply.text], [200, "Par"]);
          assertEquals(reply.headers.get("x-gpu-finish"), result);
          const events = await gpu.events("x");
          assertEquals(events.at(-1), { type: "done", data: result, lastEventId: "" });
          assertEquals(events.at(-2)?.type, result === "length" ? "message" : "error");
        });
      }
    }
  });
});

Deno.test("/dev/gpu answers 502 or sends an error event if the stream of the model fails", async (t) => {
  await withGpuServer(async (gpu) => {
    for (const format of FORMATS) {
      await configure(gpu, format);
      for (const body of FAILED[format]) {
        await t.step(`${format}: ${body.slice(-90)}`, async () => {
          gpu.backend.behaviour = { body };
          const reply = await gpu.ask("x");
          assertEquals(reply.status, 502, reply.text);
          if (!body.includes("Par")) {
            assertEquals((await gpu.ask("x", "/dev/gpu/stream")).status, 502);
            return;
          }
          const events = await gpu.events("x");
          assertEquals(events.map(({ type }) => type), ["message", "error", "done"]);
          assertEquals(events.at(-1)?.data, "error");
        });
      }
      await t.step(`${format}: a JSON document with status 200 that is an error`, async () => {
        const headers = { "content-type": "application/json" };
        for (const body of ['{"error":{"message":"no credit"}}', '{"error":"no credit"}']) {
          gpu.backend.behaviour = { body, headers };
          const reply = await gpu.ask("x");
          assertEquals(reply.status, 502);
          assertMatch(reply.text, /no credit/);
        }
      });
    }
  });
});

Deno.test("/dev/gpu sends every character of an answer, however the stream is written", async (t) => {
  await withGpuServer(async (gpu) => {
    for (const format of FORMATS) {
      await configure(gpu, format);
      for (const body of COMPLETE[format]) {
        await t.step(`${format}: ${body.slice(0, 90)}`, async () => {
          for (const text of [body, body.replaceAll("\n", "\r\n")]) {
            gpu.backend.behaviour = { body: text };
            const reply = await gpu.ask("x");
            assertEquals([reply.status, reply.text], [200, "Hello 😀"], reply.text);
            assertEquals(reply.headers.get("x-gpu-finish"), "stop");
            const events = await gpu.events("x");
            const tokens = events.filter(({ type }) => type === "message");
            assertEquals(tokens.map(({ data }) => data).join(""), "Hello 😀");
            assertEquals(events.at(-1)?.data, "stop");
          }
        });
      }
    }
  });
});
