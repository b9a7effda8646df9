/**
 * A stream ends when the authority of the caller that opened it ends: at once, without traffic, and
 * however it was opened. What its reader has not taken by then is not sent.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import { putWorld, withPluginServer } from "../support/plugin_server.ts";
import { basic, bearer, CLOSED, type TestServer, withServer } from "../support/test_server.ts";

const PASSWORD = "c0rrect-h0rse";

async function hashOf(text: string): Promise<string> {
  const bytes = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function open(server: TestServer, path: string, headers: Record<string, string>) {
  return EventReader.open(`http://127.0.0.1:${server.port}${path}`, headers);
}

/** Reads until the stream ends. The connection may be cut. */
async function untilCut(reader: EventReader): Promise<void> {
  await reader.untilEnd().catch((error) => {
    if (!(error instanceof TypeError)) throw error;
  });
}

/** Ways to open a stream, with the events that each sends first. */
const WAYS: readonly [path: string, headers: Record<string, string>, events: number][] = [
  ["/stream/boot/", {}, 1],
  ["/bin/stream/boot/", {}, 1],
  ["/stream/boot/secret", {}, 1],
  ["/stream/boot/absent", {}, 0],
  ["/stream/boot/secret", { "last-event-id": "1" }, 1],
  ["/stream/", {}, 1],
  ["/stream/boot/?brief", {}, 1],
];

/** Changes after which the account is no longer what it was. */
const CHANGES: Readonly<Record<string, (server: TestServer) => Promise<unknown>>> = {
  "its account is removed": (server) => putWorld(server, "/etc/passwd", "bob:T1\n"),
  "the accounts are deleted": (server) => server.approve("DELETE", "/etc/passwd"),
  "its password is removed": (server) => putWorld(server, "/etc/shadow", "\n"),
  "its password changes": async (server) =>
    putWorld(server, "/etc/shadow", `ada:${await hashOf("another")}\n`),
  "its tier is lowered": (server) => putWorld(server, "/etc/passwd", "ada:T2\n"),
};

for (const [title, change] of Object.entries(CHANGES)) {
  Deno.test(`the streams of an account end at once when ${title}`, async () => {
    await withServer({ env: CLOSED }, async (server) => {
      await putWorld(server, "/etc/passwd", "ada:T3\n");
      await putWorld(server, "/etc/shadow", `ada:${await hashOf(PASSWORD)}\n`);
      await putWorld(server, "/boot/secret", "one");
      await putWorld(server, "/boot/secret", "two");
      const account = basic("ada", PASSWORD);
      const readers: EventReader[] = [];
      for (const [path, headers, events] of WAYS) {
        const reader = await open(server, path, { ...headers, ...account });
        assertEquals(reader.response.status, 200, path);
        for (let i = 0; i < events; i++) await reader.next();
        readers.push(reader);
      }
      await change(server);
      const ends = Promise.all(readers.map((reader) => reader.untilEnd()));
      await putWorld(server, "/boot/secret", "written afterwards");
      await ends;
      for (const { wire } of readers) assert(!wire.includes("written afterwards"), wire);
      const text = await server.metrics();
      assert(text.includes(`elastik_streams_revoked_total ${WAYS.length}`), text);
    });
  });
}

Deno.test("the streams of a capability end when it expires, without traffic", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    await putWorld(server, "/home/a/x", "one");
    const lasting = await open(server, "/stream/home/a/x", bearer(server.capability("/home", "r")));
    for (let seconds = 2, isDone = false; !isDone; seconds *= 2) {
      const expiry = (Math.floor(Date.now() / 1000) + seconds) * 1000;
      const capability = bearer(server.capability("/home/a", "r", seconds));
      const readers: EventReader[] = [];
      for (const path of ["/stream/home/a/", "/bin/stream/home/a/x", "/stream/home/a/absent"]) {
        readers.push(await open(server, path, capability));
      }
      const statuses = readers.map(({ response }) => response.status);
      // A busy computer can need longer to open them.
      isDone = statuses.every((status) => status === 200);
      assert(isDone || Date.now() >= expiry, statuses.join());
      if (isDone) await Promise.all(readers.map((reader) => reader.untilEnd()));
      for (const reader of readers) await reader.close();
      assert(Date.now() >= expiry, "they ended too early");
    }
    await putWorld(server, "/home/a/x", "two");
    assertEquals((await lasting.next())?.lastEventId, "1");
    assertEquals((await lasting.next())?.lastEventId, "2");
    await lasting.close();
  });
});

const RELAY = `
export const description = "passes a stream on";
export const routes = ["/relay"];
export const grants = { "/home/": "r" };
export default {
  fetch(request, env) {
    const from = new URL(request.url).searchParams.get("from") ?? "caller";
    return env[from].fetch(from === "caller" ? "/stream/boot/secret" : "/stream/home/x");
  },
};`;

Deno.test("the streams that a plugin opened for a caller end with the authority of the caller", async () => {
  await withPluginServer({ plugins: [["relay", RELAY]] }, async (server) => {
    await putWorld(server, "/etc/passwd", "ada:T3\n");
    await putWorld(server, "/etc/shadow", `ada:${await hashOf(PASSWORD)}\n`);
    await putWorld(server, "/boot/secret", "one");
    const reader = await open(server, "/relay", basic("ada", PASSWORD));
    assertEquals(reader.response.status, 200);
    assertEquals((await reader.next())?.lastEventId, "1");
    await putWorld(server, "/etc/passwd", "bob:T1\n");
    const ended = untilCut(reader);
    await putWorld(server, "/boot/secret", "written afterwards");
    await ended;
    assert(!reader.wire.includes("written afterwards"), reader.wire);
  });
});

Deno.test("the streams that a plugin opened with its grants end when it is disabled", async () => {
  await withPluginServer({ plugins: [["relay", RELAY]] }, async (server) => {
    await putWorld(server, "/home/x", "one");
    const reader = await open(server, "/relay?from=machine", bearer(server.approveToken));
    assertEquals((await reader.next())?.lastEventId, "1");
    assertEquals((await server.approve("PUT", "/lib/relay/state", "disabled")).status, 200);
    const ended = untilCut(reader);
    await putWorld(server, "/home/x", "written afterwards");
    await ended;
    assert(!reader.wire.includes("written afterwards"), reader.wire);
  });
});
