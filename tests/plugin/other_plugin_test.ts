/** Tests that a hostile plugin does not affect another plugin and leaves no process. */

import { assert, assertEquals } from "../support/assert.ts";
import { isAlive, LimitClock, makeCell, until, WAIT_MS, withCell } from "./cell_fixture.ts";

/** Requests that are answered at the start and the end of an attack, also if the others wait for its end. */
const ENOUGH = 2;
/** The attacks that end by themselves, when the memory is full. */
const FILLS_MEMORY = new Set(["heap", "buffers"]);

const BOMBS: Record<string, string> = {
  loop: "for (;;);",
  heap: "const all = []; for (;;) all.push({ a: new Array(100).fill(all.length) });",
  buffers:
    "const all = []; for (;;) { all.push(new Uint8Array(16 << 20).fill(1)); await new Promise((r) => setTimeout(r, 1)); }",
  logs: "for (;;) { console.log('x'.repeat(1000)); await null; }",
  calls:
    "for (;;) { await Promise.all(Array.from({ length: 100 }, () => env.machine.fetch('/x').then((r) => r.text()))); }",
};

Deno.test({
  name:
    "Cell.request() of another plugin succeeds while a hostile one runs, and no process is left",
  ignore: Deno.build.os !== "linux", // Processes are read from /proc.
  async fn() {
    const attempts = Object.entries(BOMBS).map(([name, code]) =>
      `if (path === "/${name}") { await (await env.machine.fetch("/begun")).text(); ${code} }`
    ).join("\n");
    const source = `export default { async fetch(request, env) {
      const path = new URL(request.url).pathname;
      ${attempts}
      return new Response("ok");
    } };`;
    let begun = Promise.withResolvers<void>();
    const answerSubrequest = () => {
      begun.resolve();
      return Promise.resolve(new Response("x"));
    };
    const clock = new LimitClock();
    await withCell(`export default { fetch: () => new Response("fine") };`, {}, async (good) => {
      await good.text("/");
      let requests = 0;
      let over = false;
      const probing = (async () => {
        while (!over) {
          assertEquals(await good.text("/"), "fine");
          requests++;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      })();
      const bad = await makeCell(source, {
        answerSubrequest,
        limits: { maxCrashes: 100, responseTimeoutMs: WAIT_MS },
        now: clock.now,
      });
      const pids: number[] = [];
      const attack = async (name: string): Promise<number> => {
        await until(
          () => bad.cell.health().state !== "waiting",
          WAIT_MS,
          "the cell can be started again",
        );
        assertEquals(await bad.text("/ok"), "ok", `before ${name}`);
        pids.push(bad.cell.health().pid ?? 0);
        begun = Promise.withResolvers();
        const answer = bad.ask(`/${name}`).then((r) => r.status, (error) => error.status);
        await begun.promise;
        const before = requests;
        if (!FILLS_MEMORY.has(name)) {
          await until(
            () => requests - before > ENOUGH,
            WAIT_MS,
            `the other plugin answers: ${name}`,
          );
        }
        const status = await (FILLS_MEMORY.has(name) ? answer : clock.settle(answer));
        assert(status === 502 || status === 504, `${name}: ${status}`);
        return requests - before;
      };
      for (const name of Object.keys(BOMBS)) {
        // The memory can be full before the other plugin has had its turn.
        let answered = 0;
        for (let tries = 0; answered <= ENOUGH && tries < 10; tries++) {
          answered = await attack(name);
        }
        assert(answered > ENOUGH, `${name}: ${answered} requests to the other plugin`);
      }
      await bad.cell.stop({ drain: false });
      over = true;
      await probing;
      for (const pid of pids) assert(!isAlive(pid), "a process is left");
    });
  },
});

Deno.test("Cell ends a plugin with a busy loop by its heartbeat, also without an open request", async () => {
  const source = `export default { fetch() {
    setTimeout(() => { for (;;); }, 20);
    return new Response("ok");
  } };`;
  const clock = new LimitClock();
  await withCell(source, { now: clock.now }, async ({ text, events, cell }) => {
    assertEquals(await text("/"), "ok");
    const { pid } = cell.health();
    await clock.until(() => events.some(({ kind }) => kind === "silence"), "the cell is ended");
    if (pid !== undefined && Deno.build.os === "linux") {
      await until(() => !isAlive(pid), WAIT_MS, "its process has ended");
    }
    assertEquals(cell.health().crashes, 1);
  });
});
