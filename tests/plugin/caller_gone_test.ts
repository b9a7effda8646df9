import { equal } from "node:assert/strict";
import { watchCaller } from "../../lib/plugin/caller_gone.ts";

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

Deno.test("watchCaller() listens to the signal of a request that came by no connection, to the end", () => {
  const { abort, request, count, gone } = fixture();
  watchCaller(request, {}, gone)();
  abort.abort();
  equal(count(), 1);
  const late = fixture();
  late.abort.abort();
  watchCaller(late.request, {}, late.gone);
  equal(late.count(), 1);
});

Deno.test("watchCaller() hears a delivery that failed, once, whatever else it hears", async () => {
  const { abort, request, count, gone } = fixture();
  watchCaller(request, { completed: Promise.reject(new Error("cut")) }, gone);
  await turns(80);
  abort.abort();
  equal(count(), 1);
});

Deno.test("watchCaller() hears of a caller who leaves before a slow answer, also by another request", async () => {
  const { abort, request, count, gone } = fixture();
  const completed = new Promise<void>(() => undefined);
  watchCaller(new Request("http://localhost/other"), { completed, origin: request }, gone);
  await turns(80);
  equal(count(), 0);
  abort.abort();
  equal(count(), 1);
  const early = fixture();
  watchCaller(early.request, { completed }, early.gone);
  early.abort.abort();
  await turns(80);
  equal(early.count(), 1);
});

Deno.test("watchCaller() ignores the signal once there is an answer: it aborts after a good one, too", async () => {
  for (const wait of [0, 80]) {
    const { abort, request, count, gone } = fixture();
    const answered = watchCaller(request, { completed: Promise.resolve() }, gone);
    await turns(wait);
    answered();
    abort.abort();
    await turns(60);
    equal(count(), 0);
  }
});
