/** The thinking layer on the device as it is shipped, with a model's server behind it. */

import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { ROOT } from "../project/program.ts";
import { eventually, install, QUICK } from "../plugin/plugin_machine.ts";
import { withMachine } from "../support/machine.ts";
import { type Behaviour, withBackend } from "./fake_backend.ts";
import { eventsIn, obliging, OBLIGING_PAGE, semanticSource, textIn } from "./shaper.ts";

Deno.test("semantic on the shipped device", async (t) => {
  await withBackend(async (backend) => {
    backend.behaviour = { tokens: obliging };
    await withMachine({ env: QUICK }, async (machine) => {
      const conf = (model: string) =>
        machine.approve("PUT", "/etc/gpu.conf", `ollama://${backend.host}\nmodel ${model}\n`);
      const source = await Deno.readTextFile(`${ROOT}/plugins/gpu.ts`);
      await machine.approve("PUT", "/home/a", "Two grants and a loan.");
      await conf("one");
      await install(machine, "gpu", source);
      await install(machine, "semantic", await semanticSource());
      const shape = (accept: string, intent = "x") =>
        machine.send({
          method: "GET",
          target: "/shaped/home/a",
          headers: { accept, "x-semantic-intent": intent },
        });

      await t.step("generates, keeps and names the model", async () => {
        const first = await shape("text/plain");
        deepStrictEqual([first.status, first.text], [200, "Two grants and a loan."]);
        equal(first.headers.get("x-semantic-gpu"), "ollama/one; local");
        equal((await shape("text/plain")).headers.get("x-semantic-cache"), "hit");
        const stream = await shape("text/event-stream, text/html");
        equal(textIn(stream.text), OBLIGING_PAGE.join(""));
        equal(eventsIn(stream.text).at(-1)?.type, "done");
        equal((await shape("text/html")).headers.get("x-semantic-cache"), "hit");
        equal(backend.calls.length, 2);
      });

      await t.step("another model is another shape", async () => {
        await conf("two");
        await eventually(async () => {
          const { headers } = await machine.send({ method: "GET", target: "/dev/gpu" });
          return headers.get("x-gpu-model") === "two" || undefined;
        }, "the device has another model");
        await eventually(async () => {
          const { headers } = await shape("text/plain");
          return headers.get("x-semantic-gpu") === "ollama/two; local" || undefined;
        }, "it is shaped by that");
      });

      await t.step("so is the same model told otherwise", async () => {
        equal((await shape("text/plain")).headers.get("x-semantic-cache"), "hit");
        await conf("two\nsystem Answer in French.");
        await eventually(async () => {
          const { headers } = await shape("text/plain");
          return headers.get("x-semantic-cache") === "generated" || undefined;
        }, "it is shaped anew");
      });

      await t.step("a backend that fails is told in words, and nothing is kept", async () => {
        const rows: [Behaviour, number][] = [
          [{ tokens: ["{"], end: "broken" }, 502],
          [{ tokens: ["{}"], end: "error", says: "burnt" }, 502],
          [{ tokens: ["{}"], end: "unmarked" }, 502],
          [{ status: 500, says: "no" }, 502],
          [{ status: 429, headers: { "retry-after": "3" } }, 429],
          [{ tokens: ["no JSON"] }, 406],
        ];
        for (const [behaviour, status] of rows) {
          backend.next(behaviour);
          const reply = await shape("application/json", "fails");
          equal(reply.status, status, `${JSON.stringify(behaviour)} ${reply.text}`);
          ok(!reply.text.includes("burnt"));
        }
      });

      await t.step("who leaves spares the backend the rest", async () => {
        backend.next({ tokens: ["a", "b"], end: "hang" });
        const before = backend.calls.length;
        const stop = new AbortController();
        const url = `http://127.0.0.1:${machine.port}/shaped/home/a?intent=left`;
        const gone = fetch(url, { signal: stop.signal }).catch(() => "gone");
        const call = await backend.called(before + 1);
        stop.abort();
        equal(await gone, "gone");
        await call.left;
      });
    });
  });
});
