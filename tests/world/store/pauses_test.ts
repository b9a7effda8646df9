import { assertEquals } from "../../support/assert.ts";
import { createDeferred, Pauses } from "../../../lib/world/store/pauses.ts";

Deno.test("Pauses.end() ends the pauses that wait, and no later one", async () => {
  const pauses = new Pauses();
  const waiting = [pauses.wait(1e6), pauses.wait(1e6)];
  pauses.end();
  await Promise.all(waiting);
  let isOver = false;
  const later = pauses.wait(1e6).then(() => isOver = true);
  await Promise.resolve();
  assertEquals(isOver, false);
  pauses.close();
  await later;
  await pauses.wait(1e6);
});

Deno.test("createDeferred() creates a promise that can fail without a waiter", async () => {
  const gate = createDeferred();
  gate.reject(new Error("closed"));
  assertEquals(await gate.promise.catch((error) => error.message), "closed");
});
