/**
 * Property: what `/etc/revoked` revokes has no effect from the moment in which the change of the list is
 * answered. This covers everything narrowed from a capability, and ends what it has open: streams, calls
 * of plugins, locks, bodies that are being sent. No way to write the list stores a malformed one.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { createCapabilityId, mint, narrow } from "../../lib/auth/capability.ts";
import type { CapabilityMode } from "../../lib/auth/caller.ts";
import { NOTHING_REVOKED } from "../../lib/world/revoked_list.ts";
import { lockBody } from "../dav/ask.ts";
import { withApp } from "../support/app.ts";
import { EventReader } from "../support/event_reader.ts";
import { putWorld, withPluginServer } from "../support/plugin_server.ts";
import {
  bearer,
  CLOSED,
  KEY,
  startTestServer,
  suite,
  type TestServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";

interface Minted {
  readonly token: string;
  readonly id: string;
}

function mintNamed(
  name: string | undefined,
  prefix = "/home/team",
  mode: CapabilityMode = "rwd",
): Minted & { readonly exp: number } {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const id = createCapabilityId(Date.now(), crypto.getRandomValues(new Uint8Array(8)));
  const token = mint({ key: KEY, prefix, mode, exp, id, ...(name === undefined ? {} : { name }) });
  return { token, id, exp };
}

async function statusOf(server: TestServer, token: string): Promise<number> {
  const { status } = await server.send({
    method: "GET",
    target: "/auth/whoami",
    headers: bearer(token),
  });
  return status;
}

const revoke = (server: TestServer, text: string) => putWorld(server, "/etc/revoked", text);

const test = suite("revoked capabilities over HTTP", { env: CLOSED });

test("a line revokes the capability and everything narrowed from it, when the PUT is answered", async (server) => {
  const rows: readonly (readonly [title: string, line: (of: Minted) => string])[] = [
    ["id", ({ id }) => id],
    ["name", () => "name:kestrel"],
    ["prefix", () => "prefix:/home/team before:2999-01-01T00:00:00Z"],
    ["prefix above", () => "prefix:/ before:2999-01-01T00:00:00Z"],
  ];
  for (const [title, line] of rows) {
    await server.approve("DELETE", "/etc/revoked");
    const minted = mintNamed("kestrel");
    const other = mintNamed("other", "/home/else");
    const less = narrow(minted.token, {
      prefix: "/home/team/a",
      mode: "r",
      exp: minted.exp,
      name: "junior",
    });
    for (const token of [minted.token, less, other.token]) {
      assertEquals(await statusOf(server, token), 200, title);
    }
    await revoke(server, `${line(minted)}\n`);
    assertEquals(await statusOf(server, minted.token), 401, title);
    assertEquals(await statusOf(server, less), 401, title);
    const isElseToo = title === "prefix above";
    assertEquals(await statusOf(server, other.token), isElseToo ? 401 : 200, title);
    // The tokens of the server stay valid.
    assertEquals(await statusOf(server, TOKEN), 200);
  }
});

test("the name of a later line revokes what was narrowed with it, and not the capability", async (server) => {
  const { token, exp } = mintNamed("kestrel");
  const line = { prefix: "/home/team", mode: "r", exp } as const;
  const junior = narrow(token, { ...line, name: "junior" });
  const below = narrow(junior, line);
  await revoke(server, "name:junior\n");
  assertEquals(await statusOf(server, token), 200);
  assertEquals(await statusOf(server, junior), 401);
  assertEquals(await statusOf(server, below), 401);
});

test("a time revokes what was minted before it, and every token of an old version", async (server) => {
  const { token } = mintNamed(undefined);
  const old = server.capability("/home/team", "rw");
  await revoke(server, "prefix:/home/team before:2001-01-01T00:00:00Z\n");
  assertEquals(await statusOf(server, token), 200);
  assertEquals(await statusOf(server, old), 401);
});

test("the problem says that the capability is revoked, and a forged one learns nothing", async (server) => {
  const { token } = mintNamed("kestrel");
  await revoke(server, "name:kestrel\n");
  const read = (credential: string) =>
    server.send({ method: "PUT", target: "/home/team/x", headers: bearer(credential), body: "x" });
  const refused = await read(token);
  assertEquals(refused.status, 401);
  assertMatch(
    refused.text,
    /"detail":"Cannot write \/home\/team\/x: the capability was revoked; T2/,
  );
  assertMatch(refused.headers.get("www-authenticate") ?? "", /^Bearer /);
  const last = token.endsWith("A") ? "B" : "A";
  assertMatch((await read(`${token.slice(0, -1)}${last}`)).text, /is unknown or expired/);
});

test("deleting the list, or a line of it, accepts the capability again", async (server) => {
  const { token } = mintNamed("kestrel");
  await revoke(server, "name:kestrel\n");
  assertEquals(await statusOf(server, token), 401);
  await revoke(server, "# name:kestrel\n");
  assertEquals(await statusOf(server, token), 200);
  await revoke(server, "name:kestrel\n");
  await server.approve("DELETE", "/etc/revoked");
  assertEquals(await statusOf(server, token), 200);
});

test("appending a line, and restoring an earlier list, is in effect when it is answered", async (server) => {
  const { token } = mintNamed("kestrel");
  await revoke(server, "name:kestrel\n");
  await revoke(server, "name:other\n");
  assertEquals(await statusOf(server, token), 200);
  assertEquals((await server.approve("POST", "/etc/revoked", "name:kestrel\n")).status, 200);
  assertEquals(await statusOf(server, token), 401);
  await revoke(server, "\n");
  assertEquals(await statusOf(server, token), 200);
  const { version } = JSON.parse((await server.approve("GET", "/etc/revoked")).text);
  const restored = await server.approve("PUT", `/etc/revoked?from=${version - 3}`);
  assertEquals(restored.status, 200, restored.text);
  assertEquals(await statusOf(server, token), 401);
});

test("only T3 reads and writes the list, and sees it in listings", async (server) => {
  await revoke(server, "name:kestrel\n");
  const cap = mintNamed(undefined, "/", "rwd").token;
  for (const headers of [{}, bearer(TOKEN), bearer(cap)]) {
    for (
      const line of [
        "GET /etc/revoked",
        "GET /etc/revoked?raw",
        "GET /etc/Revoked",
        "GET /proc/log/etc/revoked",
        "GET /proc/audit/etc/revoked",
        "GET /stream/etc/revoked",
        "PROPFIND /dav/etc/revoked",
        "PUT /etc/revoked",
        "POST /etc/revoked",
        "DELETE /etc/revoked",
        "PUT /dav/etc/revoked",
        "DELETE /dav/etc/revoked",
      ]
    ) {
      const [method = "", target = ""] = line.split(" ");
      const { status, text } = await server.send({
        method,
        target,
        headers,
        ...(method.startsWith("P") && method !== "PROPFIND" ? { body: "name:x" } : {}),
      });
      assert(status === 401 || status === 403, `${line} ${status} ${text}`);
      assert(!text.includes("kestrel"), line);
    }
    for (const target of ["/etc/", "/proc/worlds", "/proc/log/etc/", "/dav/etc/"]) {
      const method = target.startsWith("/dav") ? "PROPFIND" : "GET";
      const { text } = await server.send({ method, target, headers: { ...headers, depth: "1" } });
      assert(!text.includes("revoked"), `${target} ${text}`);
    }
  }
  assertMatch((await server.approve("GET", "/etc/revoked?raw")).text, /kestrel/);
});

test("no way to write the list stores a malformed one", async (server) => {
  const GOOD = "name:kestrel\n";
  const BAD = "names of those who left\n";
  const { token } = mintNamed("kestrel");
  await putWorld(server, "/home/bad", BAD);
  await putWorld(server, "/boot/bad", BAD);
  await putWorld(server, "/home/folder/revoked", BAD);
  const to = (path: string, more = {}) => ({ destination: `/dav${path}`, ...more });
  const attempts: [string, Record<string, string>, string | undefined][] = [
    ["PUT /etc/revoked", {}, BAD],
    ["PUT /etc/revoked", {}, "name:a\0"],
    ["POST /etc/revoked", {}, "x"],
    ["PUT /dav/etc/revoked", {}, BAD],
    ["COPY /dav/home/bad", to("/etc/revoked"), undefined],
    ["MOVE /dav/home/bad", to("/etc/revoked"), undefined],
    ["MOVE /dav/boot/bad", to("/etc/revoked"), undefined],
    ["MOVE /home/bad", { destination: "/etc/revoked" }, undefined],
    ["MOVE /boot/bad", { destination: "/etc/revoked" }, undefined],
    ["MOVE /dav/boot/bad", to("/etc/revoked", { overwrite: "T" }), undefined],
  ];
  const send = async ([line, headers, body]: (typeof attempts)[number]) => {
    const [method = "", target = ""] = line.split(" ");
    return await server.send({
      method,
      target,
      headers: { ...bearer(server.approveToken), ...headers },
      ...(body === undefined ? {} : { body }),
    });
  };
  for (const isThere of [false, true]) {
    if (isThere) await revoke(server, GOOD);
    for (const attempt of attempts) {
      const { status, text } = await send(attempt);
      const label = `${attempt[0]} ${isThere} ${text}`;
      assertStrictEquals(status, 422, label);
      assertMatch(text, /Cannot .*: (line \d+ is neither|the content is not text)/, label);
      const list = await server.approve("GET", "/etc/revoked?raw");
      assertEquals(list.status === 200 ? list.text : undefined, isThere ? GOOD : undefined, label);
      // What should have been moved is where it was, with its chain.
      for (const name of ["home/bad", "boot/bad"]) {
        assertEquals((await server.approve("GET", `/${name}?raw`)).text, BAD, label);
        assertMatch((await server.approve("GET", `/proc/audit/${name}`)).text, /"ok":true/, label);
      }
      assertEquals(await statusOf(server, token), isThere ? 401 : 200, label);
    }
  }
  const patch = (type: string, content: string) =>
    send(["PATCH /etc/revoked", { "content-type": type }, content]);
  const edits = (replace: string) => JSON.stringify({ edits: [{ find: "kestrel", replace }] });
  const patched = await patch("application/json", edits("a/b"));
  assertEquals(patched.status, 422, patched.text);
  assertMatch(patched.text, /line 1 is neither/);
  assertEquals((await server.approve("GET", "/etc/revoked?raw")).text, GOOD);
  assertEquals((await patch("application/json", edits("other"))).status, 200);
  assertEquals(await statusOf(server, token), 200);
  assertEquals(
    (await patch("application/json", JSON.stringify({ append: GOOD }))).status,
    200,
  );
  assertEquals(await statusOf(server, token), 401);
  // A good list can be moved there.
  await server.approve("DELETE", "/etc/revoked");
  await putWorld(server, "/home/good", GOOD);
  assertEquals(await statusOf(server, token), 200);
  const moved = await send(["MOVE /dav/home/good", to("/etc/revoked"), undefined]);
  assertEquals(moved.status, 201, moved.text);
  assertEquals(await statusOf(server, token), 401);
});

Deno.test("the list is in effect after a restart, before the first request", async () => {
  const data = await Deno.makeTempDir({ prefix: "elastik-test-" });
  try {
    const { token } = mintNamed("kestrel");
    const first = await startTestServer({ env: CLOSED, data });
    await revoke(first, "name:kestrel\n");
    await first.stop();
    const second = await startTestServer({ env: CLOSED, data });
    assertEquals(await statusOf(second, token), 401);
    await second.stop();
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("revocation ends streams, locks and bodies that are being sent", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    await putWorld(server, "/home/team/x", "one");
    const { token, exp } = mintNamed("kestrel");
    const junior = narrow(token, { prefix: "/home/team", mode: "rw", exp, name: "junior" });
    const url = `http://127.0.0.1:${server.port}`;
    const readers: EventReader[] = [];
    for (const path of ["/stream/home/team/x", "/stream/home/team/", "/bin/stream/home/team/"]) {
      for (const held of [token, junior]) {
        const reader = await EventReader.open(`${url}${path}`, bearer(held));
        assertEquals(reader.response.status, 200, path);
        await reader.next();
        readers.push(reader);
      }
    }
    const lock = await server.send({
      method: "LOCK",
      target: "/dav/home/team/x",
      headers: bearer(junior),
      body: lockBody(),
    });
    assertEquals(lock.status, 200, lock.text);
    let sendRest = () => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("half"));
        sendRest = () => controller.close();
      },
    });
    const upload = fetch(`${url}/home/team/upload`, {
      method: "PUT",
      headers: bearer(token),
      body,
    });

    await revoke(server, "name:kestrel\n");
    await putWorld(server, "/home/team/y", "written afterwards");
    for (const reader of readers) {
      await reader.untilEnd();
      assert(!reader.wire.includes("written afterwards"), reader.wire);
    }
    const taken = await server.send({
      method: "LOCK",
      target: "/dav/home/team/x",
      headers: bearer(mintNamed("other").token),
      body: lockBody(),
    });
    assertEquals(taken.status, 200, taken.text);
    sendRest();
    const refused = await upload;
    assertEquals(refused.status, 401, await refused.text());
    assertEquals((await server.approve("GET", "/home/team/upload")).status, 404);
  });
});

Deno.test("revocation ends requests that wait for a change", async () => {
  await withApp({}, async ({ ask, server: { authenticator } }) => {
    const put = await ask("PUT", "/home/team/x", { body: "one" });
    assertEquals(put.status, 201, await put.text());
    const headers = bearer(mintNamed("kestrel").token);
    const waits = ["/home/team/x?wait=30&v=1", "/proc/changes/home/team/?after=now&wait=30"]
      .map((path) => ask("GET", path, { headers }));
    authenticator.setRevoked({ ...NOTHING_REVOKED, names: new Set(["kestrel"]) });
    for (const wait of waits) {
      const ended = await wait;
      assertEquals(ended.status, 401, await ended.text());
    }
  });
});

Deno.test("revocation ends calls of plugins, also before their response", async () => {
  const source = `export const routes = ["/slow"];
  export default { async fetch(request) {
    if (new URL(request.url).pathname === "/slow/head") await new Promise(() => {});
    return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("open")); } }));
  } };`;
  await withPluginServer({ plugins: [["slow", source]] }, async (server) => {
    const { token, exp } = mintNamed("kestrel", "/home/team", "rw");
    const junior = narrow(token, { prefix: "/home/team/a", mode: "rw", exp });
    const headers = bearer(junior);
    const url = `http://127.0.0.1:${server.port}`;
    const head = fetch(`${url}/slow/head`, { headers });
    const body = (await fetch(`${url}/slow/body`, { headers })).body?.getReader();
    assertEquals(new TextDecoder().decode((await body?.read())?.value), "open");
    await revoke(server, "name:kestrel\n");
    const refused = await head;
    assertEquals(refused.status, 401);
    await refused.body?.cancel();
    assertEquals(await body?.read().then(({ done }) => done, () => true), true, "it ends");
    assertEquals(await statusOf(server, junior), 401);
  });
});
