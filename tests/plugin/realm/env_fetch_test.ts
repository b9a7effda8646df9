import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import type { OutboundRequest } from "../../../lib/plugin/wire/rpc_calls.ts";
import { RpcError } from "../../../lib/plugin/wire/rpc_calls.ts";
import type { RpcEndpoint } from "../../../lib/plugin/wire/rpc_endpoint.ts";
import { createEnvFetchFactory } from "../../../lib/plugin/realm/env_fetch.ts";

/** An endpoint that collects the calls; the test answers them. */
function wire(most: number) {
  const asked:
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
      asked.push({
        ...outgoing,
        answer: (response) => (over(), resolve(response)),
        fail: (error) => (over(), reject(error)),
      });
      return {
        id: asked.length,
        response: promise,
        cancel: (error: Error) => (over(), reject(error)),
      };
    },
  };
  // Only `call` is used.
  const fetches = createEnvFetchFactory(peer as unknown as RpcEndpoint, most);
  return { asked, peak: () => peak, fetch: fetches("machine", 7, "http://localhost:1") };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("createEnvFetchFactory() sends path and note, and refuses another origin", async () => {
  const { asked, fetch } = wire(4);
  for (const url of ["/home/x?y", "http://machine/home/x?y", "http://localhost:1/home/x?y"]) {
    void fetch(url, { headers: { "x-a": "b" } });
  }
  await turn();
  for (const { url, note, headers } of asked) {
    assertEquals([url, note, headers], ["/home/x?y", ["machine", 7], ["x-a", "b"]]);
  }
  assertEquals(asked.length, 3);
  for (const url of ["http://example.com/", "https://machine/", "file:///etc/x"]) {
    await assertRejects(fetch(url), TypeError, url);
  }
  assertEquals(asked.length, 3);
});

Deno.test("createEnvFetchFactory() never has more open calls than allowed", async () => {
  const { asked, peak, fetch } = wire(2);
  const done: number[] = [];
  const one = async (n: number): Promise<void> => {
    await (await fetch("/x")).text();
    done.push(n);
    // A new call at the moment at which a place becomes free.
    if (n < 20) await one(n + 10);
  };
  const all = Promise.all(Array.from({ length: 10 }, (_, n) => one(n)));
  for (let i = 0; done.length < 30 && i < 500; i++) {
    asked.shift()?.answer(new Response("x"));
    await turn();
  }
  await all;
  assertEquals([done.length, peak()], [30, 2]);
});

Deno.test("createEnvFetchFactory() cancels a call by its signal, also while it waits for a place", async () => {
  const { asked, fetch } = wire(1);
  const first = fetch("/x", { signal: AbortSignal.timeout(60_000) });
  const abort = new AbortController();
  const second = fetch("/y", { signal: abort.signal });
  await turn();
  abort.abort(new Error("enough"));
  asked[0]?.answer(new Response("x"));
  assertEquals((await first).status, 200);
  await assertRejects(second, /enough/);
  assertEquals(asked.length, 1, "the cancelled call was not sent");
  void fetch("/z");
  await turn();
  assertEquals(asked.length, 2, "the place was passed to the next call");
});

Deno.test("createEnvFetchFactory() rejects with a TypeError for a failure of the server, as fetch does", async () => {
  const { asked, fetch } = wire(1);
  const failed = fetch("/x");
  await turn();
  asked[0]?.fail(new RpcError("Cannot run the subrequest"));
  await assertRejects(failed, (error) => {
    assert(error instanceof TypeError);
    return error.message === "Cannot run the subrequest";
  });
});
