import { assertEquals, assertRejects } from "../../support/assert.ts";
import { startFeed } from "../../../lib/routes/stream/feed.ts";

Deno.test("startFeed() is fulfilled when the feed has sent everything or must wait for its reader", async () => {
  let errors = 0;
  const onError = () => void errors++;
  await startFeed(() => Promise.resolve(), onError);
  const fails = Promise.withResolvers<void>();
  await startFeed((onStarted) => {
    onStarted();
    return fails.promise;
  }, onError);
  assertEquals(errors, 0);
  fails.reject(new Error("the world is damaged"));
  await new Promise((resume) => setImmediate(resume));
  assertEquals(errors, 1);
});

Deno.test("startFeed() rejects with an error before that", async () => {
  let errors = 0;
  const started = startFeed(() => Promise.reject(new Error("damaged")), () => void errors++);
  await assertRejects(() => started, /damaged/);
  assertEquals(errors, 0);
});
