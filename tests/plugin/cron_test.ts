/** `cron` of plugins, over HTTP, with a clock that is set to shortly before a full minute. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { startTestServer, type TestServer, withServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import {
  eventsOf,
  eventually,
  get,
  install,
  QUICK,
  record,
  setState,
  stateOf,
  store,
} from "./plugin_test_server.ts";

/** A clock that stops shortly before a time until the test lets it run. */
class TestClock {
  #offset = 0;
  #stoppedAt: number | undefined;
  constructor() {
    this.stopBefore("2026-03-01T12:00:00Z");
  }
  /** Sets the clock to half a second before a time and stops it. */
  stopBefore(time: string): void {
    this.#stoppedAt = Date.parse(time) - 500;
  }
  run(): void {
    this.#offset = this.now() - Date.now();
    this.#stoppedAt = undefined;
  }
  readonly now = (): number => this.#stoppedAt ?? Date.now() + this.#offset;
}

function source(cron: readonly string[], body: string, more = ""): string {
  return `
    export const cron = ${JSON.stringify(cron)};
    export const grants = { "/home/": "rw" };
    ${more}
    export default {
      async scheduled(event, env, ctx) {
        const log = (text) => env.machine.fetch("/home/log", { method: "POST", body: text + "\\n" });
        ${body}
      },
    };`;
}

async function logOf(server: TestServer): Promise<string[]> {
  const { status, text } = await server.approve("GET", "/home/log?raw");
  return status === 404 ? [] : text.split("\n").filter(Boolean);
}

function untilLogged(server: TestServer, count: number): Promise<string[]> {
  return eventually(async () => {
    const lines = await logOf(server);
    return lines.length >= count ? lines : undefined;
  }, `${count} lines`);
}

async function cronHealth(server: TestServer, name = "p"): Promise<Record<string, unknown>[]> {
  const { cron } = record(record(await stateOf(server, name)).health);
  assert(Array.isArray(cron));
  return cron.map(record);
}

Deno.test("scheduled is called at each time with the plugin's grants and without a caller", () => {
  const clock = new TestClock();
  const pluginEvents = { now: clock.now };
  return withServer({ env: QUICK, pluginEvents }, async (server) => {
    const body = `
      const refused = (await env.machine.fetch("/etc/x", { method: "PUT", body: "x" })).status;
      await log([event.type, event.cron, new Date(event.scheduledTime).toISOString(), refused,
        typeof env.caller, event.signal.aborted].join(" "));`;
    await store(server, "p", source(["* * * * *", "0 12 * * *"], body));
    const { asks } = record(
      JSON.parse((await server.approve("GET", "/lib/p/state?asks")).text),
    );
    const { cron, digest, routes } = record(asks);
    assertEquals([cron, routes], [["* * * * *", "0 12 * * *"], []]);
    const approved = await setState(server, "p", JSON.stringify({ state: "active", asks: digest }));
    assertEquals(approved.status, 200, approved.text);
    const [first] = await cronHealth(server);
    assertEquals([first?.next, first?.last], ["2026-03-01T12:00:00.000Z", undefined]);
    clock.run();
    assertEquals((await untilLogged(server, 2)).sort(), [
      "scheduled * * * * * 2026-03-01T12:00:00.000Z 403 undefined false",
      "scheduled 0 12 * * * 2026-03-01T12:00:00.000Z 403 undefined false",
    ]);
    const health = await eventually(async () => {
      const found = await cronHealth(server);
      return found.every(({ ok }) => ok === 1) ? found : undefined;
    }, "two results");
    assertEquals(
      health.map(({ cron, next, last, failed, skipped }) => [
        cron,
        next,
        record(last).result,
        String(record(last).started_at).slice(0, 17),
        failed,
        skipped,
      ]),
      [
        ["* * * * *", "2026-03-01T12:01:00.000Z", "ok", "2026-03-01T12:00:", 0, 0],
        ["0 12 * * *", "2026-03-02T12:00:00.000Z", "ok", "2026-03-01T12:00:", 0, 0],
      ],
    );
    const metrics = (await server.approve("GET", "/proc/metrics")).text;
    assertMatch(metrics, /elastik_plugin_cron_runs_total\{plugin="p",result="ok"\} 2\n/);
    // The plugin answers no requests.
    assertEquals((await get(server, "/scheduled")).status, 404);
    await setState(server, "p", "disabled");
    assertEquals(record(await stateOf(server, "p")).health, { state: "down" });
  });
});

Deno.test("a run that fails, and one that takes too long, are recorded", () => {
  const clock = new TestClock();
  // Long enough for the run that fails at once, also if the computer stops for two seconds.
  const env = { ...QUICK, ELASTIK_CELL_ANSWER: "5000" };
  return withServer({ env, pluginEvents: { now: clock.now } }, async (server) => {
    const body = `
      if (event.cron === "0 12 * * *") throw new Error("the plugin's own text");
      await new Promise((done) => event.signal.onabort = done);
      await log("aborted");`;
    await store(server, "p", source(["0 12 * * *", "* * * * *"], body));
    assertEquals((await setState(server, "p", "active")).status, 200);
    clock.run();
    assertEquals(await untilLogged(server, 1), ["aborted"]);
    const health = await eventually(async () => {
      const found = await cronHealth(server);
      return found.every(({ failed }) => failed === 1) ? found : undefined;
    }, "two failures");
    const reasons = health.map(({ last }) => String(record(last).reason));
    assertMatch(reasons[0] ?? "", /plugin p/);
    assertMatch(reasons[1] ?? "", /no response after 5000 ms/);
    const open = record(JSON.parse((await get(server, "/lib/p/state")).text)).health;
    assertEquals(JSON.stringify(open).includes("reason"), false, "only T3 sees reasons");
    const failed = await eventually(async () => {
      const found = (await eventsOf(server, "p")).filter(({ type }) =>
        type === "plugin_cron_failed"
      );
      return found.length === 2 ? found : undefined;
    }, "two events");
    assertEquals(failed.map(({ payload }) => payload.scheduled_at), [
      "2026-03-01T12:00:00.000Z",
      "2026-03-01T12:00:00.000Z",
    ]);
    assertEquals(JSON.stringify(failed).includes("own text"), false);
    assert(server.log.some((line) => line.includes("own text")), "the log has the error");
  });
});

Deno.test("runs that were missed while the server was down are not repeated", () =>
  withTempFolder(async (folder) => {
    const clock = new TestClock();
    const options = { env: QUICK, data: `${folder}/data`, pluginEvents: { now: clock.now } };
    const first = await startTestServer(options);
    await store(first, "p", source(["* * * * *"], "await log(String(event.scheduledTime));"));
    assertEquals((await setState(first, "p", "active")).status, 200);
    clock.run();
    await untilLogged(first, 1);
    await first.stop();
    clock.stopBefore("2026-03-01T15:00:00Z");
    const second = await startTestServer(options);
    await eventually(
      async () => (await stateOf(second, "p")).up === true || undefined,
      "the plugin is started",
    );
    clock.run();
    const times = await untilLogged(second, 2);
    assertEquals(times.map(Number), [
      Date.parse("2026-03-01T12:00:00Z"),
      Date.parse("2026-03-01T15:00:00Z"),
    ]);
    await second.stop();
  }));

Deno.test("activation is refused with 422 for an invalid schedule, and without a handler", () =>
  withServer({ env: QUICK }, async (server) => {
    const many = Array.from({ length: 65 }, (_, at) => `${at % 60} ${at % 24} * * *`);
    const rows: readonly [source: string, detail: RegExp][] = [
      [source(["61 * * * *"], ""), /`cron`: "61 \* \* \* \*"/],
      [source(["* * * * * *"], ""), /`cron`.*five fields/],
      [source(["* * * * *", "* * * * *"], ""), /`cron`.*listed twice/],
      [source(many, ""), /`cron`.*at most 64/],
      ["export const cron = '* * * * *'; export default { fetch() {} };", /`cron`.*array/],
      [
        "export const cron = ['* * * * *']; export default { fetch() {} };",
        /method scheduled\(event/,
      ],
      ["export default {};", /method fetch\(request/],
    ];
    for (const [text, detail] of rows) {
      await store(server, "p", text);
      const reply = await setState(server, "p", "active");
      assertEquals(reply.status, 422);
      assertMatch(JSON.parse(reply.text).detail, detail);
    }
    await install(server, "p", source(many.slice(1), ""));
  }));

Deno.test("a change of the schedule of an approved source is not started", () => {
  const clock = new TestClock();
  return withServer({ env: QUICK, pluginEvents: { now: clock.now } }, async (server) => {
    // Declares another schedule each time it is evaluated; two are equal once in 480,000 times.
    const text = source([], "", "").replace(
      "export const cron = [];",
      `const below = (most) => Math.floor(Math.random() * most);
       export const cron = [[below(60), below(24), 1 + below(28), 1 + below(12), "*"].join(" ")];`,
    );
    await store(server, "p", text);
    const reply = await setState(server, "p", "active");
    assertEquals(reply.status, 422, reply.text);
    assertMatch(reply.text, /cron/);
  });
});

Deno.test("a clock that is set forward and back starts at most one run", () => {
  const clock = new TestClock();
  return withServer({ env: QUICK, pluginEvents: { now: clock.now } }, async (server) => {
    await store(server, "p", source(["* * * * *"], "await log(String(event.scheduledTime));"));
    assertEquals((await setState(server, "p", "active")).status, 200);
    clock.run();
    await untilLogged(server, 1);
    clock.stopBefore("2026-03-01T11:50:00Z");
    const [set] = await cronHealth(server);
    assertEquals(set?.next, "2026-03-01T12:01:00.000Z");
    assertEquals((await logOf(server)).length, 1);
  });
});
