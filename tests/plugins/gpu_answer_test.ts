/** Responses of `/dev/gpu` in every wire format; over HTTP, with the plugin in its process. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { withGpuServer } from "./gpu/gpu_server.ts";
import type { ReceivedEvent } from "../support/event_reader.ts";
import type { WireFormat } from "./fake_backend.ts";

const SCHEMES: Readonly<Record<string, { format: WireFormat; path: string; model: string }>> = {
  ollama: { format: "ollama", path: "/api/chat", model: "llama3.2" },
  openai: { format: "openai", path: "/v1/chat/completions", model: "default" },
  claude: { format: "claude", path: "/v1/messages", model: "claude-haiku-4-5" },
  deepseek: { format: "openai", path: "/chat/completions", model: "deepseek-flash" },
  vast: { format: "openai", path: "/v1/chat/completions", model: "default" },
};
/** Characters of two, three and four bytes, and all kinds of line ends. */
const TOKENS = ["Grüße\n", "\n帮我画", "销售饼图 👩‍🔬", "\r", "\nend\r", "x", "  ", "\n"];
const STREAMED_TEXT = TOKENS.join("").replace(/\r\n?/g, "\n");

const textOf = (events: readonly ReceivedEvent[]): string =>
  events.filter(({ type }) => type === "message").map(({ data }) => data).join("");

Deno.test("POST /dev/gpu answers with the text of a backend of every scheme", async (t) => {
  await withGpuServer(async (gpu) => {
    const { backend } = gpu;
    for (const [scheme, { format, path, model }] of Object.entries(SCHEMES)) {
      const headers = { "x-gpu-backend": scheme, "x-gpu-model": model, "x-gpu-local": "true" };
      backend.clear();
      await gpu.configure(`${scheme}://${backend.host}`);

      await t.step(`${scheme}: /dev/gpu answers with text`, async () => {
        const reply = await gpu.ask("häh?");
        assertEquals([reply.status, reply.text], [200, "You said: häh?"], reply.text);
        assertEquals(reply.headers.get("content-type"), "text/plain; charset=utf-8");
        for (const [name, value] of Object.entries(headers)) {
          assertStrictEquals(reply.headers.get(name), value, name);
        }
        assertEquals(reply.headers.get("x-gpu-finish"), "stop");
        const { last } = backend;
        assertEquals([last.format, last.method, last.path], [format, "POST", path]);
        assertEquals([last.json?.model, last.json?.stream, last.system], [
          model,
          true,
          undefined,
        ]);
        assertEquals(last.headers.get("accept-encoding"), "identity");
        assertStrictEquals(last.json?.max_tokens, format === "claude" ? 4096 : undefined);
      });

      await t.step(`${scheme}: /dev/gpu/stream sends one event per token, then done`, async () => {
        const reader = await gpu.open("hi");
        assertEquals(reader.response.status, 200);
        assertEquals(
          reader.response.headers.get("content-type"),
          "text/event-stream; charset=utf-8",
        );
        for (const [name, value] of Object.entries(headers)) {
          assertStrictEquals(reader.response.headers.get(name), value, name);
        }
        await reader.close();
        assertEquals(
          (await gpu.events("hi")).map(({ type, data }) => [type, data]),
          [["message", "You said: "], ["message", "hi"], ["done", "stop"]],
        );
      });

      await t.step(
        `${scheme}: lines and characters are complete wherever the bytes are cut`,
        async () => {
          // tests/plugins/gpu/frames_test.ts has every length of pieces with every line end.
          for (const pieces of [1, 7]) {
            for (const newline of ["\n", "\r"] as const) {
              if (format === "ollama" && newline !== "\n") continue;
              backend.behaviour = { tokens: TOKENS, pieces, newline };
              assertStrictEquals(
                (await gpu.ask("x")).text,
                TOKENS.join(""),
                `${pieces} ${JSON.stringify(newline)}`,
              );
              const events = await gpu.events("x");
              assertStrictEquals(
                textOf(events),
                STREAMED_TEXT,
                `${pieces} ${JSON.stringify(newline)}`,
              );
              assertEquals(events.at(-1)?.type, "done");
            }
          }
          backend.behaviour = {};
        },
      );

      await t.step(
        `${scheme}: /dev/gpu/stream sends each token as soon as it arrives`,
        async () => {
          const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
          backend.next({ tokens: ["a", "b", "c"], before: (index) => gates[index]?.promise });
          const reader = await gpu.open("x");
          for (const [index, token] of ["a", "b", "c"].entries()) {
            gates[index]?.resolve();
            assertStrictEquals((await reader.next())?.data, token);
          }
          gates[3]?.resolve();
          assertEquals((await reader.next())?.type, "done");
          assertEquals(await reader.next(), undefined);
        },
      );

      await t.step(`${scheme}: a response that is not streamed is read too`, async () => {
        backend.behaviour = { document: true };
        assertEquals((await gpu.ask("whole")).text, "You said: whole");
        const events = await gpu.events("whole");
        assertEquals([textOf(events), events.at(-1)?.type], ["You said: whole", "done"]);
        backend.behaviour = {};
      });

      await t.step(
        `${scheme}: ?model= is sent to the backend and named in the response`,
        async () => {
          const reply = await gpu.ask("x", "/dev/gpu?model=org%2Fmodel%3A7b");
          assertEquals([reply.status, reply.headers.get("x-gpu-model")], [200, "org/model:7b"]);
          assertEquals(backend.last.json?.model, "org/model:7b");
          for (const bad of ["", "a%20b", "a%0d%0ax-evil:1", "%C3%BC", "x".repeat(201)]) {
            const refused = await gpu.ask("x", `/dev/gpu?model=${bad}`);
            assertEquals(refused.status, 400, bad);
            assertMatch(refused.text, /the value of \?model= is not a model name/);
          }
        },
      );
    }

    await t.step(
      "X-Gpu-Finish and done say length if the token limit ended the response",
      async () => {
        const cut = {
          ollama: '{"message":{"content":"x"},"done":true,"done_reason":"length"}\n',
          openai:
            'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n',
          claude:
            'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"x"}}\n\n' +
            'event: message_delta\ndata: {"delta":{"stop_reason":"max_tokens"}}\n\n' +
            "event: message_stop\ndata: {}\n\n",
        };
        for (const [scheme, body] of Object.entries(cut)) {
          await gpu.configure(`${scheme}://${backend.host}\n# ${scheme} cut`);
          backend.behaviour = { body };
          const reply = await gpu.ask("x");
          assertEquals([reply.text, reply.headers.get("x-gpu-finish")], ["x", "length"], scheme);
          assertEquals((await gpu.events("x")).at(-1)?.data, "length", scheme);
        }
        backend.behaviour = {};
      },
    );

    await t.step(
      "POST /dev/gpu sends system, temperature and max_tokens with the path and names of each format",
      async () => {
        const more = `
        # as short as possible
        system You are # terse.
        system Very.
        temperature 0.2   # low
        max_tokens = 77
        model m`;
        await gpu.configure(`${more}\nollama://${backend.host}`);
        await gpu.ask("p");
        const system = "You are # terse.\nVery.";
        const user = { role: "user", content: "p" };
        assertEquals(backend.last.json, {
          model: "m",
          messages: [{ role: "system", content: system }, user],
          options: { temperature: 0.2, num_predict: 77 },
          stream: true,
        });
        await gpu.configure(`ollama://${backend.host}/api/generate\nsystem s`);
        backend.next({
          body: '{"response":"gen","done":false}\n{"response":"erated","done":true}',
        });
        assertEquals((await gpu.ask("p")).text, "generated");
        assertEquals(backend.last.json, {
          model: "llama3.2",
          prompt: "p",
          system: "s",
          stream: true,
        });
        await gpu.configure(`openai://${backend.host}/base/v1/\n${more}`);
        await gpu.ask("p");
        assertEquals(backend.last.path, "/base/v1/chat/completions");
        assertEquals(backend.last.json, {
          model: "m",
          messages: [{ role: "system", content: system }, user],
          temperature: 0.2,
          max_tokens: 77,
          stream: true,
        });
        await gpu.configure(`claude://${backend.host}/proxy/messages\n${more}`);
        await gpu.ask("p");
        assertEquals(backend.last.path, "/proxy/messages");
        assertEquals(backend.last.json, {
          model: "m",
          max_tokens: 77,
          system,
          temperature: 0.2,
          messages: [user],
          stream: true,
        });
        assertEquals(backend.last.headers.get("anthropic-version"), "2023-06-01");
      },
    );

    await t.step("POST /dev/gpu?model= accepts only models of the configuration", async () => {
      await gpu.configure(`openai://${backend.host}\nmodel small\nmodels small large`);
      assertEquals((await gpu.ask("x", "/dev/gpu?model=large")).status, 200);
      const calls = backend.calls.length;
      const refused = await gpu.ask("x", "/dev/gpu/stream?model=largest");
      assertEquals([refused.status, backend.calls.length], [400, calls]);
      assertMatch(refused.text, /\/etc\/gpu\.conf does not allow the model in \?model=/);
    });

    await t.step("POST /dev/gpu reuses connections to the backend", async () => {
      // A new connection costs a handshake, which over TLS often takes longer than the first token.
      const ports = new Set<string>();
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        (_, info) => {
          ports.add(String(info.remoteAddr.port));
          const chunk = '{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}';
          return new Response(`data: ${chunk}\n\ndata: [DONE]\n\n`);
        },
      );
      await gpu.configure(`openai://127.0.0.1:${server.addr.port}`);
      for (let times = 0; times < 5; times++) assertEquals((await gpu.ask("x")).text, "x");
      for (let times = 0; times < 5; times++) assertEquals((await gpu.events("x")).length, 2);
      assert(ports.size <= 2, `${ports.size} connections for ten calls`);
      await gpu.configure(undefined);
      await server.shutdown();
    });
  });
});
