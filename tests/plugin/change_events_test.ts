/** `on` of plugins, over HTTP: order, retries, loops, rights, restart and SIGKILL. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { startTestServer, type TestServer, withServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { approval, ServerProcess } from "../faults/server_process.ts";
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

/** A plugin that appends one line for each change to /home/seen. */
function watcher(on: readonly string[], grants: Record<string, string>, before = ""): string {
  return `
    export const on = ${JSON.stringify(on)};
    export const grants = ${JSON.stringify({ ...grants, "/home/seen": "rw" })};
    export default {
      async change(event, env, ctx) {
        ${before}
        const { id, path, kind, version, by, event: type, from } = event;
        const body = JSON.stringify({ id, path, kind, version, by, type, from }) + "\\n";
        const reply = await env.machine.fetch("/home/seen", { method: "POST", body });
        if (!reply.ok) throw new Error(await reply.text());
      },
    };`;
}

interface Seen {
  readonly id: string;
  readonly path: string;
  readonly kind: string;
  readonly version: number;
  readonly by: string;
  readonly type: string;
  readonly from?: string;
}

async function readSeen(server: TestServer): Promise<Seen[]> {
  const { status, text } = await server.approve("GET", "/home/seen?raw");
  if (status === 404) return [];
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** The changes without repeated calls, which have the same id. */
function withoutRepeats(seen: readonly Seen[]): Seen[] {
  return seen.filter(({ id }, at) => seen.findIndex((other) => other.id === id) === at);
}

/** Waits until the plugin was called with a number of changes. */
function untilSeen(server: TestServer, count: number): Promise<Seen[]> {
  return eventually(async () => {
    const seen = withoutRepeats(await readSeen(server));
    return seen.length >= count ? seen : undefined;
  }, `${count} changes`);
}

Deno.test("change is called with each change below a path, in order, and with no other", () =>
  withServer({ env: QUICK }, async (server) => {
    await server.approve("PUT", "/home/inbox/before", "x");
    await install(server, "p", watcher(["/home/inbox/", "/home/one"], { "/home/": "r" }));
    await server.approve("PUT", "/home/inbox/a", "1");
    await server.approve("PUT", "/home/outbox/a", "1");
    await server.approve("PUT", "/home/inbox", "the collection's own name");
    await server.approve("POST", "/home/inbox/a", "2");
    await server.approve("PUT", "/home/one", "1");
    await server.approve("PUT", "/home/one/below", "1");
    await server.approve("DELETE", "/home/inbox/a");
    await server.send({ method: "PUT", target: "/home/inbox/b", body: "by T2" });
    const move = (from: string, destination: string) =>
      server.send({
        method: "MOVE",
        target: from,
        headers: { authorization: `Bearer ${server.approveToken}`, destination },
      });
    assertEquals((await move("/home/inbox/b", "/home/inbox/c")).status, 201);
    await untilSeen(server, 6);
    // The world is now outside: the plugin must be told all the same.
    assertEquals((await move("/home/inbox/c", "/home/outbox/c")).status, 201);
    const seen = await untilSeen(server, 7);
    assertEquals(
      seen.map(({ path, kind, version, by, type, from }) =>
        [path, kind, version, by, type, from].filter((part) => part !== undefined)
      ),
      [
        ["/home/inbox/a", "update", 1, "T3", "stage_written"],
        ["/home/inbox/a", "update", 2, "T3", "stage_appended"],
        ["/home/one", "update", 1, "T3", "stage_written"],
        ["/home/inbox/a", "delete", 2, "T3", "world_deleted"],
        ["/home/inbox/b", "update", 1, "T2:local", "stage_written"],
        ["/home/inbox/c", "update", 2, "T3", "world_moved", "/home/inbox/b"],
        ["/home/inbox/c", "delete", 2, "T3", "world_moved"],
      ],
    );
    assertEquals((await readSeen(server)).length, 7, "no call is repeated without a failure");
    // A call counts when it has returned, which is after the plugin has stored what it saw. After the last
    // one the position can be stored, until when the change is the one that is delivered.
    const on = await eventually(async () => {
      const on = record(record(record(await stateOf(server, "p")).health).on);
      return on["delivered"] === 7 && on["lag_seconds"] === 0 ? on : undefined;
    }, "all calls have returned");
    assertEquals(on, { delivered: 7, failed: 0, skipped: 0, lag_seconds: 0 });
    const open = record(JSON.parse((await get(server, "/lib/p/state")).text));
    assertEquals([record(open.health).on, open.on], [undefined, ["/home/inbox/", "/home/one"]]);
    // The state has whole seconds, the metric has parts of them.
    const metrics = await eventually(async () => {
      const { text } = await server.approve("GET", "/proc/metrics");
      return /elastik_plugin_change_lag_seconds\{plugin="p"\} 0\n/.test(text) ? text : undefined;
    }, "no change waits");
    assertMatch(metrics, /elastik_plugin_changes_total\{plugin="p",result="ok"\} 7\n/);
  }));

Deno.test("a plugin is not called for its own writes, but for those of other callers", () =>
  withServer({ env: QUICK }, async (server) => {
    const copy = `
      if (event.path.endsWith(".out")) throw new Error("its own write: " + event.by);
      await env.machine.fetch(event.path + ".out", { method: "PUT", body: "copy" });`;
    await install(server, "p", watcher(["/home/in/"], { "/home/in/": "rw" }, copy));
    await server.approve("PUT", "/home/in/a", "1");
    await server.approve("PUT", "/home/in/b", "1");
    assertEquals((await untilSeen(server, 2)).map(({ path }) => path), [
      "/home/in/a",
      "/home/in/b",
    ]);
    await server.approve("PUT", "/home/in/c", "1");
    await untilSeen(server, 3);
    const { on } = record(record(await stateOf(server, "p")).health);
    assertEquals(record(on).failed, 0);
  }));

Deno.test("activation is refused with 422 if the grants do not cover a path of on", () =>
  withServer({ env: QUICK }, async (server) => {
    const rows: readonly [on: string, grants: Record<string, string>][] = [
      ["/home/inbox/", {}],
      ["/home/inbox/", { "/home/inbox": "r" }],
      ["/home/inbox/", { "/home/inbox/x/": "r" }],
      ["/home/inbox", { "/home/inbox/x": "r" }],
      ["/var/", { "/var/": "r" }],
      ["/etc/shadow", { "/etc/": "r" }],
      ["/var/lib/q/kv/", { "/var/": "r" }],
    ];
    for (const [on, grants] of rows) {
      await store(server, "p", watcher([on], grants));
      const { status, text } = await setState(server, "p", "active");
      assertEquals(status, 422, `${on} ${text}`);
      const { detail } = JSON.parse(text);
      const found = Object.hasOwn(grants, on) ? ": what only T3" : `; add "${on}": "r"`;
      assert(detail.includes(`the grants do not cover ${on} for reading${found}`), detail);
    }
    await store(server, "p", "export const on = ['/home/x']; export default { fetch() {} };");
    assertMatch((await setState(server, "p", "active")).text, /on.*grants do not cover|change\(/);
    const noHandler = watcher(["/home/x"], { "/home/x": "r" }).replace(
      "async change",
      "async other",
    );
    await store(server, "p", noHandler);
    assertMatch(
      (await setState(server, "p", "active")).text,
      /does not have a method change\(event/,
    );
  }));

Deno.test("a change whose call fails is repeated, then skipped and recorded", () =>
  withServer({ env: QUICK, pluginEvents: { changeRetryMs: 1 } }, async (server) => {
    const fail = `
      const world = await env.machine.fetch(event.path + "?raw");
      const text = await world.text();
      if (text === "poison") throw new Error("cannot read " + text);
      globalThis.calls = (globalThis.calls ?? 0) + 1;
      if (text === "twice" && globalThis.calls < 3) throw new Error("not yet");`;
    await install(server, "p", watcher(["/home/in/"], { "/home/in/": "r" }, fail));
    await server.approve("PUT", "/home/in/a", "twice");
    await server.approve("PUT", "/home/in/b", "poison");
    await server.approve("PUT", "/home/in/c", "fine");
    assertEquals((await untilSeen(server, 2)).map(({ path }) => path), [
      "/home/in/a",
      "/home/in/c",
    ]);
    // The last call appends its line before it ends; then the position is stored.
    const on = await eventually(async () => {
      const on = record(record(record(await stateOf(server, "p")).health).on);
      return on["delivered"] === 2 && on["lag_seconds"] === 0 ? on : undefined;
    }, "the end of the last change");
    assertEquals(on, { delivered: 2, failed: 10, skipped: 1, lag_seconds: 0 });
    const skipped = await eventually(async () => {
      const events = await eventsOf(server, "p");
      return events.find(({ type }) => type === "plugin_change_skipped");
    }, "the event of the skipped change");
    assertEquals(JSON.stringify(skipped).includes("/home/in/"), false, "names no path");
    assert(server.log.some((line) => line.includes("/home/in/b was skipped")));
  }));

Deno.test("changes continue after a restart, a new approval and a new source", () =>
  withTempFolder(async (folder) => {
    const options = { env: QUICK, data: `${folder}/data` };
    const source = watcher(["/home/in/"], { "/home/in/": "r" });
    const first = await startTestServer(options);
    await install(first, "p", source);
    await first.approve("PUT", "/home/in/1", "x");
    await untilSeen(first, 1);
    await setState(first, "p", "disabled");
    await first.approve("PUT", "/home/in/2", "x");
    await first.stop();
    const second = await startTestServer(options);
    await second.approve("PUT", "/home/in/3", "x");
    await install(second, "p", `${source}\n// changed`);
    await untilSeen(second, 3);
    await second.stop();
    const third = await startTestServer(options);
    await third.approve("PUT", "/home/in/4", "x");
    const seen = await untilSeen(third, 4);
    assertEquals(seen.map(({ path }) => path), ["1", "2", "3", "4"].map((n) => `/home/in/${n}`));
    // Only T3 reads the position; without it the plugin begins with the next change.
    assertEquals((await get(third, "/var/lib/p/on.json")).status, 401);
    await setState(third, "p", "disabled");
    // The call in progress ends, and its position is stored, after the response; the stop waits for that.
    await third.stop();
    const fourth = await startTestServer(options);
    assertEquals((await fourth.approve("DELETE", "/var/lib/p/on.json")).status, 200);
    await fourth.approve("PUT", "/home/in/5", "x");
    await setState(fourth, "p", "active");
    await fourth.approve("PUT", "/home/in/6", "x");
    assertEquals((await untilSeen(fourth, 5)).at(-1)?.path, "/home/in/6");
    await fourth.audit();
    await fourth.stop();
  }));

Deno.test("two plugins that watch each other's folders below /var/lib do not call each other for ever", () =>
  withServer({ env: QUICK }, async (server) => {
    const source = (seen: string) => `
      export const on = ["/var/lib/"];
      export const grants = { "/var/lib/": "r", "${seen}": "rw" };
      export default { async change(event, env) {
        await env.machine.fetch("${seen}", { method: "POST", body: event.path + "\\n" });
      } };`;
    await install(server, "p", source("/home/p"));
    await install(server, "q", source("/home/q"));
    await server.approve("PUT", "/var/lib/x", "1");
    await eventually(
      async () => (await server.approve("GET", "/home/q?raw")).text === "/var/lib/x\n" || undefined,
      "the change of another caller",
    );
    await server.approve("PUT", "/var/lib/y", "1");
    await eventually(
      async () =>
        (await server.approve("GET", "/home/p?raw")).text === "/var/lib/x\n/var/lib/y\n" ||
        undefined,
      "two changes and no positions",
    );
  }));

Deno.test("each change is delivered at least once, in order, although the server is killed", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const start = () => ServerProcess.start({ data, env: { ELASTIK_SYNC: "normal" } });
    let server = await start();
    const headers = approval(data);
    const CHANGES = 60;
    try {
      const source = watcher(["/home/in/"], { "/home/in/": "r" });
      await server.ask("/lib/p", { method: "PUT", headers, body: source });
      const active = await server.ask("/lib/p/state", { method: "PUT", headers, body: "active" });
      assertEquals(active.status, 200, active.text);
      const seen = async (): Promise<Seen[]> => {
        const { status, text } = await server.ask("/home/seen?raw", { headers });
        return status === 404 ? [] : text.split("\n").filter(Boolean).map((l) => JSON.parse(l));
      };
      for (let at = 1; at <= CHANGES; at++) {
        const put = await server.ask("/home/in/x", { method: "PUT", headers, body: String(at) });
        assert(put.status < 300);
        if (at % 20 !== 0) continue;
        await eventually(async () => (await seen()).length > 0 || undefined, "a first call");
        await server.end("SIGKILL");
        server = await start();
      }
      const all = await eventually(async () => {
        const found = await seen();
        return found.at(-1)?.version === CHANGES ? found : undefined;
      }, "the last change");
      // Repeated calls have the same id; without them every version comes once, in order.
      const once = withoutRepeats(all);
      assertEquals(
        once.map(({ version }) => version),
        Array.from({ length: CHANGES }, (_, i) => i + 1),
      );
    } finally {
      await server.end();
    }
  }));
