/**
 * Property: every failure of a model is 503 with `Retry-After`, on every path that uses the model,
 * and a client that ranks `text/plain` first gets the source from `/shaped`. What failed does not
 * matter: the connection, the status, the format, an error in the stream, or its end. Over HTTP,
 * with the plugins in their processes and a fake model server.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { type GpuServer, withGpuServer } from "../plugins/gpu/gpu_server.ts";
import type { Behaviour, WireFormat } from "../plugins/fake_backend.ts";
import { installPlugin, putWorld } from "../support/plugin_server.ts";
import { freePort } from "../support/free_port.ts";
import { bearer, TOKEN } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";

const FORMATS: readonly WireFormat[] = ["openai", "claude", "ollama"];
const never = (): Promise<void> => new Promise(() => {});
const json = { "content-type": "application/json" };

/** Failures of a backend of any format, and the `Retry-After` that a client gets. */
const FAILURES: readonly (readonly [name: string, behaviour: Behaviour, retryAfter: string])[] = [
  ...[400, 401, 402, 403, 404, 408, 413, 418, 422, 429, 500, 502, 503, 504, 529].map((status) =>
    [
      `status ${status}`,
      { status, errorText: "no", headers: { "retry-after": "7" } },
      "7",
    ] as const
  ),
  ["a redirect", { status: 302, headers: { location: "/elsewhere" }, body: "" }, "30"],
  ["an error before the first token", { tokens: [], end: "error", errorText: "overloaded" }, "30"],
  ["an error after a token", { tokens: ["Par"], end: "error", errorText: "overloaded" }, "30"],
  ["an empty stream", { body: "" }, "30"],
  ["blank lines only", { body: "\n\n\n" }, "30"],
  ["a stream without its end mark", { tokens: ["Par"], end: "unmarked" }, "30"],
  ["a connection that closes early", { tokens: ["Par"], end: "broken" }, "30"],
  ["a frame that is not JSON", { body: "data: {\n\n{\n\n" }, "30"],
  ["an HTML page", { body: "<h1>", headers: { "content-type": "text/html" } }, "30"],
  ["a document that is an error", { body: '{"error":{"message":"no"}}\n', headers: json }, "30"],
  ["a document without an answer", { body: "{}\n", headers: json }, "30"],
];

/** Failures that only the limit of the idle time ends. */
const IDLE: typeof FAILURES = [
  ["no response in time", { head: never }, "30"],
  ["no token in time", { tokens: [], end: "hang" }, "30"],
];

/** Only the end mark: the response is complete and has no answer. */
const END_MARKS: Readonly<Record<WireFormat, string>> = {
  openai: "data: [DONE]\n\n",
  claude: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ollama: '{"done":true,"done_reason":"load"}\n',
};

async function withShapedServer(test: (gpu: GpuServer) => Promise<void>): Promise<void> {
  await withGpuServer(async (gpu) => {
    await putWorld(gpu.server, "/etc/semantic.conf", "budget 1000");
    await installPlugin(gpu.server, "semantic");
    await putWorld(gpu.server, "/home/x", "The source.");
    await test(gpu);
  });
}

function shape(gpu: GpuServer, accept: string): Promise<Reply> {
  const headers = { ...bearer(TOKEN), accept };
  return gpu.server.send({ method: "GET", target: "/shaped/home/x", headers });
}

/** A failure of the model as each path reports it. */
async function assertUnavailable(gpu: GpuServer, retryAfter: string): Promise<void> {
  const [device, stream, html, text] = await Promise.all([
    gpu.ask("x"),
    gpu.ask("x", "/dev/gpu/stream"),
    shape(gpu, "text/html"),
    shape(gpu, "text/plain, */*;q=0.1"),
  ]);
  assertEquals([device.status, device.headers.get("retry-after")], [503, retryAfter], device.text);
  assertMatch(device.headers.get("content-type") ?? "", /^application\/problem\+json/);
  // A token may have been sent before the failure.
  if (stream.status === 200) assertMatch(stream.text, /event: error\n[^]*event: done\ndata: error/);
  else assertEquals([stream.status, stream.headers.get("retry-after")], [503, retryAfter]);
  assertEquals([html.status, html.headers.get("retry-after")], [503, retryAfter], html.text);
  assertEquals([text.status, text.text], [200, "The source."]);
  assertEquals(text.headers.get("x-semantic-cache"), "fallback-raw");
}

Deno.test("/dev/gpu and /shaped answer 503 with Retry-After to every failure of a model", async (t) => {
  await withShapedServer(async (gpu) => {
    for (const format of FORMATS) {
      const empty = ["an end mark only", { body: END_MARKS[format] }, "30"] as const;
      for (const [seconds, rows] of [[600, [...FAILURES, empty]], [1, IDLE]] as const) {
        await gpu.configure(`${format}://${gpu.backend.host}\ntimeout ${seconds}`);
        for (const [name, behaviour, retryAfter] of rows) {
          await t.step(`${format}: ${name}`, async () => {
            gpu.backend.behaviour = behaviour;
            await assertUnavailable(gpu, retryAfter);
          });
        }
      }
    }
  });
});

Deno.test("/dev/gpu and /shaped answer 503 with Retry-After if the model cannot be reached", async (t) => {
  await withShapedServer(async (gpu) => {
    const backends = {
      "a refused connection": `openai://127.0.0.1:${freePort()}`,
      "a host name without an address": "openai://no-such-host.invalid",
      "a server without TLS": `openai+https://${gpu.backend.host}`,
      "the server itself": `openai://127.0.0.1:${gpu.server.port}`,
    };
    for (const [name, backend] of Object.entries(backends)) {
      await t.step(name, async () => {
        await gpu.configure(backend);
        await assertUnavailable(gpu, "30");
      });
    }
    await t.step("no configuration", async () => {
      await gpu.configure(undefined);
      await assertUnavailable(gpu, "30");
    });
  });
});
