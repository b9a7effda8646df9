import { equal } from "node:assert/strict";
import { onClientDisconnect } from "../../../lib/plugin/cell/client_disconnect.ts";

function fixture(): {
  abort: AbortController;
  request: Request;
  count: () => number;
  gone: () => void;
} {
  const abort = new AbortController();
  let times = 0;
  return {
    abort,
    request: new Request("http://localhost/", { signal: abort.signal }),
    count: () => times,
    gone: () => void times++,
  };
}

const turns = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("onClientDisconnect() listens to the signal of a request that came by no connection, to the end", () => {
  const { abort, request, count, gone } = fixture();
  onClientDisconnect(request, {}, gone).markResponded(true);
  abort.abort();
  equal(count(), 1);
  const late = fixture();
  late.abort.abort();
  onClientDisconnect(late.request, {}, late.gone);
  equal(late.count(), 1);
});

Deno.test("onClientDisconnect() hears a delivery that failed, once, whatever else it hears", async () => {
  const { abort, request, count, gone } = fixture();
  const connection = { completed: Promise.reject(new Error("cut")) };
  onClientDisconnect(request, { connection }, gone).markResponded(false);
  await turns(0);
  equal(count(), 1);
  abort.abort();
  equal(count(), 1);
});

Deno.test("onClientDisconnect() hears of a caller who leaves before a slow answer, also by another request", async () => {
  const { abort, request, count, gone } = fixture();
  const connection = { completed: new Promise<void>(() => undefined) };
  onClientDisconnect(new Request("http://localhost/other"), {
    connection,
    originalRequest: request,
  }, gone);
  await turns(120);
  equal(count(), 0);
  abort.abort();
  equal(count(), 1);
  const early = fixture();
  onClientDisconnect(early.request, { connection }, early.gone);
  early.abort.abort();
  await turns(120);
  equal(early.count(), 1);
});

Deno.test("onClientDisconnect() ignores the signal once there is an answer: it aborts after a good one, too", async () => {
  for (const wait of [0, 120]) {
    for (const whole of [true, false]) {
      const { abort, request, count, gone } = fixture();
      const connection = { completed: Promise.resolve() };
      const watched = onClientDisconnect(request, { connection }, gone);
      await turns(wait);
      watched.markResponded(whole);
      abort.abort();
      await turns(120);
      equal(count(), 0);
    }
  }
});

Deno.test("onClientDisconnect() asks the runtime about no delivery after a whole answer, which costs", () => {
  const { request, count, gone } = fixture();
  let asked = 0;
  const connection = {
    get completed(): Promise<void> {
      asked++;
      return Promise.reject(new Error("cut"));
    },
  };
  onClientDisconnect(request, { connection }, gone).markResponded(true);
  equal(asked + count(), 0);
});
