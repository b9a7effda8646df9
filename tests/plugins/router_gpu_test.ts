/** The router with the gpu plugin, whose backend is a server of the test. */

import { deepStrictEqual, equal, match } from "node:assert/strict";
import { bearer, TOKEN } from "../support/test_server.ts";
import { installPlugin } from "../support/plugin_server.ts";
import { type GpuServer, withGpuServer } from "./gpu/gpu_server.ts";

const T2 = bearer(TOKEN);

async function leads(
  { server }: GpuServer,
  target: string,
): Promise<string | number | undefined> {
  const reply = await server.send({ method: "GET", target, headers: T2 });
  return reply.status === 303 ? reply.headers.get("location") : reply.status;
}

Deno.test("router asks the gpu plugin if its backend is local", async (t) => {
  await withGpuServer(async (gpu) => {
    const { server, backend } = gpu;
    await installPlugin(server, "router");
    await server.approve("PUT", "/home/weather", "it rains");
    await server.approve("PUT", "/home/sales", "1, 2, 3");

    await t.step(
      "resolves typing errors only if no backend is configured",
      async () => {
        equal(await leads(gpu, "/waether"), "/home/weather");
        equal(await leads(gpu, "/how-much-did-it-rain"), 404);
      },
    );
    await t.step("asks a local backend one question", async () => {
      await gpu.configure(`ollama://${backend.host}`);
      backend.behaviour = { tokens: ["/home/", "weather", "\n"] };
      equal(await leads(gpu, encodeURI("/雨下得多大")), "/home/weather");
      equal(await leads(gpu, encodeURI("/雨下得多大")), "/home/weather");
      deepStrictEqual(backend.calls.length, 1);
      match(backend.calls[0]?.prompt ?? "", /\nTyped: "\/雨下得多大"$/);
    });
    await t.step("answers the standard 404 if the backend breaks off", async () => {
      backend.behaviour = { tokens: ["/home/weather"], end: "broken" };
      equal(await leads(gpu, "/will-it-rain"), 404);
    });
    await t.step("sends nothing to a remote backend", async () => {
      await gpu.configure("openai://192.0.2.1/v1");
      equal(await leads(gpu, "/where-does-it-rain"), 404);
      equal(await leads(gpu, "/waether"), "/home/weather");
      const day = new Date().toISOString().slice(0, 10);
      const log = await server.approve("GET", `/var/log/gpu/${day}.ndjson?raw`);
      equal(log.text.includes("192.0.2.1"), false);
    });
  });
});
