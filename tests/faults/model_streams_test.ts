/**
 * Property: an answer that a model did not finish is never reported as complete, and every character
 * of an answer arrives, however a model server writes its stream. Over HTTP, with the plugins in
 * their processes and a fake model server that sends the documented wire formats and their variants.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { type GpuServer, withGpuServer } from "../plugins/gpu/gpu_server.ts";
import type { WireFormat } from "../plugins/fake_backend.ts";
import { installPlugin, putWorld } from "../support/plugin_server.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { freePort } from "../support/free_port.ts";
import { bearer, TOKEN } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";

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
  await gpu.configure(`${format}://${gpu.backend.host}\ntimeout 600`);
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

/**
 * Responses without a usable answer, by format: an error, or an error event after the first token.
 * `model_failures_test.ts` tests the status.
 */
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
    sse(
      chunk({ content: "Hello " }, ""),
      chunk({ content: "😀" }, ""),
      chunk({}, "stop"),
      "[DONE]",
    ),
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

Deno.test("/dev/gpu tells complete, unfinished and failed streams apart, in every format", async (t) => {
  await withGpuServer(async (gpu) => {
    for (const format of FORMATS) {
      await configure(gpu, format);
      for (const [body, result] of UNFINISHED[format]) {
        await t.step(`${format}: not finished, ${result}: ${body.slice(-90)}`, async () => {
          gpu.backend.behaviour = { body };
          const reply = await gpu.ask("x");
          assertEquals([reply.status, reply.text], [200, "Par"]);
          assertEquals(reply.headers.get("x-gpu-finish"), result);
          const events = await gpu.events("x");
          assertEquals(events.at(-1), { type: "done", data: result, lastEventId: "" });
          assertEquals(events.at(-2)?.type, result === "length" ? "message" : "error");
        });
      }
      for (const body of FAILED[format]) {
        await t.step(`${format}: 50x or an error event: ${body.slice(-90)}`, async () => {
          gpu.backend.behaviour = { body };
          const reply = await gpu.ask("x");
          const status = /content_filter|"refusal"/.test(body) ? 502 : 503;
          assertEquals(reply.status, status, reply.text);
          if (!body.includes("Par")) {
            assertEquals((await gpu.ask("x", "/dev/gpu/stream")).status, status);
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
          assertEquals(reply.status, 503);
          assertMatch(reply.text, /no credit/);
        }
      });
      for (const body of COMPLETE[format]) {
        await t.step(`${format}: every character is sent: ${body.slice(0, 90)}`, async () => {
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

/** Requests the shape of `/home/x`. */
function shape(gpu: GpuServer, accept: string): Promise<Reply> {
  const headers = { ...bearer(TOKEN), accept };
  return gpu.server.send({ method: "GET", target: "/shaped/home/x", headers });
}

/** Responses without any text, and what `/shaped` says about them. */
const SILENT: Readonly<Record<WireFormat, readonly [body: string, words: RegExp]>> = {
  openai: [sse(chunk({}, "content_filter"), "[DONE]"), /content filter/],
  claude: [named(stopped("refusal"), END), /refused to write/],
  ollama: [lines(done("length")), /limit of the model/],
};

Deno.test("/shaped stores no answer that the model did not finish, and says so", async (t) => {
  await withGpuServer(async (gpu) => {
    await putWorld(gpu.server, "/etc/semantic.conf", "budget 1000");
    await installPlugin(gpu.server, "semantic");
    await putWorld(gpu.server, "/home/x", "The source.");
    for (const format of FORMATS) {
      await configure(gpu, format);
      const bodies = [...UNFINISHED[format].map(([body]) => body), ...FAILED[format]];
      for (const body of bodies) {
        await t.step(`${format}: ${body.slice(-90)}`, async () => {
          gpu.backend.behaviour = { body };
          for (
            const accept of ["text/plain;q=0.5, text/html;q=0.1", "text/event-stream, text/plain"]
          ) {
            const calls = gpu.backend.calls.length;
            for (let times = 1; times <= 2; times++) {
              const reply = await shape(gpu, accept);
              assertMatch(`${reply.status} ${reply.text}`, REPORTED);
              assertEquals(gpu.backend.calls.length, calls + times, "it was not stored");
            }
          }
        });
      }
      await t.step(
        `${format}: a refusal or a filter without any text is reported as such`,
        async () => {
          const [body, words] = SILENT[format];
          gpu.backend.behaviour = { body };
          for (const accept of ["text/plain", "text/event-stream, text/html"]) {
            const { status, text } = await shape(gpu, accept);
            assertEquals(status, 502, text);
            assertMatch(text, words);
          }
        },
      );
      const [body = ""] = COMPLETE[format];
      gpu.backend.behaviour = { body };
      assertEquals((await shape(gpu, "text/plain")).text, "Hello 😀");
      const calls = gpu.backend.calls.length;
      // A shape is sent before it is stored; until then, the next request shares it.
      await eventually(async () => {
        const found = (await shape(gpu, "text/plain")).headers.get("x-semantic-cache");
        assertMatch(found ?? "", /^(?:shared|hit)$/);
        return found === "hit";
      }, "the shape is stored");
      assertEquals(gpu.backend.calls.length, calls);
    }
  });
});

/** A problem, an error event, or the source itself. */
const REPORTED =
  /^50[23] |^200 [^]*event: error\n|^200 The source\.$|^200 [^]*"cache":"fallback-raw"/;

Deno.test("/shaped answers 503 with Retry-After if the model cannot be reached or fails", async (t) => {
  await withGpuServer(async (gpu) => {
    await putWorld(gpu.server, "/etc/semantic.conf", "budget 1000");
    await installPlugin(gpu.server, "semantic");
    await putWorld(gpu.server, "/home/x", "The source.");
    await gpu.configure(`openai://${gpu.backend.host}\ntimeout 600`);
    const check = async (retryAfter: string) => {
      for (const accept of ["text/html", "*", "*/*", "image/png, text/plain;q=0.8"]) {
        const reply = await shape(gpu, accept);
        assertEquals([reply.status, reply.headers.get("retry-after")], [503, retryAfter], accept);
        assertEquals(reply.headers.get("vary"), "Accept, X-Semantic-Intent, User-Agent");
      }
      for (const accept of ["text/plain", "text/plain, */*;q=0.1"]) {
        const reply = await shape(gpu, accept);
        assertEquals([reply.status, reply.text], [200, "The source."], accept);
        assertEquals(reply.headers.get("x-semantic-cache"), "fallback-raw");
        assertEquals(reply.headers.get("retry-after"), retryAfter);
      }
    };
    for (const status of [401, 404, 429, 500, 503]) {
      await t.step(`status ${status}`, async () => {
        gpu.backend.behaviour = { status, headers: { "retry-after": "7" } };
        await check("7");
      });
    }
    await t.step("no connection", async () => {
      await gpu.configure(`openai://127.0.0.1:${freePort()}`);
      await check("30");
    });
    await t.step("a host name without an address", async () => {
      await gpu.configure("openai://no-such-host.invalid");
      await check("30");
    });
  });
});
