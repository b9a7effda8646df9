import { assertEquals } from "../../support/assert.ts";
import { UnreadResponses } from "../../../lib/plugin/cell/unread_responses.ts";

function watched(timeoutMs: number, withConnection = true) {
  let now = 0;
  const log: string[] = [];
  const body = { taken: 0, hasUnread: false, fail: () => void log.push("fail") };
  const call = { isOver: false, cancel: () => void log.push("cancel") };
  const completed = Promise.withResolvers<void>();
  const responses = new UnreadResponses(timeoutMs, () => now);
  const connection = { completed: completed.promise };
  responses.watch({ body, call, ...(withConnection && { connection }) });
  const checkAt = (ms: number): string => {
    now = ms;
    responses.check();
    return log.join(" ");
  };
  return { body, call, checkAt, completed, responses };
}

const GIVEN_UP = "cancel fail";

Deno.test("check() gives up a response whose reader takes nothing for the time, and not before", () => {
  const { body, checkAt } = watched(100_000);
  assertEquals(checkAt(1_000), "");
  body.hasUnread = true;
  assertEquals(checkAt(2_000), "");
  assertEquals(checkAt(100_999), "");
  assertEquals(checkAt(101_000), GIVEN_UP);
  assertEquals(checkAt(300_000), GIVEN_UP);
});

Deno.test("check() keeps a response whose plugin sends nothing, and one that is read slowly", () => {
  const { body, checkAt, completed } = watched(100_000);
  assertEquals(checkAt(500_000), "");
  body.hasUnread = true;
  for (let i = 1; i < 5; i++) {
    body.taken = i;
    assertEquals(checkAt(500_000 + i * 90_000), "");
  }
  completed.resolve();
});

Deno.test("check() gives up a complete response that is not delivered", async () => {
  const { call, checkAt } = watched(100_000);
  call.isOver = true;
  assertEquals(checkAt(99_999), "");
  assertEquals(checkAt(100_000), GIVEN_UP);
  const delivered = watched(100_000);
  delivered.call.isOver = true;
  delivered.completed.resolve();
  await delivered.completed.promise;
  await Promise.resolve();
  assertEquals(delivered.checkAt(200_000), "");
});

Deno.test("check() ends the watch of a subrequest with its body", () => {
  const { body, call, checkAt } = watched(100_000, false);
  body.hasUnread = true;
  call.isOver = true;
  assertEquals(checkAt(50_000), "");
  body.hasUnread = false;
  assertEquals(checkAt(60_000), "");
  assertEquals(checkAt(900_000), "");
});
