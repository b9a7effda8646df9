/** The semantic plugin with the shipped gpu plugin and a fake Ollama server. */

import { eventually } from "../plugin/plugin_test_server.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { type Behaviour, withBackend } from "./fake_backend.ts";
import { eventsIn, HTML_PIECES, respondInFormat, textIn } from "./shaper.ts";

Deno.test("GET /shaped/… uses the gpu plugin", async (t) => {
  await withBackend(async (backend) => {
    backend.behaviour = { tokens: respondInFormat };
    const gpuConf = (model: string) => `ollama://${backend.host}\nmodel ${model}\n`;
    await withPluginServer({
      plugins: ["gpu", "semantic"],
      worlds: { "/etc/gpu.conf": gpuConf("one"), "/home/a": "Two grants and a loan." },
      env: { ELASTIK_TOKEN: undefined },
    }, async (server) => {
      const configure = (model: string) => server.approve("PUT", "/etc/gpu.conf", gpuConf(model));
      const shape = (accept: string, intent = "x") =>
        server.send({
          method: "GET",
          target: "/shaped/home/a",
          headers: { accept, "x-semantic-intent": intent },
        });

      await t.step("generates and stores a shape, and names the model", async () => {
        const first = await shape("text/plain");
        assertEquals([first.status, first.text], [200, "Two grants and a loan."]);
        assertEquals(first.headers.get("x-semantic-gpu"), "ollama/one; local");
        assertEquals((await shape("text/plain")).headers.get("x-semantic-cache"), "hit");
        const stream = await shape("text/event-stream, text/html");
        assertEquals(textIn(stream.text), HTML_PIECES.join(""));
        assertEquals(eventsIn(stream.text).at(-1)?.type, "done");
        assertEquals((await shape("text/html")).headers.get("x-semantic-cache"), "hit");
        assertEquals(backend.calls.length, 2);
      });

      await t.step("generates again after the model has changed", async () => {
        await configure("two");
        await eventually(async () => {
          const { headers } = await server.send({ method: "GET", target: "/dev/gpu" });
          return headers.get("x-gpu-model") === "two" || undefined;
        }, "the gpu plugin uses the other model");
        await eventually(async () => {
          const { headers } = await shape("text/plain");
          return headers.get("x-semantic-gpu") === "ollama/two; local" || undefined;
        }, "the semantic plugin uses the other model");
      });

      await t.step("generates again after the system prompt has changed", async () => {
        assertEquals((await shape("text/plain")).headers.get("x-semantic-cache"), "hit");
        await configure("two\nsystem Answer in French.");
        await eventually(async () => {
          const { headers } = await shape("text/plain");
          return headers.get("x-semantic-cache") === "generated" || undefined;
        }, "it is generated again");
      });

      await t.step("answers each failure of the backend with its status", async () => {
        const rows: [Behaviour, number][] = [
          [{ tokens: ["{"], end: "broken" }, 503],
          [{ tokens: ["{}"], end: "error", errorText: "burnt" }, 503],
          [{ tokens: ["{}"], end: "unmarked" }, 503],
          [{ status: 500, errorText: "no" }, 503],
          [{ status: 429, headers: { "retry-after": "3" } }, 503],
          [{ tokens: ["not JSON"] }, 406],
        ];
        for (const [behaviour, status] of rows) {
          backend.next(behaviour);
          const reply = await shape("application/json", "fails");
          assertEquals(reply.status, status, `${JSON.stringify(behaviour)} ${reply.text}`);
          assert(!reply.text.includes("burnt"));
        }
      });

      await t.step("cancels the request to the backend when the client disconnects", async () => {
        backend.next({ tokens: ["a", "b"], end: "hang" });
        const before = backend.calls.length;
        const stop = new AbortController();
        const url = `http://127.0.0.1:${server.port}/shaped/home/a?intent=left`;
        const disconnected = fetch(url, { signal: stop.signal }).catch(() => "disconnected");
        const call = await backend.called(before + 1);
        stop.abort();
        assertEquals(await disconnected, "disconnected");
        await call.left;
      });
    });
  });
});
