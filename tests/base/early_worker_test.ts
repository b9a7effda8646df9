import { assertEquals, assertMatch } from "../support/assert.ts";
import { EarlyWorker } from "../../lib/base/early_worker.ts";
import { eventually } from "../plugin/plugin_test_server.ts";

function urlOf(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

Deno.test("EarlyWorker.take() returns a Worker that has kept its messages", async () => {
  const code = "onmessage = ({ data }) => postMessage(data + 1);";
  const worker = new EarlyWorker(urlOf(code), "early").take(() => {});
  try {
    const reply = new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
    worker.postMessage(1);
    assertEquals(await reply, 2);
  } finally {
    worker.terminate();
  }
});

Deno.test("EarlyWorker.take() reports a failure from before it", async () => {
  const early = new EarlyWorker(urlOf("throw new Error('no module')"), "early");
  let fault = "";
  const worker = await eventually(() => {
    const taken = early.take((reason) => fault = reason);
    return Promise.resolve().then(() => fault === "" ? undefined : taken);
  }, "a failed Worker");
  worker.terminate();
  assertMatch(fault, /no module/);
});
