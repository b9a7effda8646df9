/** Tests of cells as processes: how they are started, and that none is left behind. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { isAlive, makeCell, PROGRAM, until, WAIT_MS, withCell } from "../cell_fixture.ts";
import { createProcessStarter } from "../../../lib/plugin/transport/process_transport.ts";
import { createBareInit } from "../../../lib/plugin/wire/cell_init.ts";
import { SHORT } from "../cell_fixture.ts";

const LINUX = Deno.build.os === "linux";
const HELLO = `export default { fetch: () => new Response("hi") };`;

Deno.test({
  name: "createProcessStarter() starts the process with the declared permissions only",
  ignore: !LINUX, // The command line of a process is read from /proc.
  async fn() {
    const permissions = { net: ["example.com:443"], env: ["LANG"] };
    await withCell(HELLO, { permissions, variables: { LANG: "C" } }, async ({ cell }) => {
      await cell.start();
      const { pid } = cell.health();
      const line = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
      assert(line.includes("--allow-net=example.com:443"));
      for (
        const flag of [
          "--no-prompt",
          "--no-npm",
          "--no-remote",
          "--cached-only",
          "--allow-import=nowhere.invalid",
        ]
      ) assert(line.includes(flag), flag);
      assert(!line.some((word) => /^(-A|--allow-(all|env|read|write|run|ffi|sys))/.test(word)));
      const environ = Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0").filter(Boolean);
      const names = environ.map((entry) => entry.slice(0, entry.indexOf("="))).sort();
      const allowed = ["DENO_DIR", "DENO_NO_UPDATE_CHECK", "HOME", "NO_COLOR"];
      assertEquals(names.filter((name) => !allowed.includes(name)), []);
      assertEquals(Deno.readLinkSync(`/proc/${pid}/cwd`), "/");
    });
  },
});

Deno.test("createProcessStarter() denies the addresses in denyNet, even if they are declared", async () => {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("reached"),
  );
  const here = `127.0.0.1:${server.addr.port}`;
  const init = {
    ...createBareInit(
      "serve",
      "test",
      `export default { async fetch() {
      return new Response(await fetch("http://${here}/").then((r) => r.text(), (e) => e.name)); } };`,
    ),
    permissions: { net: [here], read: [], write: [] },
  };
  const { Cell } = await import("../../../lib/plugin/cell/cell.ts");
  try {
    for (const [denyNet, expected] of [[[], "reached"], [[here], "NotCapable"]] as const) {
      const cell = new Cell<null>({
        init,
        startCell: createProcessStarter({ ...PROGRAM, denyNet }),
        limits: SHORT,
        now: Date.now,
        answerSubrequest: () => Promise.resolve(new Response("")),
        log: () => {},
        onEvent: () => {},
      });
      const caller = { authority: null, tier: "T1", by: "T1", depth: 0 };
      const response = await cell.request(new Request("http://localhost/"), caller);
      assertStrictEquals(await response.text(), expected);
      await cell.stop({ drain: false });
    }
  } finally {
    await server.shutdown();
  }
});

Deno.test("createProcessStarter() starts cells that cannot follow a redirect to an undeclared host", async () => {
  const target = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("reached"),
  );
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => Response.redirect(`http://127.0.0.1:${target.addr.port}/`),
  );
  const source = `export default { async fetch() {
    return new Response(await fetch("http://127.0.0.1:${server.addr.port}/").then((r) => r.text(), (e) => e.name)); } };`;
  try {
    const permissions = { net: [`127.0.0.1:${server.addr.port}`] };
    await withCell(source, { permissions }, async ({ text }) => {
      assertMatch(await text("/"), /NotCapable|TypeError/);
    });
  } finally {
    await Promise.all([target.shutdown(), server.shutdown()]);
  }
});

Deno.test({
  name: "createProcessStarter() starts processes that exit when the server is killed, idle or busy",
  ignore: !LINUX, // Remaining processes are found in /proc.
  async fn() {
    for (const path of ["/ok", "/busy"]) {
      const server = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--quiet",
          "--unstable-worker-options",
          new URL("../cell_server.ts", import.meta.url).href,
          path,
        ],
        stdout: "piped",
      }).spawn();
      const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const pid = Number((await reader.read()).value);
      assert(isAlive(pid));
      server.kill("SIGKILL");
      await server.status;
      await reader.cancel();
      await until(() => !isAlive(pid), WAIT_MS, `the cell of ${path} has exited`);
    }
  },
});

Deno.test({
  name: "createProcessStarter() starts processes that use almost no CPU time while idle",
  ignore: !LINUX, // Processor time is read from /proc.
  async fn() {
    await withCell(HELLO, {}, async ({ cell, text }) => {
      await text("/");
      const { pid } = cell.health();
      const ticks = (): number => {
        const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return Number(fields[11]) + Number(fields[12]);
      };
      // After the response the process can have work left; a slow computer needs seconds for it.
      const end = Date.now() + WAIT_MS;
      for (let used = Infinity; used > 5;) {
        assert(Date.now() < end, `${used} hundredths of a second in one second`);
        const before = ticks();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        used = ticks() - before;
      }
    });
  },
});

Deno.test("Cell.stop() ends the process of a plugin in a busy loop", async () => {
  const { cell, ask, lines } = await makeCell(`export default { async fetch() {
    console.log("started");
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (;;);
  } };`);
  await cell.start();
  const { pid } = cell.health();
  const status = ask("/").catch((error) => error.status);
  await until(() => lines.includes("log started"), 20_000, "the plugin has the request");
  await cell.stop({ drain: false });
  assertEquals(await status, 503);
  if (LINUX && pid !== undefined) assert(!isAlive(pid));
});

Deno.test("a process without heap is reported without addresses and paths of this computer", async () => {
  const { cell, ask, lines, events } = await makeCell(`export default { async fetch() {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const kept = [];
    for (;;) kept.push(new Array(1e6).fill(1.5));
  } };`);
  await cell.start();
  await ask("/").catch(() => {});
  await cell.stop({ drain: false });
  const text = JSON.stringify([lines, events]);
  assertMatch(text, /: Fatal JavaScript out of memory: /);
  for (const part of ["C stack", "Last few GCs", Deno.execPath(), "0x"]) {
    assert(!text.includes(part), `${part} in ${text}`);
  }
});
