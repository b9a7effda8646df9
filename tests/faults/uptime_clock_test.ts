/**
 * Durations do not depend on the computer's clock: after a step of it the uptime continues, and
 * pauses and caches end when they would have ended without the step.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { withApp } from "../support/app.ts";
import { withServer } from "../support/test_server.ts";

const HOUR_MS = 3_600_000;

Deno.test("GET /proc/uptime and /proc/status count seconds by a clock that ignores clock steps", async () => {
  let wall = Date.now();
  let elapsed = wall;
  await withApp({ now: () => wall, monotonic: () => elapsed }, async ({ ask }) => {
    const json = { headers: { accept: "application/json" } };
    for (const step of [-HOUR_MS, 5 * HOUR_MS, -9 * HOUR_MS]) {
      wall += step;
      elapsed += 1500;
      const uptime = Number(await (await ask("GET", "/proc/uptime", json)).text());
      const status = await (await ask("GET", "/proc/status", json)).json();
      assertEquals([uptime, status.uptime], [uptime, uptime]);
      assert(uptime > 0 && uptime <= 4.5, `${uptime}`);
      const metrics = await (await ask("GET", "/proc/metrics")).text();
      assertEquals(Number(/^elastik_uptime_seconds (.*)$/m.exec(metrics)?.[1]), uptime);
    }
    assertEquals(await (await ask("GET", "/proc/uptime", json)).text(), "4.5\n");
  });
});

Deno.test("the uptime of a running server is not negative and increases", async () => {
  await withServer({}, async (server) => {
    const read = async () => parseFloat((await server.approve("GET", "/proc/uptime")).text);
    const first = await read();
    const second = await read();
    assert(first >= 0 && second >= first, `${first} ${second}`);
  });
});
