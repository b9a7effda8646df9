import { assertEquals } from "../../support/assert.ts";
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

Deno.test("onClientDisconnect() always observes the signal of a request without a connection", () => {
  const { abort, request, count, gone } = fixture();
  onClientDisconnect(request, {}, gone).markResponded(true);
  abort.abort();
  assertEquals(count(), 1);
  const late = fixture();
  late.abort.abort();
  onClientDisconnect(late.request, {}, late.gone);
  assertEquals(late.count(), 1);
});

Deno.test("onClientDisconnect() calls back once if the delivery fails", async () => {
  const { abort, request, count, gone } = fixture();
  const connection = { completed: Promise.reject(new Error("cut")) };
  onClientDisconnect(request, { connection }, gone).markResponded(false);
  await turns(0);
  assertEquals(count(), 1);
  abort.abort();
  assertEquals(count(), 1);
});

Deno.test("onClientDisconnect() calls back if the client of the original request leaves before the response", async () => {
  const { abort, request, count, gone } = fixture();
  const connection = { completed: new Promise<void>(() => undefined) };
  onClientDisconnect(new Request("http://localhost/other"), {
    connection,
    originalRequest: request,
  }, gone);
  await turns(120);
  assertEquals(count(), 0);
  abort.abort();
  assertEquals(count(), 1);
  const early = fixture();
  onClientDisconnect(early.request, { connection }, early.gone);
  early.abort.abort();
  await turns(120);
  assertEquals(early.count(), 1);
});

Deno.test("onClientDisconnect() ignores the signal after the response head (deno#27005)", async () => {
  for (const wait of [0, 120]) {
    for (const whole of [true, false]) {
      const { abort, request, count, gone } = fixture();
      const connection = { completed: Promise.resolve() };
      const watched = onClientDisconnect(request, { connection }, gone);
      await turns(wait);
      watched.markResponded(whole);
      abort.abort();
      await turns(120);
      assertEquals(count(), 0);
    }
  }
});

Deno.test("onClientDisconnect() does not read `completed` after a complete response", () => {
  const { request, count, gone } = fixture();
  let readCount = 0;
  const connection = {
    get completed(): Promise<void> {
      readCount++;
      return Promise.reject(new Error("cut"));
    },
  };
  onClientDisconnect(request, { connection }, gone).markResponded(true);
  assertEquals(readCount + count(), 0);
});
