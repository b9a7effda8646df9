/** Failures of a backend, and the response to the caller; over HTTP, with the plugin in its process. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { bearer, TOKEN } from "../support/test_server.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { type GpuServer, KEYS, withGpuServer } from "./gpu/gpu_server.ts";
import type { Behaviour } from "./fake_backend.ts";

const SCHEMES = ["ollama", "openai", "claude"] as const;
const never = (): Promise<void> => new Promise(() => {});

/** The detail of a problem. */
function detail(text: string): string {
  return JSON.parse(text).detail;
}

/** A failure after tokens: 503 for `/dev/gpu`, an event for `/dev/gpu/stream`; before them: 503. */
async function assertBreaksOff(
  gpu: GpuServer,
  behaviour: Behaviour,
  found: RegExp,
  tokens: readonly string[] = [],
): Promise<void> {
  gpu.backend.behaviour = behaviour;
  const reply = await gpu.ask("x");
  assertEquals(reply.status, 503, reply.text);
  assertMatch(detail(reply.text), found);
  if (tokens.length === 0) {
    // Nothing was sent yet, so the stream can answer with the problem too.
    const refused = await gpu.ask("x", "/dev/gpu/stream");
    assertEquals(refused.status, 503, refused.text);
    assertMatch(detail(refused.text), found);
    return;
  }
  const events = await gpu.events("x");
  assertEquals(events.slice(-2).map(({ type }) => type), ["error", "done"]);
  assertMatch(events.at(-2)?.data ?? "", found);
  assertEquals(events.at(-1)?.data, "error");
  assertEquals(events.slice(0, -2).map(({ data }) => data), tokens);
}

/** A failure before the response headers: both paths answer with the same problem. */
async function assertRefuses(
  gpu: GpuServer,
  behaviour: Behaviour,
  status: number,
  found: RegExp,
): Promise<void> {
  gpu.backend.behaviour = behaviour;
  for (const target of ["/dev/gpu", "/dev/gpu/stream"]) {
    const reply = await gpu.ask("x", target);
    assertStrictEquals(reply.status, status, reply.text);
    assertMatch(detail(reply.text), found);
    assertEquals(reply.headers.get("x-gpu-local"), "true");
  }
}

Deno.test("/dev/gpu and /dev/gpu/stream report how the backend failed, in every format", async (t) => {
  await withGpuServer(async (gpu) => {
    const { backend } = gpu;
    for (const scheme of SCHEMES) {
      backend.clear();
      // Longer than the test: only the step about an idle backend must meet its limit.
      await gpu.configure(`${scheme}://${backend.host}\ntimeout 600`);
      const key = scheme === "claude" ? KEYS.ANTHROPIC_API_KEY : KEYS.OPENAI_API_KEY;

      await t.step(`${scheme}: a response without its end mark is an error`, async () => {
        const found = new RegExp(`the ${scheme} backend ended its response without the end mark`);
        await assertBreaksOff(gpu, { tokens: ["half", " an"], end: "unmarked" }, found, [
          "half",
          " an",
        ]);
        await assertBreaksOff(gpu, { tokens: [], end: "unmarked" }, found);
        await assertBreaksOff(gpu, { body: "" }, found);
        await assertBreaksOff(gpu, { status: 204, body: "" }, found);
      });

      await t.step(`${scheme}: a connection that breaks off is an error`, async () => {
        let sent = Promise.withResolvers<void>();
        // If the connection broke at once, the first token could be lost with it.
        const before = (index: number) => index === 1 ? sent.promise : undefined;
        backend.next({ tokens: ["half"], end: "broken", before });
        const reader = await gpu.open("x");
        assertEquals((await reader.next())?.data, "half");
        sent.resolve();
        assertEquals(
          (await reader.next())?.data,
          `Cannot answer: the ${scheme} backend closed the connection before its response was complete`,
        );
        assertEquals(await reader.next(), { type: "done", data: "error", lastEventId: "" });
        assertEquals(await reader.next(), undefined);
        sent = Promise.withResolvers<void>();
        sent.resolve();
        backend.next({ tokens: ["half"], end: "broken", before });
        const reply = await gpu.ask("x");
        assertEquals([reply.status, detail(reply.text)], [
          503,
          `Cannot answer: the ${scheme} backend closed the connection before its response was complete`,
        ]);
      });

      await t.step(`${scheme}: an error event is passed on without the key`, async () => {
        await assertBreaksOff(
          gpu,
          { tokens: ["half"], end: "error", errorText: `no more: ${key}\r\nevent: done` },
          /the \w+ backend answered with an error: no more: .*event: done$/,
          ["half"],
        );
      });

      await t.step(`${scheme}: a malformed frame is an error`, async () => {
        const frame = (data: string) => scheme === "ollama" ? `${data}\n` : `data: ${data}\n\n`;
        for (
          const raw of ['{"message":', "\u0000\u0001", "[1]", "7"]
        ) {
          const behaviour = { tokens: ["half", "x"], raw: { 1: frame(raw) } };
          const found = /sent a frame that is not a JSON object/;
          await assertBreaksOff(gpu, behaviour, found, ["half"]);
        }
        const wrong = {
          ollama: '{"message":{"content":7}}',
          openai: '{"choices":[{"delta":{"content":{}}}]}',
          claude: '{"type":"content_block_delta","delta":{"type":"text_delta","text":[]}}',
        };
        await assertBreaksOff(
          gpu,
          { tokens: ["a", "b"], raw: { 1: frame(wrong[scheme]) } },
          /whose text is not a string/,
          ["a"],
        );
        const endless = scheme === "ollama"
          ? `{"${"x".repeat(1_200_000)}`
          : `data: ${"x".repeat(1_200_000)}`;
        await assertBreaksOff(
          gpu,
          { tokens: ["a", "b"], raw: { 1: endless } },
          /a frame of more than 1048576 characters/,
          [
            "a",
          ],
        );
        const page = { headers: { "content-type": "text/html" }, body: "<h1>Sign in</h1>" };
        await assertBreaksOff(gpu, page, /sent an HTML page/);
      });

      await t.step(`${scheme}: unknown frames are ignored`, async () => {
        const noise = scheme === "ollama"
          ? '\n{"message":{"role":"assistant","thinking":"hm"},"done":false}\n{}\n'
          : ': keep-alive\n\nid: 7\nretry: 1\nevent: vendor\ndata: {"new":true}\n\ndata\n: x\ndata: {}\n\n';
        backend.behaviour = {
          tokens: ["a", "", "b"],
          raw: { 1: scheme === "ollama" ? noise : noise.replace("data\n", "") },
        };
        assertEquals((await gpu.ask("x")).text, "ab");
      });

      await t.step(`${scheme}: a rate limit is 503 with its Retry-After`, async () => {
        for (
          const [sent, expected] of [
            ["7", "7"],
            ["0", "1"],
            ["999999", "3600"],
            ["Wed, 21 Oct 2015 07:28:00 GMT", "1"],
            ["soon", "30"],
            ["-1", "30"],
            [undefined, "30"],
          ] as const
        ) {
          backend.behaviour = {
            status: 429,
            errorText: `wait, ${key}`,
            headers: sent === undefined ? {} : { "retry-after": sent },
          };
          for (const target of ["/dev/gpu", "/dev/gpu/stream"]) {
            const reply = await gpu.ask("x", target);
            assertEquals([reply.status, reply.headers.get("retry-after")], [503, expected]);
            assertMatch(
              detail(reply.text),
              /backend refuses further requests for now: wait, \*\*\*/,
            );
          }
        }
      });

      await t.step(
        `${scheme}: an error status is 503 with its text, without the key or parts of it`,
        async () => {
          const text = `Incorrect key: ${key}. Yours: ${key.slice(0, 12)}****${
            key.slice(-9)
          }, sk-other-0123456789`;
          for (const status of [400, 401, 404, 413, 422, 500, 503, 529]) {
            const found = new RegExp(
              `^Cannot answer: the ${scheme} backend answered ${status}: Incorrect`,
            );
            await assertRefuses(gpu, { status, errorText: text }, 503, found);
          }
          const reply = await gpu.ask("x");
          for (const part of [key.slice(0, 8), key.slice(-8), key.slice(10, 18), "sk-other"]) {
            assert(!reply.text.includes(part), `${part} in ${reply.text}`);
          }
          for (const body of ["<h1>oh</h1>", "", "[]", '{"error":7}', "x".repeat(200_000)]) {
            await assertRefuses(gpu, { status: 500, body }, 503, /backend answered 500$/);
          }
          await assertRefuses(
            gpu,
            { status: 500, errorText: "y".repeat(5000) },
            503,
            /answered 500: y{300}…$/,
          );
          await assertRefuses(
            gpu,
            { status: 404, errorText: "model 'x' not found" },
            503,
            /answered 404: model 'x' not found; `model` in \/etc\/gpu\.conf names another model$/,
          );
        },
      );

      await t.step(`${scheme}: a redirect is not followed`, async () => {
        const calls = backend.calls.length;
        for (const status of [301, 302, 303, 307, 308]) {
          const headers = { location: `${backend.url}/v1/messages` };
          await assertRefuses(
            gpu,
            { status, headers, body: "" },
            503,
            /answered \d+; redirects are not followed/,
          );
        }
        assertStrictEquals(backend.calls.length, calls + 10);
      });

      await t.step(
        `${scheme}: an idle backend is 503, or an error event after the first token`,
        async () => {
          await gpu.configure(`${scheme}://${backend.host}\ntimeout 1`);
          backend.clear();
          backend.next({ head: never });
          const reply = await gpu.ask("x");
          assertEquals([reply.status, reply.headers.get("retry-after")], [503, "30"]);
          assertEquals(
            detail(reply.text),
            `Cannot answer: the ${scheme} backend sent nothing for 1 s`,
          );
          await backend.last.left;
          // On a slow computer the first token can need longer; then it is as idle as before it.
          for (const seconds of [1, 4, 16, 64]) {
            if (seconds > 1) await gpu.configure(`${scheme}://${backend.host}\ntimeout ${seconds}`);
            backend.next({ tokens: ["half"], end: "hang" });
            const events = await gpu.events("x");
            await backend.last.left;
            if (events[0]?.type !== "message" && seconds < 64) continue;
            assertEquals(events.map(({ type, data }) => [type, data]), [
              ["message", "half"],
              ["error", `Cannot answer: the ${scheme} backend sent nothing for ${seconds} s`],
              ["done", "error"],
            ]);
            break;
          }
        },
      );

      await t.step(`${scheme}: the call ends when the caller disconnects`, async () => {
        // Longer than the test: the idle time must not end these calls.
        await gpu.configure(`${scheme}://${backend.host}\ntimeout 600`);
        backend.clear();
        backend.next({ head: never });
        const early = new AbortController();
        const response = fetch(`${gpu.url}/dev/gpu`, {
          method: "POST",
          body: "x",
          headers: bearer(TOKEN),
          signal: early.signal,
        });
        await backend.called(1);
        early.abort();
        await assertRejects(response);
        await backend.last.left;
        backend.next({ tokens: ["a"], end: "hang" });
        const reader = await gpu.open("x");
        assertEquals((await reader.next())?.data, "a");
        await reader.close();
        await backend.last.left;
        const records = await eventually(async () => {
          const found = (await gpu.usage(2)).slice(-2);
          return found.every(({ finish }) => finish === "left") ? found : undefined;
        }, "both calls are logged as left");
        assertEquals(records.map(({ status, answer_bytes }) => [status, answer_bytes]), [
          [499, 0],
          [499, 1],
        ]);
      });
    }

    await t.step(
      "/dev/gpu limits the length of a response, /dev/gpu/stream does not",
      async () => {
        await gpu.configure(`openai://${backend.host}`);
        backend.behaviour = { tokens: Array.from({ length: 80 }, () => "x".repeat(60_000)) };
        const reply = await gpu.ask("x");
        assertEquals(reply.status, 502);
        assertMatch(
          detail(reply.text),
          /longer than 4194304 bytes; \/dev\/gpu\/stream has no limit/,
        );
        const events = await gpu.events("x");
        assertEquals([events.length, events.at(-1)?.data], [81, "stop"]);
      },
    );

    await t.step(
      "POST /dev/gpu answers with the reason if the backend cannot be reached",
      async () => {
        const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const { port } = listener.addr;
        listener.close();
        await gpu.configure(`openai://127.0.0.1:${port}`);
        await assertRefuses(
          gpu,
          {},
          503,
          /the openai backend refused the connection; check that it is running$/,
        );
        await gpu.configure(`openai+https://${backend.host}`);
        await assertRefuses(
          gpu,
          {},
          503,
          /the openai backend has no valid TLS certificate, or does not speak TLS$/,
        );
        await gpu.configure("openai://no-such-host.invalid");
        const nowhere = await gpu.ask("x");
        assertEquals(nowhere.headers.get("x-gpu-local"), "false");
        assertMatch(nowhere.text, /has a host name that cannot be resolved|cannot be reached/);
        await gpu.configure("openai://127.0.0.1:22");
        await assertRefuses(gpu, {}, 503, /refused the connection|uses a port that fetch blocks/);
        // The plugin cannot reach the port of its own server, whatever is configured.
        await gpu.configure(`openai://127.0.0.1:${gpu.server.port}`);
        await assertRefuses(
          gpu,
          {},
          503,
          /cannot be reached: the plugin has no permission for its host and port/,
        );
      },
    );

    await t.step(
      "POST /dev/gpu refuses an invalid prompt before it calls the backend",
      async () => {
        await gpu.configure(`openai://${backend.host}\n# again`);
        backend.clear();
        const logged = (await gpu.usage(1)).length;
        for (const target of ["/dev/gpu", "/dev/gpu/stream"]) {
          for (const empty of ["", " \n\t"]) {
            const reply = await gpu.ask(empty, target);
            assertEquals([reply.status, /the prompt is empty/.test(reply.text)], [400, true]);
          }
          const send = (body: Uint8Array | string, headers: Record<string, string> = {}) =>
            gpu.server.send({
              method: "POST",
              target,
              body,
              headers: { ...bearer(TOKEN), ...headers },
            });
          assertEquals((await send(new Uint8Array([0xff, 0xfe, 0x41]))).status, 400);
          assertEquals((await send("x".repeat(1024 * 1024 + 1))).status, 413);
          const chunks = `${(1024 * 1024 + 1).toString(16)}\r\n${
            "x".repeat(1024 * 1024 + 1)
          }\r\n0\r\n\r\n`;
          assertEquals((await send(chunks, { "transfer-encoding": "chunked" })).status, 413);
        }
        assertEquals(backend.calls.length, 0);
        backend.behaviour = { tokens: ["long"] };
        assertEquals((await gpu.ask("x".repeat(1024 * 1024))).text, "long");
        assertStrictEquals(backend.last.prompt.length, 1024 * 1024);
        assertStrictEquals((await gpu.usage(logged + 1)).length, logged + 1);
      },
    );

    await t.step(
      "/dev/gpu answers 405 with Allow to other methods, and 404 to paths below it",
      async () => {
        const send = (method: string, target: string) =>
          gpu.server.send({ method, target, headers: bearer(TOKEN) });
        for (const method of ["PUT", "DELETE", "PATCH"]) {
          const reply = await send(method, "/dev/gpu");
          assertEquals([reply.status, reply.headers.get("allow")], [
            405,
            "GET, HEAD, POST, OPTIONS",
          ]);
        }
        const get = await send("GET", "/dev/gpu/stream");
        assertEquals([get.status, get.headers.get("allow")], [405, "POST, OPTIONS"]);
        assertEquals(
          (await send("OPTIONS", "/dev/gpu/stream")).headers.get("allow"),
          "POST, OPTIONS",
        );
        for (const target of ["/dev/gpu/other", "/dev/gpu/stream/x", "/dev/gpu/home/x"]) {
          assertEquals((await send("POST", target)).status, 404);
          assertEquals((await send("GET", target)).status, 404);
        }
      },
    );
    await gpu.server.audit();
  });
});

Deno.test("POST /dev/gpu may take longer than the server allows other plugins", async () => {
  await withGpuServer(async (gpu) => {
    await gpu.configure(`ollama://localhost:${gpu.backend.port}`);
    // Twice the time of a plugin without `patience`.
    gpu.backend.behaviour = { head: () => new Promise((resolve) => setTimeout(resolve, 1000)) };
    const [reply, events] = await Promise.all([gpu.ask("x"), gpu.events("x")]);
    assertEquals([reply.status, reply.headers.get("x-gpu-local")], [200, "true"], reply.text);
    assertEquals(events.at(-1)?.data, "stop");
  }, { ELASTIK_CELL_ANSWER: "500" });
});
