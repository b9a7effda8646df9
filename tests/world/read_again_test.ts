import { assertEquals } from "../support/assert.ts";
import { readAgain } from "../../lib/world/read_again.ts";
import { StoreError } from "../../lib/world/store.ts";

Deno.test("readAgain() reads once more after a failure that can end, and not after another one", async () => {
  const read: string[] = [];
  readAgain(new StoreError("damaged", "torn"), () => read.push("damaged"));
  readAgain(new StoreError("closed", "closed"), () => read.push("closed"));
  readAgain(new Error("not text"), () => read.push("error"));
  const again = Promise.withResolvers<void>();
  readAgain(new StoreError("unreachable", "no database"), () => {
    read.push("unreachable");
    again.resolve();
  });
  // The timer of the product keeps no process running.
  const alive = setInterval(() => {}, 1_000);
  await again.promise;
  clearInterval(alive);
  assertEquals(read, ["unreachable"]);
});
