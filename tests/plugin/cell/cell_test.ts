/** Tests of `Cell` with real processes and Workers: requests, responses, start, stop and restart. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "../../support/assert.ts";
import { CELL_SPAWN_RETRY_MS } from "../../../lib/cell_limits.ts";
import type { StartCell } from "../../../lib/plugin/transport/transport.ts";
import { createProcessStarter } from "../../../lib/plugin/transport/process_transport.ts";
import { Problem } from "../../../lib/http/problem.ts";
import {
  isAlive,
  LAUNCHES,
  type LaunchName,
  LimitClock,
  makeCell,
  makeInit,
  PROGRAM,
  SHORT,
  until,
  WAIT_MS,
  withCell,
} from "../cell_fixture.ts";

const MIB = 1 << 20;

async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof Problem, String(error));
    return error;
  }
  throw new Error("The promise resolved; a Problem was expected");
}

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  Deno.test(`Cell.request() (${launch}) forwards method, URL, headers, body and caller`, async () => {
    const source = `export default { async fetch(request, env) {
      return Response.json({
        method: request.method, url: request.url, x: request.headers.get("x"),
        secret: request.headers.get("authorization"), body: await request.text(),
        tier: env.caller.tier, by: env.caller.by, config: env.config, vars: env.vars,
      }, { status: 207, statusText: "Many", headers: { "x-out": "\\u00fc" } });
    } };`;
    const options = {
      launch,
      config: { "/etc/x": "ü" },
      permissions: { env: ["LANG", "UNSET"] },
      variables: { LANG: "C" },
    };
    await withCell(source, options, async ({ ask }) => {
      const init = {
        method: "PROPFIND",
        headers: { x: "y", authorization: "Bearer t" },
        body: "text ü",
      };
      const response = await ask("/a%20b?q=1", init);
      assertEquals(response.status, 207);
      assertEquals(response.statusText, "Many");
      assertEquals(response.headers.get("x-out"), "ü");
      assertEquals(await response.json(), {
        method: "PROPFIND",
        url: "http://localhost/a%20b?q=1",
        x: "y",
        secret: null,
        body: "text ü",
        tier: "T2",
        by: "T2",
        config: { "/etc/x": "ü" },
        vars: { LANG: "C" },
      });
    });
  });

  Deno.test(`Cell.request() (${launch}) keeps repeated headers, withholds Set-Cookie, and has no body for 204 and 304`, async () => {
    const source = `export default { fetch(request) {
      const status = Number(new URL(request.url).pathname.slice(1));
      return new Response(status === 200 ? "" : null, { status,
        headers: [["set-cookie", "a=1"], ["x-own", "a"], ["x-own", "b"]] });
    } };`;
    await withCell(source, { launch }, async ({ ask }) => {
      for (const status of [200, 204, 304, 404]) {
        const response = await ask(`/${status}`, { method: status === 200 ? "HEAD" : "GET" });
        assertStrictEquals(response.status, status);
        assertEquals(response.headers.getSetCookie(), []);
        assertEquals(response.headers.get("x-own"), "a, b");
        assertEquals(await response.text(), "");
      }
    });
  });

  Deno.test(`Cell.request() (${launch}) forwards events of a stream at once`, async () => {
    const source = `let more; export default { fetch(request) {
      if (request.method === "POST") { more(); return new Response("ok"); }
      const encoder = new TextEncoder();
      return new Response(new ReadableStream({ start(c) {
        c.enqueue(encoder.encode("data: 1\\n\\n"));
        more = () => c.enqueue(encoder.encode("data: 2\\n\\n"));
      } }), { headers: { "content-type": "text/event-stream" } });
    } };`;
    await withCell(source, { launch }, async ({ ask }) => {
      const reader = (await ask("/")).body!.pipeThrough(new TextDecoderStream()).getReader();
      assertEquals((await reader.read()).value, "data: 1\n\n");
      await (await ask("/", { method: "POST" })).text();
      assertEquals((await reader.read()).value, "data: 2\n\n");
      await reader.cancel();
    });
  });

  Deno.test(`Cell.request() (${launch}) resolves with the head of a stream that has no data yet`, async () => {
    const source = `export default { fetch() {
      return new Response(new ReadableStream({}), { headers: { "content-type": "text/event-stream" } });
    } };`;
    await withCell(source, { launch }, async ({ ask }) => {
      const response = await ask("/");
      assertEquals(response.status, 200);
      await response.body!.cancel();
    });
  });

  Deno.test(`Cell.request() (${launch}) applies back-pressure to a response that is not read`, async () => {
    const source = `let pulled = 0; export default { fetch(request) {
      if (request.method === "POST") return new Response(String(pulled));
      return new Response(new ReadableStream({ pull(c) { pulled += 65536; c.enqueue(new Uint8Array(65536)); } }));
    } };`;
    await withCell(source, { launch }, async ({ ask, text }) => {
      const reader = (await ask("/")).body!.getReader();
      await reader.read();
      let pulled = "";
      for (let last = " "; last !== pulled;) {
        last = pulled;
        await new Promise((resolve) => setTimeout(resolve, 50));
        pulled = await text("/", { method: "POST" });
      }
      assert(Number(pulled) < MIB, `${pulled} bytes were pulled`);
      await reader.cancel();
    });
  });

  Deno.test(`Cell.request() (${launch}) aborts the plugin's request.signal if the client disconnects`, async () => {
    const source = `export default { async fetch(request) {
      request.signal.addEventListener("abort", () => console.log("aborted"));
      console.log("here");
      await new Promise(() => {});
    } };`;
    await withCell(source, { launch }, async ({ ask, lines, cell }) => {
      const abort = new AbortController();
      const response = ask("/", { signal: abort.signal });
      await until(() => lines.includes("log here"), 20_000, "the plugin has the request");
      abort.abort();
      await assertRejects(response, { name: "AbortError" });
      await until(() => lines.includes("log aborted"), 20_000, "the plugin's signal is aborted");
      assertEquals(cell.health().requests, 0);
    });
  });

  Deno.test(`Cell.request() (${launch}) runs subrequests with the caller's authority and with the plugin's`, async () => {
    const source = `export default { async fetch(request, env) {
      const own = await (await env.machine.fetch("/var/x", { method: "PUT", body: "mine" })).text();
      const theirs = await (await env.caller.fetch("/home/x?raw", { headers: { a: "b" } })).text();
      const big = await (await env.machine.fetch("/big")).bytes();
      return Response.json([own, theirs, big.length]);
    } };`;
    const options = {
      launch,
      answerSubrequest: async (call: { kind: string; request: Request; depth: number }) => {
        if (call.request.url.endsWith("/big")) return new Response(new Uint8Array(3 * MIB));
        const authority = Reflect.get(call, "authority") ?? "none";
        return new Response(
          [
            call.kind,
            authority,
            call.request.method,
            call.request.url,
            call.depth,
            await call.request.text(),
          ]
            .join(" "),
        );
      },
    };
    await withCell(source, options, async ({ ask }) => {
      assertEquals(await (await ask("/", {}, { authority: "ada", depth: 2 })).json(), [
        "machine none PUT http://machine/var/x 3 mine",
        "caller ada GET http://machine/home/x?raw 3 ",
        3 * MIB,
      ]);
    });
  });

  Deno.test(`env.caller (${launch}) rejects after its request has ended; env.machine works in waitUntil`, async () => {
    const source = `let kept; export default { fetch(request, env, ctx) {
      if (new URL(request.url).pathname === "/late") {
        return kept.fetch("/home/x").then(() => new Response("worked"), (e) => new Response(e.message));
      }
      kept = env.caller;
      ctx.waitUntil((async () => {
        await new Promise((r) => setTimeout(r, 60));
        console.log("machine " + await (await env.machine.fetch("/var/x")).text());
        await env.caller.fetch("/home/x").catch((e) => console.log(e.message));
      })());
      return new Response("sent");
    } };`;
    const answerSubrequest = () => Promise.resolve(new Response("answered"));
    await withCell(source, { launch, answerSubrequest }, async ({ text, lines }) => {
      assertEquals(await text("/"), "sent");
      assertMatch(await text("/late"), /the request has ended/);
      await until(() => lines.length === 2, 20_000, "the work is done");
      assertEquals(lines[0], "log machine answered");
      assertMatch(lines[1] ?? "", /the request has ended/);
    });
  });

  Deno.test(`env.caller (${launch}) aborts an open subrequest when its request ends`, async () => {
    const source = `export default { fetch(request, env) {
      env.caller.fetch("/slow").catch((e) => console.log("broke: " + e.message));
      return new Response("sent");
    } };`;
    let aborted = false;
    const answerSubrequest = ({ request }: { request: Request }) =>
      new Promise<Response>((_, reject) => {
        request.signal.addEventListener("abort", () => {
          aborted = true;
          reject(request.signal.reason);
        });
      });
    await withCell(source, { launch, answerSubrequest }, async ({ text, lines }) => {
      assertEquals(await text("/"), "sent");
      await until(() => aborted && lines.length > 0, 20_000, "the subrequest is aborted");
      assertMatch(lines.join(), /^log broke: .*The request has ended/);
    });
  });

  Deno.test(`env.machine (${launch}) rejects a URL of another server`, async () => {
    const source = `export default { async fetch(request, env) {
      const out = [];
      for (const to of ["http://evil.example/", "//evil.example/x", "file:///etc/passwd", "relative", new URL("/home/x", request.url)]) {
        out.push(await env.machine.fetch(to).then((r) => r.text(), (e) => e.name));
      }
      return Response.json(out);
    } };`;
    const answerSubrequest = ({ request }: { request: Request }) =>
      Promise.resolve(new Response(request.url));
    await withCell(source, { launch, answerSubrequest }, async ({ ask }) => {
      assertEquals(await (await ask("/")).json(), [
        "TypeError",
        "http://machine//evil.example/x",
        "TypeError",
        "TypeError",
        "http://machine/home/x",
      ]);
    });
  });

  Deno.test(`env.machine (${launch}) opens at most maxCalls subrequests at the same time`, async () => {
    const source = `export default { async fetch(request, env) {
      const all = Array.from({ length: 2000 }, () => env.machine.fetch("/x").then((r) => r.text()));
      return new Response(String((await Promise.all(all)).length));
    } };`;
    let open = 0;
    let most = 0;
    const answerSubrequest = async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      return new Response("x");
    };
    const limits = { responseTimeoutMs: WAIT_MS };
    await withCell(source, { launch, answerSubrequest, limits }, async ({ text }) => {
      assertEquals(await text("/"), "2000");
      assert(most <= 8, `${most} at once`);
    });
  });

  Deno.test(`Cell.request() (${launch}) answers 508 beyond maxDepth nested plugins`, async () => {
    const source = `export default { async fetch(request, env) {
      const response = await env.machine.fetch("/again");
      return new Response(response.body, response);
    } };`;
    const depths: number[] = [];
    const fixture = await makeCell(source, {
      launch,
      limits: { maxDepth: 4 },
      answerSubrequest: ({ request, depth }) => {
        depths.push(depth);
        return fixture.ask("/", { method: request.method }, { depth });
      },
    });
    try {
      assertEquals((await fixture.ask("/")).status, 508);
      assertEquals(depths, [1, 2, 3, 4]);
    } finally {
      await fixture.cell.stop({ drain: false });
    }
  });

  Deno.test(`Cell.swap() (${launch}) lets open requests finish in the old run`, async () => {
    const source = (word: string) =>
      `export default { async fetch() { await new Promise((r) => setTimeout(r, 300)); return new Response("${word}"); } };`;
    await withCell(source("old"), { launch }, async ({ cell, text, events }) => {
      await cell.start();
      const early = [text("/"), text("/"), text("/")];
      await cell.swap(await makeInit(source("new")));
      assertEquals(await text("/"), "new");
      assertEquals(await Promise.all(early), ["old", "old", "old"]);
      assertEquals(events.map(({ type }) => type), ["started", "swapped"]);
    });
  });

  Deno.test(`Cell.swap() (${launch}) keeps the old run if the new one cannot start`, async () => {
    const good = `export default { fetch: () => new Response("old") };`;
    await withCell(good, { launch }, async ({ cell, text, events }) => {
      await cell.start();
      await assertRejects(cell.swap(await makeInit("throw new Error('not today')")), /not today/);
      assertEquals(await text("/"), "old");
      assertEquals(events.map(({ type }) => type), ["started"]);
    });
  });

  Deno.test(`Cell.request() (${launch}) answers 503 beyond maxRequests and maxWaiting`, async () => {
    const source = `const all = []; export default { fetch(request) {
      if (request.method === "POST") { all.splice(0).forEach((r) => r()); return new Response("go"); }
      return new Promise((r) => all.push(() => r(new Response("done"))));
    } };`;
    const limits = { maxRequests: 2, maxWaiting: 2, responseTimeoutMs: WAIT_MS };
    await withCell(source, { launch, limits }, async ({ ask, text, cell }) => {
      await cell.start();
      const responses = Promise.allSettled([text("/"), text("/"), text("/"), text("/")]);
      await until(() => cell.health().waiting === 2, 20_000, "two wait");
      const refused = await problemOf(ask("/"));
      assertEquals(refused.status, 503);
      assertEquals(refused.headers["retry-after"], "1");
      await cell.stop({ drain: false });
      const ends = await responses;
      assertEquals(ends.map(({ status }) => status), Array(4).fill("rejected"));
    });
  });

  Deno.test(`Cell.request() (${launch}) sends a waiting request when another one ends`, async () => {
    const source = `export default { async fetch() {
      await new Promise((r) => setTimeout(r, 10)); return new Response("done"); } };`;
    await withCell(
      source,
      { launch, limits: { maxRequests: 2, maxWaiting: 20 } },
      async ({ text }) => {
        const all = await Promise.all(Array.from({ length: 20 }, () => text("/")));
        assertEquals(all, Array(20).fill("done"));
      },
    );
  });

  Deno.test(`Cell.stop() (${launch}) with drain lets open requests finish`, async () => {
    const source = `export default { async fetch() {
      await new Promise((r) => setTimeout(r, 200)); return new Response("done"); } };`;
    await withCell(source, { launch }, async ({ cell, text, ask }) => {
      await cell.start();
      const response = text("/");
      await new Promise((resolve) => setImmediate(resolve));
      await cell.stop({ drain: true });
      assertEquals(await response, "done");
      assertEquals((await problemOf(ask("/"))).status, 503);
      assertEquals(cell.health().state, "closed");
    });
  });
}

Deno.test("Cell.request() answers 400 for headers that are too long or too many, and releases the permit", async () => {
  await withCell(
    "export default { fetch: () => new Response('ok') };",
    {},
    async ({ ask, text, cell }) => {
      assertEquals((await problemOf(ask("/", { headers: { x: "y".repeat(60_000) } }))).status, 400);
      const many = Array.from({ length: 300 }, (_, i): [string, string] => [`x${i}`, "y"]);
      assertEquals((await problemOf(ask("/", { headers: many }))).status, 400);
      assertEquals(await text("/"), "ok");
      assertEquals(cell.health().requests, 0);
    },
  );
});

Deno.test("Cell.request() removes connection headers from the plugin's response", async () => {
  const source = `export default { fetch: (r) => new Response("hello", { headers: {
    "transfer-encoding": "chunked", connection: "close, x-a", "keep-alive": "1", upgrade: "h2c",
    "content-length": r.url.endsWith("/long") ? "999" : "1", "x-a": "stays" } }) };`;
  await withCell(source, {}, async ({ ask }) => {
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => ask(new URL(request.url).pathname),
    );
    try {
      for (const path of ["/long", "/short"]) {
        const response = await fetch(`http://127.0.0.1:${server.addr.port}${path}`);
        assertEquals(response.headers.get("x-a"), "stays");
        for (const name of ["connection", "keep-alive", "upgrade"]) {
          assertEquals(response.headers.get(name), null, name);
        }
        assertEquals(await response.text(), "hello", path);
      }
    } finally {
      await server.shutdown();
    }
  });
});

Deno.test("Cell.request() answers 503 if the process cannot be started", async () => {
  const { Cell } = await import("../../../lib/plugin/cell/cell.ts");
  const reasons: string[] = [];
  const cell = new Cell<null>({
    init: await makeInit("export default { fetch() {} };"),
    startCell: createProcessStarter({ ...PROGRAM, execPath: "/nowhere/deno" }),
    limits: SHORT,
    now: Date.now,
    answerSubrequest: () => Promise.resolve(new Response("")),
    log: () => {},
    onEvent: ({ detail }) => reasons.push(detail),
  });
  const caller = { authority: null, tier: "T1", by: "T1", depth: 0 };
  const refused = await problemOf(cell.request(new Request("http://localhost/"), caller));
  assertEquals(refused.status, 503);
  assertMatch(reasons.join(), /cannot be started/);
  await cell.stop({ drain: false });
});

Deno.test("Cell.request() answers 501 to a WebSocket upgrade without starting the cell", async () => {
  await withCell("export default { fetch() {} };", {}, async ({ ask, cell }) => {
    const refused = await problemOf(ask("/", { headers: { upgrade: "websocket" } }));
    assertEquals(refused.status, 501);
    assertMatch(refused.detail, /WebSocket/);
    assertEquals(cell.health().state, "stopped");
  });
});

Deno.test("Cell stops an idle process and starts it again for the next request", async () => {
  const source = `export default { fetch: () => new Response("hi") };`;
  // It must start again without the pause that follows a crash.
  const limits = { idleMs: 150, backoffMs: 3_600_000, maxBackoffMs: 3_600_000 };
  await withCell(source, { limits }, async ({ cell, text, events }) => {
    assertEquals(await text("/"), "hi");
    const { pid } = cell.health();
    assert(pid !== undefined && isAlive(pid));
    await until(() => !isAlive(pid), 20_000, "the process has ended");
    assertEquals(cell.health().state, "stopped");
    assertEquals(await text("/"), "hi");
    assertEquals(events.slice(0, 3).map(({ type }) => type), ["started", "idle", "started"]);
  });
});

Deno.test("Cell opens the circuit after maxCrashes crashes, and answers 503 with Retry-After", async () => {
  const source = `export default { fetch: () => { for (;;) Error; } };`;
  const limits = {
    heartbeatTimeoutMs: 200,
    heartbeatMs: 50,
    // A run that lasts longer than the longest pause is the first failure again.
    backoffMs: 600_000,
    maxBackoffMs: 600_000,
    maxCrashes: 2,
  };
  await withCell(source, { limits }, async ({ cell, ask, events }) => {
    assertEquals((await problemOf(ask("/"))).status, 504);
    assertEquals((await problemOf(ask("/"))).status, 504);
    const refused = await problemOf(ask("/"));
    assertEquals(refused.status, 503);
    assertMatch(refused.detail, /2 times in a row/);
    assert(Number(refused.headers["retry-after"]) >= 1);
    const health = cell.health();
    assertEquals(health.state, "circuit-open");
    assertEquals(health.crashes, 2);
    assertMatch(health.reason ?? "", /heartbeat/);
    assertEquals(
      events.map(({ type }) => type),
      ["started", "ended", "restarted", "ended", "circuit-open"],
    );
  });
});

Deno.test("Cell does not count a start that the system refuses as a crash, and tries again after a second", async () => {
  let isRefused = true;
  const startCell: StartCell = (...args) => {
    if (isRefused) throw new Error("Too many open files (os error 24)");
    return LAUNCHES.process(...args);
  };
  const source = `export default { fetch: () => new Response("hi") };`;
  const limits = { maxCrashes: 1, backoffMs: 60_000, maxBackoffMs: 60_000 };
  const start = Date.now();
  let now = () => start;
  const options = { startCell, limits, now: () => now() };
  await withCell(source, options, async ({ cell, ask, text, events }) => {
    const refusals = [await problemOf(ask("/")), await problemOf(ask("/"))];
    for (const { status, detail, headers } of refusals) {
      assertEquals([status, headers["retry-after"]], [503, "1"]);
      assertMatch(detail, /the server cannot start its process/);
    }
    const { state, crashes } = cell.health();
    assertEquals([state, crashes], ["waiting", 0]);
    // The second request made no attempt.
    assertEquals(events.map(({ type, kind }) => `${type} ${kind}`), ["ended spawn"]);
    now = () => start + CELL_SPAWN_RETRY_MS;
    assertEquals((await problemOf(ask("/"))).status, 503);
    assertEquals(events.length, 2);
    isRefused = false;
    now = () => Date.now() + 2 * CELL_SPAWN_RETRY_MS;
    assertEquals(await text("/"), "hi");
  });
});

Deno.test("Cell.endPause() lets the next request start a run", async () => {
  const source = `export default { fetch: (request) => {
    if (request.url.endsWith("/loop")) for (;;) Error;
    return new Response("hi");
  } };`;
  // The heartbeat ends the loop, not the time of its response.
  const limits = { responseTimeoutMs: 3_600_000, maxCrashes: 1, maxBackoffMs: 3_600_000 };
  const clock = new LimitClock();
  await withCell(source, { limits, now: clock.now }, async ({ cell, ask, text }) => {
    await cell.start();
    assertEquals((await problemOf(clock.settle(ask("/loop")))).status, 504);
    assertEquals((await problemOf(ask("/"))).status, 503);
    assertEquals(cell.health().state, "circuit-open");
    cell.endPause();
    assertEquals(await text("/"), "hi");
  });
});

Deno.test("Cell ends a plugin that does not answer four requests in a row", async () => {
  const source = `export default { fetch: () => new Promise(() => {}) };`;
  await withCell(source, { limits: { responseTimeoutMs: 100 } }, async ({ ask, events }) => {
    const ends = await Promise.all([1, 2, 3, 4].map(() => problemOf(ask("/"))));
    assertEquals(ends.map(({ status }) => status), [504, 504, 504, 504]);
    await until(() => events.some(({ kind }) => kind === "silence"), 20_000, "the cell is ended");
  });
});
