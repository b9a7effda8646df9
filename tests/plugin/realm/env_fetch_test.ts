import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import type { OutboundRequest } from "../../../lib/plugin/wire/rpc_calls.ts";
import { RpcError } from "../../../lib/plugin/wire/rpc_calls.ts";
import type { RpcEndpoint } from "../../../lib/plugin/wire/rpc_endpoint.ts";
import { createEnvFetchFactory } from "../../../lib/plugin/realm/env_fetch.ts";

/** An endpoint that collects the calls; the test answers them. */
function wire(most: number) {
  const calls:
    (OutboundRequest & { answer(response: Response): void; fail(error: Error): void })[] = [];
  let under = 0;
  let peak = 0;
  const peer = {
    call(outgoing: OutboundRequest) {
      peak = Math.max(peak, ++under);
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      const over = (): void => {
        under--;
        outgoing.onEnd?.();
      };
      calls.push({
        ...outgoing,
        answer: (response) => (over(), resolve(response)),
        fail: (error) => (over(), reject(error)),
      });
      return {
        id: calls.length,
        response: promise,
        cancel: (error: Error) => (over(), reject(error)),
      };
    },
  };
  // Only `call` is used.
  const fetches = createEnvFetchFactory(peer as unknown as RpcEndpoint, most);
  return { calls, peak: () => peak, fetch: fetches("machine", 7, "http://localhost:1") };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("createEnvFetchFactory() sends path and note, and refuses another origin", async () => {
  const { calls, fetch } = wire(4);
  for (const url of ["/home/x?y", "http://machine/home/x?y", "http://localhost:1/home/x?y"]) {
    void fetch(url, { headers: { "x-a": "b" } });
  }
  await turn();
  for (const { url, note, headers } of calls) {
    assertEquals([url, note, headers], ["/home/x?y", ["machine", 7], ["x-a", "b"]]);
  }
  assertEquals(calls.length, 3);
  for (const url of ["http://example.com/", "https://machine/", "file:///etc/x"]) {
    await assertRejects(fetch(url), TypeError, url);
  }
  assertEquals(calls.length, 3);
});

Deno.test("createEnvFetchFactory() never has more open calls than allowed", async () => {
  const { calls, peak, fetch } = wire(2);
  const done: number[] = [];
  const one = async (n: number): Promise<void> => {
    await (await fetch("/x")).text();
    done.push(n);
    // A new call at the moment at which a place becomes free.
    if (n < 20) await one(n + 10);
  };
  const all = Promise.all(Array.from({ length: 10 }, (_, n) => one(n)));
  for (let i = 0; done.length < 30 && i < 500; i++) {
    calls.shift()?.answer(new Response("x"));
    await turn();
  }
  await all;
  assertEquals([done.length, peak()], [30, 2]);
});

Deno.test("createEnvFetchFactory() cancels a call by its signal, also while it waits in the queue", async () => {
  const { calls, fetch } = wire(1);
  const first = fetch("/x", { signal: AbortSignal.timeout(60_000) });
  const abort = new AbortController();
  const second = fetch("/y", { signal: abort.signal });
  await turn();
  abort.abort(new Error("enough"));
  calls[0]?.answer(new Response("x"));
  assertEquals((await first).status, 200);
  await assertRejects(second, /enough/);
  assertEquals(calls.length, 1, "the cancelled call was not sent");
  void fetch("/z");
  await turn();
  assertEquals(calls.length, 2, "the place was passed to the next call");
});

Deno.test("createEnvFetchFactory() rejects with a TypeError for a failure of the server, as fetch does", async () => {
  const { calls, fetch } = wire(1);
  const failed = fetch("/x");
  await turn();
  calls[0]?.fail(new RpcError("Cannot run the subrequest"));
  await assertRejects(failed, (error) => {
    assert(error instanceof TypeError);
    return error.message === "Cannot run the subrequest";
  });
});
