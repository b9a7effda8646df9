/** Tests of which plugins start with the server. The column `state` alone does not start a plugin. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { startTestServer, type TestServer } from "../support/test_server.ts";
import { Wire } from "../support/wire.ts";
import {
  eventsOf,
  eventually,
  get,
  install,
  plugin,
  QUICK,
  setState,
  stateOf,
  store,
} from "./plugin_test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

/** Starts servers one after the other on one data folder. */
function withDataFolder(
  test: (start: () => Promise<TestServer>, data: string) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const started: TestServer[] = [];
    try {
      await test(async () => {
        const server = await startTestServer({ data, env: QUICK });
        started.push(server);
        return server;
      }, data);
    } finally {
      for (const server of started) await server.stop();
    }
  });
}

function inFile(data: string, name: string, act: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(`${data}/lib%2F${name}/universe.db`);
  try {
    act(db);
  } finally {
    db.close();
  }
}

/** Waits until a plugin has started or has a fault. */
function settled(server: TestServer, name: string): Promise<Record<string, unknown>> {
  return eventually(async () => {
    const state = await stateOf(server, name);
    return state.up === true || state.fault !== undefined ? state : undefined;
  }, `${name} is up or has a fault`);
}

const HELLO = plugin({}, "return new Response('hello');");

Deno.test("PluginHost.start() starts active plugins, and early requests wait for them", async () => {
  await withDataFolder(async (start) => {
    const first = await start();
    await install(first, "p", HELLO);
    await install(first, "off", plugin({ routes: ["/off"] }, "return new Response('off');"));
    await setState(first, "off", "disabled");
    await store(first, "new", plugin({ routes: ["/new"] }, "return new Response('new');"));
    await first.stop();
    const second = await start();
    const wires = Array.from({ length: 8 }, () => new Wire(second.port));
    const early = await Promise.all(
      wires.map((wire) => wire.send({ method: "GET", target: "/p" })),
    );
    for (const wire of wires) wire.close();
    assertEquals(early.map(({ text }) => text), Array(8).fill("hello"));
    assertEquals((await get(second, "/off")).status, 404);
    assertEquals((await get(second, "/new")).status, 404);
    await second.audit();
  });
});

Deno.test("PluginHost.start() reports a plugin that cannot start as active with a fault, until it is approved again", async () => {
  await withDataFolder(async (start, data) => {
    const marker = `${data}/../granted`;
    await Deno.mkdir(marker, { recursive: true });
    const folder = await Deno.realPath(marker);
    const first = await start();
    await install(first, "good", HELLO);
    // The next start refuses it: its folder has become a symlink to the data folder.
    const source = plugin(
      { routes: ["/q"], permissions: { read: [folder] } },
      "return new Response('q');",
    );
    await install(first, "q", source);
    await first.stop();
    await Deno.remove(folder);
    await Deno.symlink(data, folder);
    const second = await start();
    const state = await settled(second, "q");
    assertEquals([state.state, state.up], ["active", false]);
    assertMatch(String(state.fault), /server's own data/);
    assertEquals((await get(second, "/q")).status, 404);
    assertEquals((await get(second, "/p")).text, "hello");
    const shown = JSON.parse((await get(second, "/lib/q/state")).text);
    assertEquals(shown.fault, "shown to T3 only");
    // The fault is visible before its event is on the chain.
    await eventually(async () => {
      const events = await eventsOf(second, "q");
      return events.some(({ type }) => type === "plugin_failed") || undefined;
    }, "the event of the fault");
    assertEquals((await setState(second, "q", "active")).status, 422);
    await Deno.remove(folder);
    await Deno.mkdir(folder);
    assertEquals((await setState(second, "q", "active")).status, 200);
    assertEquals((await get(second, "/q")).text, "q");
    assertEquals((await stateOf(second, "q")).fault, undefined);
  });
});

Deno.test("PluginHost.start() does not start a source that was edited while the server was stopped", async () => {
  await withDataFolder(async (start, data) => {
    const first = await start();
    await install(first, "p", HELLO);
    await first.stop();
    inFile(data, "p", (db) => {
      const edited = HELLO.replace("'hello'", "'edited'");
      db.prepare("UPDATE stage_meta SET stage_html = ?").run(new TextEncoder().encode(edited));
    });
    const second = await start();
    const state = await settled(second, "p");
    assertEquals([state.state, state.up], ["active", false]);
    assertMatch(String(state.fault), /does not match its event chain/);
    assertEquals((await get(second, "/p")).status, 404);
    assert(second.log.some((line) => line.startsWith("plugin p cannot be started: ")));
  });
});

Deno.test("PluginHost.start() does not start a plugin with a forged state or a broken event chain", async (t) => {
  const DAMAGE: Record<string, [sql: string, fault: RegExp]> = {
    "never approved": [
      "UPDATE stage_meta SET state = 'active'",
      /chain contains no approval|newest state|match its event chain/,
    ],
    "the approval forged": [
      `UPDATE stage_meta SET state = 'active';
       INSERT INTO events (timestamp, event_type, payload, hmac, prev_hmac)
       SELECT timestamp, 'state_transition', '{"to":"active"}', 'ab', hmac FROM events LIMIT 1`,
      /chain is broken/,
    ],
    "the first event missing": [
      "UPDATE stage_meta SET state = 'active'; DELETE FROM events WHERE id = 1",
      /chain is broken|match its event chain/,
    ],
  };
  for (const [what, [sql, fault]] of Object.entries(DAMAGE)) {
    await t.step(what, async () => {
      await withDataFolder(async (start, data) => {
        const first = await start();
        await store(first, "p", HELLO);
        await first.stop();
        inFile(data, "p", (db) => db.exec(sql));
        const second = await start();
        const state = await settled(second, "p");
        assertEquals(state.up, false);
        assertMatch(String(state.fault), fault);
        assertEquals((await get(second, "/p")).status, 404);
      });
    });
  }
});

Deno.test("PluginHost.start() does not start a source that declares more than was approved", async (t) => {
  const DECLARATIONS: Record<string, string> = {
    routes: `export const routes = late ? ["/p", "/other"] : ["/p"];`,
    auth: `export const auth = late ? "T1" : "T3";`,
    grants: `export const grants = late ? { "/home/": "rw" } : {};`,
    config: `export const config = late ? ["/etc/shadow"] : [];`,
    permissions: `export const permissions = late ? { net: ["evil.example"] } : {};`,
  };
  await withDataFolder(async (start) => {
    const first = await start();
    // Each source declares more from a moment on, which must come after its approval. An approval
    // that the moment precedes is refused, and the next attempt has more time.
    let later = 0;
    for (let marginMs = 2_500, isApproved = false; !isApproved; marginMs *= 2) {
      later = Date.now() + marginMs;
      isApproved = true;
      for (const [field, declaration] of Object.entries(DECLARATIONS)) {
        const source = `const late = Date.now() > ${later};
        ${declaration.replaceAll("/p", `/the-${field}`)}
        ${field === "routes" ? "" : `export const routes = ["/the-${field}"];`}
        export default { fetch: () => new Response("bomb") };`;
        await store(first, field, source);
        const { status, text } = await setState(first, field, "active");
        if (status !== 200) assertMatch(text, /differs between two evaluations/);
        isApproved &&= status === 200 && Date.now() < later;
      }
    }
    await first.stop();
    while (Date.now() <= later) {
      await new Promise((resolve) => setTimeout(resolve, later + 1 - Date.now()));
    }
    const second = await start();
    for (const field of Object.keys(DECLARATIONS)) {
      await t.step(field, async () => {
        const state = await settled(second, field);
        assertEquals(state.up, false);
        assertMatch(String(state.fault), new RegExp(`\`${field}\` differs from the approval`));
        assertEquals((await get(second, `/the-${field}`)).status, 404);
        assertEquals((await setState(second, field, "active")).status, 200);
        assertEquals((await settled(second, field)).up, true);
      });
    }
  });
});

Deno.test("PluginHost.close() during PluginHost.start() leaves no process", async () => {
  await withDataFolder(async (start) => {
    const first = await start();
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      await install(first, name, plugin({ routes: [`/${name}`] }, "return new Response('x');"));
    }
    await first.stop();
    const second = await start();
    await second.stop();
    // Deno's leak detection fails this test if a process is left.
    const third = await start();
    assertEquals((await get(third, "/f")).text, "x");
    await third.audit();
  });
});

Deno.test("PluginHost.start() works after the folder of a bad plugin was removed while the server was stopped", async () => {
  await withDataFolder(async (start, data) => {
    const first = await start();
    await install(first, "bad", plugin({ routes: ["/bad"] }, "for (;;);"));
    await install(first, "p", HELLO);
    await first.stop();
    await Deno.remove(`${data}/lib%2Fbad`, { recursive: true });
    const second = await start();
    assertEquals((await get(second, "/p")).text, "hello");
    assertEquals((await get(second, "/bad")).status, 404);
    assertEquals((await second.approve("GET", "/lib/bad/state")).status, 404);
    assertEquals((await get(second, "/lib/")).text, "p\n");
    await second.audit();
  });
});
