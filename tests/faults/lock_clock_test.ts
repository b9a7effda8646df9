/** Property: a step of the computer's clock neither ends nor prolongs a lock. */

import { assertEquals } from "../support/assert.ts";
import { mint } from "../../lib/auth/capability.ts";
import { withApp } from "../support/app.ts";
import { createAsk, lockBody } from "../dav/ask.ts";
import { bearer, KEY } from "../support/test_server.ts";

const HOUR_MS = 3_600_000;

for (const step of [-HOUR_MS, HOUR_MS]) {
  Deno.test(`a clock step of ${step} ms neither ends nor prolongs a lock`, async () => {
    const clock = { wall: 1_800_000_000_000, elapsed: 5_000 };
    const options = { now: () => clock.wall, monotonic: () => clock.elapsed };
    await withApp(options, async (app) => {
      const ask = createAsk(app);
      // The credential must outlive the step, because its expiry is a date.
      const exp = clock.wall / 1000 + 10 * 3600;
      const holder = bearer(mint({ key: KEY, prefix: "/home/a", mode: "rw", exp }));
      const other = bearer(mint({ key: KEY, prefix: "/home", mode: "rw", exp }));
      await ask("PUT /home/a", 201, {}, "a");
      await ask("LOCK /dav/home/a", 200, { ...holder, timeout: "Second-3" }, lockBody());
      clock.wall += step;
      clock.elapsed += 2_000;
      await ask("PUT /home/a", 423, other, "b");
      clock.elapsed += 1_000;
      await ask("PUT /home/a", 200, other, "b");
      assertEquals((await ask("GET /home/a?raw", 200)).text, "b");
    });
  });
}
