import { assert, assertEquals, assertRejects, assertThrows } from "../support/assert.ts";
import { BodyBudget } from "../../lib/http/body_budget.ts";
import { readBody } from "../../lib/http/read_body.ts";

/** A budget of 1000 bytes, 1 s and 10 bytes per second, with a clock that the test sets. */
function createBudget() {
  const clock = { now: 0 };
  const budget = new BodyBudget({
    maxBytes: 1000,
    timeoutMs: 1000,
    minBytesPerSecond: 10,
    now: () => clock.now,
  });
  return { budget, clock };
}

/** A body that the test sends piece by piece. */
function createBody() {
  const sent = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const writer = sent.writable.getWriter();
  const request = new Request("http://localhost/x", { method: "PUT", body: sent.readable });
  return { request, send: (bytes: number) => writer.write(new Uint8Array(bytes)), writer };
}

/** Lets all pending promises run. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("BodyBudget gives up a body of which no part arrives in time", async () => {
  const { budget, clock } = createBudget();
  const { request, send } = createBody();
  const receipt = budget.open();
  const read = readBody(request, 5000, { receiveBody: () => receipt });
  const rejected = assertRejects(read, { type: "request-timeout", status: 408 });
  await send(100);
  await settle();
  clock.now = 999;
  budget.check();
  assertEquals(budget.counts(), { bytes: 100, refused: 0, timedOut: 0, shortChunks: 0 });
  clock.now = 1000;
  budget.check();
  await rejected;
  assertEquals(budget.counts(), { bytes: 0, refused: 0, timedOut: 1, shortChunks: 0 });
});

Deno.test("BodyBudget gives up a body whose parts are too small for the minimum rate", async () => {
  const { budget, clock } = createBudget();
  const { request, send } = createBody();
  const receipt = budget.open();
  const read = readBody(request, 5000, { receiveBody: () => receipt });
  const rejected = assertRejects(read, /9 bytes arrived in 1 s; 10 bytes per second are needed/);
  for (let i = 0; i < 9; i++) {
    await send(1);
    await settle();
    clock.now += 100;
    budget.check();
  }
  clock.now = 1000;
  budget.check();
  await rejected;
});

Deno.test("BodyBudget lets a slow body continue at the minimum rate", async () => {
  const { budget, clock } = createBudget();
  const { request, send, writer } = createBody();
  const receipt = budget.open();
  const read = readBody(request, 5000, { receiveBody: () => receipt });
  for (let i = 0; i < 40; i++) {
    await send(5);
    await settle();
    clock.now += 500;
    budget.check();
  }
  await writer.close();
  assertEquals((await read).length, 200);
  receipt.close();
  assertEquals(budget.counts(), { bytes: 0, refused: 0, timedOut: 0, shortChunks: 0 });
});

Deno.test("BodyBudget does not count the time in which the server does not read", async () => {
  const { budget, clock } = createBudget();
  const receipt = budget.open();
  const part = (value: number) => receipt.wait(Promise.resolve(value), () => {}, (n) => n);
  await part(1);
  clock.now = 60_000;
  budget.check();
  const pending = Promise.withResolvers<number>();
  const waiting = receipt.wait(pending.promise, () => {}, (n) => n);
  budget.check();
  pending.resolve(1);
  assertEquals(await waiting, 1);
});

Deno.test("BodyReceipt.reserve() accepts the maximum and no byte more", () => {
  const { budget } = createBudget();
  const first = budget.open();
  first.reserve(600);
  const second = budget.open();
  second.reserve(400);
  assertThrows(() => second.reserve(1), { type: "unavailable", status: 503 });
  assertEquals(budget.counts().refused, 1);
  first.close();
  second.reserve(600);
  second.close();
  assertEquals(budget.counts().bytes, 0);
});

Deno.test("BodyReceipt.reserve() gives a client half of the memory", () => {
  const { budget } = createBudget();
  const first = budget.open("192.0.2.1");
  first.reserve(500);
  const second = budget.open("192.0.2.1");
  assertThrows(() => second.reserve(1), /this client has 500 bytes/);
  budget.open("192.0.2.2").reserve(500);
  first.close();
  second.reserve(500);
});

Deno.test("BodyReceipt.reserve() gives up a slow body for a new one", async () => {
  const { budget, clock } = createBudget();
  const slow = budget.open();
  slow.reserve(1000);
  const cancelled: unknown[] = [];
  const waiting = slow.wait(new Promise<number>(() => {}), (why) => cancelled.push(why), (n) => n);
  const rejected = assertRejects(waiting, { type: "request-timeout" });
  const fresh = budget.open();
  assertThrows(() => fresh.reserve(10), { type: "unavailable" });
  clock.now = 1001;
  fresh.reserve(10);
  await rejected;
  assertEquals(cancelled.length, 1);
  assertEquals(budget.counts(), { bytes: 10, refused: 1, timedOut: 1, shortChunks: 0 });
  assert(slow.failure !== undefined);
});

/** Pieces that record why they are cancelled. */
function recordCancel(calls: unknown[]) {
  return {
    read: () => Promise.reject(new Error("not read")),
    cancel: (reason: unknown) => Promise.resolve(void calls.push(reason)),
  };
}

Deno.test("BodyReceipt.count() refuses a body whose chunks cost more than the limit", () => {
  const budget = new BodyBudget({
    maxBytes: 10,
    timeoutMs: 1000,
    minBytesPerSecond: 1,
    maxChunkWork: 1000,
    now: () => 0,
  });
  const calls: unknown[] = [];
  const pieces = recordCancel(calls);
  const receipt = budget.open();
  const piece = { done: false, value: new Uint8Array(1), asked: 100, hasWaited: false };
  // 94 bytes ahead of one chunk of 6 bytes, then 188 ahead of two.
  receipt.count(piece, pieces);
  assertThrows(() => receipt.count(piece, pieces), /short chunks/);
  assertEquals(receipt.failure?.type, "bad-body");
  assertEquals(budget.counts().shortChunks, 1);
  const slow = budget.open();
  for (let i = 0; i < 1000; i++) slow.count({ ...piece, hasWaited: true }, pieces);
  assertEquals(budget.counts().shortChunks, 1);
  assertEquals(calls.map(String), [String(receipt.failure)]);
});

Deno.test("BodyReceipt.stop() closes the connection instead of skipping many chunks", () => {
  const budget = new BodyBudget({ maxBytes: 10, timeoutMs: 1000, minBytesPerSecond: 1 });
  const calls: unknown[] = [];
  const receipt = budget.open(undefined, (isAtOnce, cancel) => {
    calls.push(isAtOnce);
    cancel();
  });
  const pieces = recordCancel(calls);
  receipt.stop(pieces, "few");
  receipt.endEarly();
  assertEquals(calls, ["few"]);
  const piece = { done: false, value: new Uint8Array(1), asked: 512, hasWaited: false };
  for (let i = 0; i < 1000; i++) receipt.count(piece, pieces);
  receipt.stop(pieces, "many");
  receipt.endEarly();
  assertEquals(calls, ["few", false, "many", true]);
});
