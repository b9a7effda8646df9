/**
 * The limits of a cell that have a setting: at the limit nothing happens, one beyond has the documented
 * effect, and the health of the cell counts it.
 */
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import {
  type Fixture,
  type FixtureOptions,
  LimitClock,
  until,
  WAIT_MS,
  withCell,
} from "../cell_fixture.ts";

/** A plugin whose `fetch` has this body. */
function plugin(body: string): string {
  return `export default { async fetch(request, env, ctx) { const url = new URL(request.url); ${body} } };`;
}

function withLimits(
  limits: FixtureOptions["limits"],
  body: string,
  test: (fixture: Fixture) => Promise<void>,
  options: FixtureOptions = {},
): Promise<void> {
  return withCell(plugin(body), { ...options, ...(limits && { limits }) }, test);
}

Deno.test("maxTimeoutsInARow: a plugin is ended after as many timeouts, and not one before", async () => {
  const clock = new LimitClock();
  await withLimits(
    { heartbeatTimeoutMs: 3_600_000, maxTimeoutsInARow: 2 },
    `if (url.pathname === "/never") await new Promise(() => {}); return new Response("ok");`,
    async ({ cell, ask, text }) => {
      assertEquals(await text("/ok"), "ok");
      const { pid } = cell.health();
      await assertRejects(clock.settle(ask("/never")), { status: 504 });
      assertEquals(await text("/ok"), "ok");
      await assertRejects(clock.settle(ask("/never")), { status: 504 });
      // The response in between began a new row.
      assertEquals([cell.health().pid, cell.health().limits.answer], [pid, 2]);
      await assertRejects(clock.settle(ask("/never")), { status: 504 });
      await until(() => cell.health().limits.heartbeat === 1, WAIT_MS, "it was ended");
      assertEquals(cell.health().limits.answer, 3);
    },
    { now: clock.now },
  );
});

Deno.test("maxCalls: as many calls are open at the same time, and one more waits", async () => {
  const release = Promise.withResolvers<void>();
  let calls = 0;
  await withLimits(
    { maxCalls: 2 },
    `const all = Array.from({ length: 3 }, () => env.machine.fetch("/x").then((r) => r.text()));
     return new Response((await Promise.all(all)).join());`,
    async ({ cell, text }) => {
      const answer = text("/");
      await until(() => cell.health().calls === 2, WAIT_MS, "two calls are open");
      // The cell has sent all it may; the third call is not open before another one ends.
      assertEquals([calls, cell.health().calls], [2, 2]);
      release.resolve();
      assertEquals(await answer, "x,x,x");
      assertEquals([calls, cell.health().calls], [3, 0]);
    },
    {
      answerSubrequest: async () => {
        calls += 1;
        await release.promise;
        return new Response("x");
      },
    },
  );
});

Deno.test("maxDepth: a plugin at the depth is called, and one deeper gets 508", () =>
  withLimits({ maxDepth: 2 }, `return new Response("ok");`, async ({ cell, ask }) => {
    assertEquals((await ask("/", {}, { depth: 2 })).status, 200);
    assertEquals(cell.health().limits.depth, 0);
    await assertRejects(ask("/", {}, { depth: 3 }), { status: 508 });
    assertEquals(cell.health().limits.depth, 1);
  }));

Deno.test("maxLogLinesPerSecond: as many lines are logged, and further ones are dropped and counted", () =>
  withLimits(
    { maxLogLinesPerSecond: 3 },
    // The lines are written early in a second, so that all of them are in the same one.
    `const next = async () => {
       do await new Promise((resume) => setTimeout(resume, 1000 - Date.now() % 1000 + 20));
       while (Date.now() % 1000 > 500);
     };
     await next();
     for (let i = 0; i < Number(url.search.slice(1)); i++) console.log("line");
     await next();
     console.log("end");
     return new Response("ok");`,
    async ({ cell, lines, text }) => {
      await text("/?3");
      assertEquals(lines.splice(0), ["log line", "log line", "log line", "log end"]);
      assertEquals(cell.health().droppedLines, 0);
      await text("/?5");
      assertEquals(lines.filter((line) => line === "log line").length, 3);
      assert(lines.includes("warn dropped 2 lines: at most 3 per second are kept"), lines.join());
      assertEquals(cell.health().droppedLines, 2);
    },
  ));

Deno.test("waitUntilTimeoutMs: work after a response may take as long, and longer work has no authority", async () => {
  const clock = new LimitClock();
  await withLimits(
    { waitUntilTimeoutMs: 2 * WAIT_MS, heartbeatTimeoutMs: 3_600_000 },
    `const work = url.pathname === "/short" ? new Promise((resume) => setTimeout(resume, 1)) : new Promise(() => {});
     ctx.waitUntil(work.then(() => console.log("done")));
     return new Response("ok");`,
    async ({ cell, lines, text }) => {
      await text("/short");
      await until(() => lines.includes("log done"), WAIT_MS, "the short work is done");
      assertEquals(cell.health().limits.work, 0);
      await text("/long");
      await clock.until(() => cell.health().limits.work === 1, "the work was given up");
    },
    { now: clock.now },
  );
});

Deno.test("residentMiB: a plugin above its memory is ended", () =>
  withLimits(
    // A busy computer can need seconds to fill the memory; the heartbeat must not end the plugin before.
    // The server looks at the memory, and the process itself does: either can be first.
    { residentMiB: 200, heartbeatTimeoutMs: WAIT_MS, responseTimeoutMs: 2 * WAIT_MS },
    `globalThis.kept = [];
     for (let i = 0; i < 100; i++) kept.push(new Uint8Array(4_000_000).fill(1));
     await new Promise(() => {});`,
    async ({ cell, ask }) => {
      await assertRejects(ask("/"));
      assertEquals(cell.health().limits.memory, 1);
    },
  ));

Deno.test("heartbeatTimeoutMs: a busy loop ends a plugin", () =>
  withLimits({ heartbeatTimeoutMs: 500 }, `for (;;);`, async ({ cell, ask }) => {
    await assertRejects(ask("/"), { status: 504 });
    assertEquals(cell.health().limits.heartbeat, 1);
  }));
