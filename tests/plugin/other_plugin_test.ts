/** Tests that a hostile plugin does not affect another plugin and leaves no process. */

import { assert, assertEquals } from "../support/assert.ts";
import { isAlive, makeCell, SHORT_HEARTBEAT, until, withCell } from "./cell_fixture.ts";

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
      `if (path === "/${name}") { ${code} }`
    ).join("\n");
    const source = `export default { async fetch(request, env) {
      const path = new URL(request.url).pathname;
      ${attempts}
      return new Response("ok");
    } };`;
    const answerSubrequest = () => Promise.resolve(new Response("x"));
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
        limits: { ...SHORT_HEARTBEAT, maxCrashes: 100, responseTimeoutMs: 1200 },
      });
      const pids: number[] = [];
      for (const name of Object.keys(BOMBS)) {
        await until(
          () => bad.cell.health().state !== "waiting",
          20_000,
          "the cell can be started again",
        );
        assertEquals(await bad.text("/ok"), "ok", `before ${name}`);
        pids.push(bad.cell.health().pid ?? 0);
        const before = requests;
        const status = await bad.ask(`/${name}`).then((r) => r.status, (error) => error.status);
        assert(status === 502 || status === 504, `${name}: ${status}`);
        // If it waited for the end of the attack, one or two would be answered at the edges.
        assert(requests - before > 2, `${name}: ${requests - before} requests to the other plugin`);
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
  await withCell(source, { limits: SHORT_HEARTBEAT }, async ({ text, events, cell }) => {
    assertEquals(await text("/"), "ok");
    const { pid } = cell.health();
    await until(() => events.some(({ kind }) => kind === "silence"), 20_000, "the cell is ended");
    if (pid !== undefined && Deno.build.os === "linux") {
      await until(() => !isAlive(pid), 20_000, "its process has ended");
    }
    assertEquals(cell.health().crashes, 1);
  });
});
