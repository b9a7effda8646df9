/** Text in, text out, whichever wire format the backend speaks; over HTTP, with a real cell. */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { startGpu } from "./gpu_machine.ts";
import type { ReceivedEvent } from "../support/event_reader.ts";
import type { WireFormat } from "./fake_backend.ts";

const SCHEMES: Readonly<Record<string, { format: WireFormat; path: string; model: string }>> = {
  ollama: { format: "ollama", path: "/api/chat", model: "llama3.2" },
  openai: { format: "openai", path: "/v1/chat/completions", model: "default" },
  claude: { format: "claude", path: "/v1/messages", model: "claude-haiku-4-5" },
  deepseek: { format: "openai", path: "/chat/completions", model: "deepseek-chat" },
  vast: { format: "openai", path: "/v1/chat/completions", model: "default" },
};
/** Characters of two, three and four bytes, and lines. */
const HARD = ["Grüße\n", "\n帮我画", "销售饼图 👩‍🔬", "\r", "\nend\r", "x", "  ", "\n"];
const HARD_STREAMED = HARD.join("").replace(/\r\n?/g, "\n");

const textOf = (events: readonly ReceivedEvent[]): string =>
  events.filter(({ type }) => type === "message").map(({ data }) => data).join("");

Deno.test("gpu answers in every format", async (t) => {
  const gpu = await startGpu();
  const { backend } = gpu;
  try {
    for (const [scheme, { format, path, model }] of Object.entries(SCHEMES)) {
      const headers = { "x-gpu-backend": scheme, "x-gpu-model": model, "x-gpu-local": "true" };
      backend.clear();
      await gpu.configure(`${scheme}://${backend.host}`);

      await t.step(`${scheme}: text in, text out`, async () => {
        const reply = await gpu.ask("häh?");
        deepStrictEqual([reply.status, reply.text], [200, "You said: häh?"], reply.text);
        equal(reply.headers.get("content-type"), "text/plain; charset=utf-8");
        for (const [name, value] of Object.entries(headers)) {
          equal(reply.headers.get(name), value, name);
        }
        equal(reply.headers.get("x-gpu-finish"), "stop");
        const { last } = backend;
        deepStrictEqual([last.format, last.method, last.path], [format, "POST", path]);
        deepStrictEqual([last.json?.model, last.json?.stream, last.system], [
          model,
          true,
          undefined,
        ]);
        equal(last.headers.get("accept-encoding"), "identity");
        equal(last.json?.max_tokens, format === "claude" ? 4096 : undefined);
      });

      await t.step(`${scheme}: a token is a frame, and done comes last`, async () => {
        const reader = await gpu.open("hi");
        equal(reader.response.status, 200);
        equal(reader.response.headers.get("content-type"), "text/event-stream; charset=utf-8");
        for (const [name, value] of Object.entries(headers)) {
          equal(reader.response.headers.get(name), value, name);
        }
        await reader.close();
        deepStrictEqual(
          (await gpu.events("hi")).map(({ type, data }) => [type, data]),
          [["message", "You said: "], ["message", "hi"], ["done", "stop"]],
        );
      });

      await t.step(
        `${scheme}: lines and characters arrive whole, however they are cut`,
        async () => {
          for (const pieces of [1, 2, 3, 7, Infinity]) {
            for (const newline of ["\n", "\r\n", "\r"] as const) {
              if (format === "ollama" && newline !== "\n") continue;
              backend.behaviour = { tokens: HARD, pieces, newline };
              equal(
                (await gpu.ask("x")).text,
                HARD.join(""),
                `${pieces} ${JSON.stringify(newline)}`,
              );
              const events = await gpu.events("x");
              equal(textOf(events), HARD_STREAMED, `${pieces} ${JSON.stringify(newline)}`);
              equal(events.at(-1)?.type, "done");
            }
          }
          backend.behaviour = {};
        },
      );

      await t.step(
        `${scheme}: tokens come when they come, and not together at the end`,
        async () => {
          const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
          backend.next({ tokens: ["a", "b", "c"], before: (index) => gates[index]?.promise });
          const reader = await gpu.open("slowly");
          for (const [index, token] of ["a", "b", "c"].entries()) {
            gates[index]?.resolve();
            equal((await reader.next())?.data, token);
          }
          gates[3]?.resolve();
          equal((await reader.next())?.type, "done");
          equal(await reader.next(), undefined);
        },
      );

      await t.step(`${scheme}: a server that does not stream is understood as well`, async () => {
        backend.behaviour = { document: true };
        equal((await gpu.ask("whole")).text, "You said: whole");
        const events = await gpu.events("whole");
        deepStrictEqual([textOf(events), events.at(-1)?.type], ["You said: whole", "done"]);
        backend.behaviour = {};
      });

      await t.step(`${scheme}: ?model= is asked for, and named in the answer`, async () => {
        const reply = await gpu.ask("x", "/dev/gpu?model=org%2Fmodel%3A7b");
        deepStrictEqual([reply.status, reply.headers.get("x-gpu-model")], [200, "org/model:7b"]);
        equal(backend.last.json?.model, "org/model:7b");
        for (const bad of ["", "a%20b", "a%0d%0ax-evil:1", "%C3%BC", "x".repeat(201)]) {
          const refused = await gpu.ask("x", `/dev/gpu?model=${bad}`);
          equal(refused.status, 400, bad);
          match(refused.text, /\?model= names no model/);
        }
      });
    }

    await t.step("an answer that the token limit cut says so", async () => {
      const cut = {
        ollama: '{"message":{"content":"x"},"done":true,"done_reason":"length"}\n',
        openai:
          'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n',
        claude: 'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"x"}}\n\n' +
          'event: message_delta\ndata: {"delta":{"stop_reason":"max_tokens"}}\n\n' +
          "event: message_stop\ndata: {}\n\n",
      };
      for (const [scheme, body] of Object.entries(cut)) {
        await gpu.configure(`${scheme}://${backend.host}\n# ${scheme} cut`);
        backend.behaviour = { body };
        const reply = await gpu.ask("x");
        deepStrictEqual([reply.text, reply.headers.get("x-gpu-finish")], ["x", "length"], scheme);
        deepStrictEqual((await gpu.events("x")).at(-1)?.data, "length", scheme);
      }
      backend.behaviour = {};
    });

    await t.step(
      "system, temperature, token limit and path reach each format in its terms",
      async () => {
        const more = `
        # as terse as can be
        system You are # terse.
        system Very.
        temperature 0.2   # cold
        max_tokens = 77
        model m`;
        await gpu.configure(`${more}\nollama://${backend.host}`);
        await gpu.ask("p");
        const system = "You are # terse.\nVery.";
        const user = { role: "user", content: "p" };
        deepStrictEqual(backend.last.json, {
          model: "m",
          messages: [{ role: "system", content: system }, user],
          options: { temperature: 0.2, num_predict: 77 },
          stream: true,
        });
        await gpu.configure(`ollama://${backend.host}/api/generate\nsystem s`);
        backend.next({
          body: '{"response":"gen","done":false}\n{"response":"erated","done":true}',
        });
        equal((await gpu.ask("p")).text, "generated");
        deepStrictEqual(backend.last.json, {
          model: "llama3.2",
          prompt: "p",
          system: "s",
          stream: true,
        });
        await gpu.configure(`openai://${backend.host}/base/v1/\n${more}`);
        await gpu.ask("p");
        equal(backend.last.path, "/base/v1/chat/completions");
        deepStrictEqual(backend.last.json, {
          model: "m",
          messages: [{ role: "system", content: system }, user],
          temperature: 0.2,
          max_tokens: 77,
          stream: true,
        });
        await gpu.configure(`claude://${backend.host}/proxy/messages\n${more}`);
        await gpu.ask("p");
        equal(backend.last.path, "/proxy/messages");
        deepStrictEqual(backend.last.json, {
          model: "m",
          max_tokens: 77,
          system,
          temperature: 0.2,
          messages: [user],
          stream: true,
        });
        equal(backend.last.headers.get("anthropic-version"), "2023-06-01");
      },
    );

    await t.step("models bounds what ?model= may name", async () => {
      await gpu.configure(`openai://${backend.host}\nmodel small\nmodels small large`);
      equal((await gpu.ask("x", "/dev/gpu?model=large")).status, 200);
      const calls = backend.calls.length;
      const refused = await gpu.ask("x", "/dev/gpu/stream?model=largest");
      deepStrictEqual([refused.status, backend.calls.length], [400, calls]);
      match(refused.text, /none of the models that \/etc\/gpu\.conf allows/);
    });

    await t.step("connections to the backend are kept for the next call", async () => {
      // A new one costs a handshake, which over TLS is longer than many a first token.
      const opened = new Set<string>();
      const keeper = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        (_, info) => {
          opened.add(String(info.remoteAddr.port));
          return new Response('data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n');
        },
      );
      await gpu.configure(`openai://127.0.0.1:${keeper.addr.port}`);
      for (let times = 0; times < 5; times++) equal((await gpu.ask("x")).text, "x");
      for (let times = 0; times < 5; times++) equal((await gpu.events("x")).length, 2);
      ok(opened.size <= 2, `${opened.size} connections for ten calls`);
      await gpu.configure(undefined);
      await keeper.shutdown();
    });
  } finally {
    await gpu.close();
  }
});
