/**
 * Tests with hostile plugins, each in its own cell, with both transports. For each: the caller gets a
 * problem with status 5xx, the server continues, the cell serves again, and no process is left. Attacks
 * that the Worker transport cannot contain are listed in {@link UNCONTAINED} and skipped for it.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
} from "../support/assert.ts";
import type { CellLimits } from "../../lib/cell_limits.ts";
import { Problem } from "../../lib/http/problem.ts";
import {
  type Fixture,
  isAlive,
  LAUNCHES,
  type LaunchName,
  LimitClock,
  until,
  WAIT_MS,
  withCell,
} from "./cell_fixture.ts";

const HOUR_MS = 3_600_000;

/** Attacks that a Worker of the server does not contain (see `/usr/share/doc/plugins.md`). */
const UNCONTAINED = new Set([
  "a busy loop on request",
  "a busy loop at import",
  "an endless microtask",
  "a heap bomb",
  "a flood of buffers",
  "a flood of blobs",
]);

interface Attack {
  readonly name: string;
  /** The body of `fetch`, unless the path is `/ok`. */
  readonly source?: string;
  /** The whole module. */
  readonly module?: string;
  /** Whether the attack lasts until a limit of time ends it; the test sets the clock of the cell forward. */
  readonly isEndless?: boolean;
  /** Statuses the caller may get for the attack. */
  readonly status: readonly number[];
  /** How the cell ended, when it must have. */
  readonly ended?: readonly string[];
  readonly limits?: Partial<CellLimits>;
}

const ATTACKS: readonly Attack[] = [
  {
    name: "a busy loop on request",
    source: "for (;;);",
    isEndless: true,
    status: [504],
    ended: ["silence"],
  },
  {
    name: "an endless microtask",
    source:
      "const spin = () => { Promise.resolve().then(spin) }; spin(); await new Promise(() => {});",
    isEndless: true,
    status: [502, 504],
    ended: ["silence", "memory", "crash"],
  },
  {
    name: "a heap bomb",
    source: "const all = []; for (;;) all.push({ a: new Array(100).fill(all.length) });",
    status: [502, 504],
    ended: ["crash", "memory", "silence"],
  },
  {
    name: "a flood of buffers",
    source:
      "const all = []; for (;;) { all.push(new Uint8Array(16 << 20).fill(1)); await new Promise((r) => setTimeout(r, 1)); }",
    status: [502, 504],
    ended: ["memory", "crash"],
  },
  {
    name: "a flood of blobs",
    source:
      "const all = []; for (;;) { all.push(new Blob([new Uint8Array(8 << 20).fill(1)])); await new Promise((r) => setTimeout(r, 1)); }",
    status: [502, 504],
    ended: ["memory", "crash"],
  },
  {
    name: "never answering",
    source: "await new Promise(() => {});",
    isEndless: true,
    status: [504],
    limits: { responseTimeoutMs: 20_000, heartbeatTimeoutMs: HOUR_MS },
  },
  {
    name: "a busy loop at import",
    module: "for (;;); export default { fetch() {} };",
    status: [504],
    ended: ["start"],
    limits: { startTimeoutMs: 700 },
  },
  {
    name: "an endless await at import",
    module: "await new Promise(() => {}); export default { fetch() {} };",
    status: [504],
    ended: ["start"],
    limits: { startTimeoutMs: 700 },
  },
  {
    name: "throwing at import",
    module: "throw new Error('boom'); export default { fetch() {} };",
    status: [502],
    ended: ["unfit"],
  },
  { name: "throwing in fetch", source: "throw new Error('boom');", status: [502] },
  {
    name: "throwing a value that is not an Error",
    source: "throw { toString() { throw 1 } };",
    status: [502],
  },
  {
    name: "returning a value that is not a Response",
    source: "return { status: 200 };",
    status: [502],
  },
  { name: "Response.error()", source: "return Response.error();", status: [502] },
  {
    name: "a header of 1 MiB",
    source: "return new Response('', { headers: { x: 'y'.repeat(1 << 20) } });",
    status: [502],
  },
  {
    name: "too many headers",
    source:
      "return new Response('', { headers: Array.from({length: 2000}, (_, i) => ['x' + i, 'y']) });",
    status: [502],
  },
];

function moduleOf(attack: Attack): string {
  return attack.module ?? `export default { async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/ok") return new Response("ok");
    await (await env.machine.fetch("/begun")).text();
    ${attack.source}
  } };`;
}

async function statusOf(promise: Promise<Response>): Promise<number> {
  try {
    const response = await promise;
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    assert(error instanceof Problem, `expected a Problem, got ${error}`);
    assert(error.detail.length > 20);
    assertNotMatch(error.detail, /boom|file:|\/tmp|data:/, "no text of the plugin, no paths");
    return error.status;
  }
}

async function assertServesAgain({ ask }: Fixture): Promise<void> {
  for (const end = Date.now() + WAIT_MS;;) {
    try {
      assertEquals(await (await ask("/ok")).text(), "ok");
      return;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 503 || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  for (const attack of ATTACKS) {
    if (launch === "worker" && UNCONTAINED.has(attack.name)) continue;
    Deno.test(`Cell (${launch}) survives ${attack.name}`, async () => {
      const begun = Promise.withResolvers<void>();
      const answerSubrequest = () => {
        begun.resolve();
        return Promise.resolve(new Response("begun"));
      };
      const clock = new LimitClock();
      // The heartbeat, the memory or the start ends the attack, not the time of its response.
      const responseTimeoutMs = attack.isEndless ? HOUR_MS : 2 * WAIT_MS;
      const limits = { responseTimeoutMs, ...attack.limits };
      const options = { launch, limits, answerSubrequest, now: clock.now };
      await withCell(moduleOf(attack), options, async (fixture) => {
        if (!attack.module) await assertServesAgain(fixture);
        const { pid } = fixture.cell.health();
        const answer = statusOf(fixture.ask("/"));
        if (attack.isEndless) await begun.promise;
        const status = await (attack.isEndless ? clock.settle(answer) : answer);
        assert(attack.status.includes(status), `the caller got ${status}`);
        if (attack.ended) {
          const end = fixture.events.find((event) => event.type === "ended");
          assert(end?.kind && attack.ended.includes(end.kind), `it ended by ${end?.kind}`);
          if (pid !== undefined) await until(() => !isAlive(pid), 20_000, "the process has ended");
        }
        if (!attack.module) await assertServesAgain(fixture);
      });
    });
  }

  Deno.test(`Cell (${launch}) fails the body of a response whose stream fails, and serves again`, async () => {
    const source = `
      let count = 0;
      return new Response(new ReadableStream({ pull(c) {
        if (count++ < 3) c.enqueue(new Uint8Array(10)); else throw new Error("boom");
      } }));`;
    await withCell(moduleOf({ name: "", source, status: [] }), { launch }, async (fixture) => {
      await assertServesAgain(fixture);
      const response = await fixture.ask("/");
      await assertRejects(response.bytes());
      await assertServesAgain(fixture);
      assertEquals(fixture.cell.health().requests, 0);
    });
  });

  Deno.test(`Cell (${launch}) fails an open body if the cell ends`, async () => {
    const source = `
      if (new URL(request.url).pathname === "/loop") for (;;) new Response(new Uint8Array(1 << 20));
      return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(10)); return new Promise(() => {}); } }));`;
    if (launch === "worker") return; // The endless loop would outlive the test: see UNCONTAINED.
    const clock = new LimitClock();
    const options = { launch, limits: { responseTimeoutMs: HOUR_MS }, now: clock.now };
    await withCell(moduleOf({ name: "", source, status: [] }), options, async (fixture) => {
      const response = await fixture.ask("/");
      const loop = statusOf(fixture.ask("/loop"));
      await assertRejects(clock.settle(response.bytes()), /heartbeat|resident memory/);
      assert([502, 504].includes(await loop));
      await assertServesAgain(fixture);
    });
  });

  Deno.test(`Cell (${launch}) cancels an infinite response if its reader cancels`, async () => {
    const source = `
      const body = new ReadableStream({
        pull(c) { c.enqueue(new Uint8Array(65536)); },
        cancel() { console.log("cancelled"); },
      });
      return new Response(body);`;
    await withCell(moduleOf({ name: "", source, status: [] }), { launch }, async (fixture) => {
      const reader = (await fixture.ask("/")).body!.getReader();
      for (let i = 0; i < 50; i++) await reader.read();
      await reader.cancel();
      await until(
        () => fixture.lines.includes("log cancelled"),
        WAIT_MS,
        "the plugin's stream is cancelled",
      );
      assertEquals(fixture.cell.health().requests, 0);
      await assertServesAgain(fixture);
    });
  });

  Deno.test(`Cell (${launch}) limits the console lines per second`, async () => {
    const source = `
      for (let i = 0; i < 100000; i++) console.log("line " + i, "x".repeat(100));
      return new Response("done");`;
    const limits = { maxLogLinesPerSecond: 20 };
    await withCell(
      moduleOf({ name: "", source, status: [] }),
      { launch, limits },
      async (fixture) => {
        const start = Date.now();
        assertEquals(await fixture.text("/"), "done");
        // In each second as many lines as the limit, and one about the lines that were dropped.
        const seconds = Math.floor((Date.now() - start) / 1000) + 2;
        assert(fixture.lines.length <= 21 * seconds, `${fixture.lines.length} lines came through`);
        await assertServesAgain(fixture);
      },
    );
  });

  Deno.test(`Cell (${launch}) fails the request of an uncaught error at once, and continues`, async () => {
    const source = `
      const { pathname } = new URL(request.url);
      if (pathname === "/rejection") Promise.reject(new Error("unheard"));
      if (pathname === "/timer") setTimeout(() => { throw new Error("thrown") }, 1);
      if (pathname === "/reported") reportError(new Error("reported"));
      if (pathname === "/async") setTimeout(async () => { throw new Error("later") }, 1);
      if (pathname === "/other") await new Promise((r) => setTimeout(r, 200));
      else if (pathname !== "/") await new Promise(() => {});
      return new Response("alive");`;
    await withCell(moduleOf({ name: "", source, status: [] }), { launch }, async (fixture) => {
      const other = fixture.text("/other");
      for (const path of ["/rejection", "/timer", "/reported", "/async"]) {
        await assertRejects(fixture.text(path), { type: "bad-gateway" });
      }
      assertEquals(await other, "alive");
      assertEquals(await fixture.text("/"), "alive");
      for (const text of [/unheard/, /thrown/, /reported/, /later/]) {
        assertMatch(fixture.lines.join("\n"), text);
      }
      const kinds = new Set(fixture.events.map((event) => event.type));
      assertEquals([...kinds], ["started", "uncaught"]);
    });
  });
}
