/**
 * Property: a lock ends no later than the credential that took it, never stops T3, belongs to one
 * credential, and one credential cannot take the locks of the others.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { mint, narrow } from "../../lib/auth/capability.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { withApp } from "../support/app.ts";
import { createAsk, lockBody } from "../dav/ask.ts";
import { APPROVE, basic, bearer, CLOSED, KEY, TOKEN, withServer } from "../support/test_server.ts";
import { withPluginServer } from "../support/plugin_server.ts";

const EXCLUSIVE = lockBody();
const SHARED = lockBody("shared");

Deno.test("a lock ends with the capability that took it", async () => {
  const clock = { now: 1_800_000_000_000 };
  await withApp({ now: () => clock.now }, async (app) => {
    const ask = createAsk(app);
    const exp = clock.now / 1000 + 20;
    const wide = mint({ key: KEY, prefix: "/home", mode: "rw", exp: exp + 600 });
    const token = narrow(wide, { prefix: "/home/team", mode: "rw", exp });
    const other = bearer(mint({ key: KEY, prefix: "/home", mode: "rw", exp: exp + 600 + 1 }));
    await ask("PUT /home/team/x", 201, {}, "1");
    const holder = { ...bearer(token), timeout: "Infinite" };
    const locked = await ask("LOCK /dav/home/team/", 200, holder, EXCLUSIVE);
    assertMatch(locked.text, /<D:timeout>Second-20</);
    const lock = locked.headers.get("lock-token") ?? "";
    // A refresh does not prolong it, and the holder of a wider capability cannot either.
    const refreshed = await ask("LOCK /dav/home/team/", 200, { ...holder, if: `(${lock})` });
    assertMatch(refreshed.text, /<D:timeout>Second-20</);
    await ask("LOCK /dav/home/team/", 200, { ...bearer(wide), if: `(${lock})` });
    await ask("PUT /home/team/x", 423, other, "2");
    clock.now += 20_000;
    await ask("PUT /home/team/x", 200, other, "2");
    const found = await ask("PROPFIND /dav/home/team", 207, { depth: "0" });
    assert(found.text.includes("<D:lockdiscovery/>"), found.text);
  });
});

Deno.test("a lock ends when the account of its holder is changed or removed", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    const passwords = { ada: "ada-1-password", bob: "bob-1-password" };
    const shadow = (ada: string) => `ada:${sha256Hex(ada)}\nbob:${sha256Hex(passwords.bob)}\n`;
    await server.approve("PUT", "/etc/passwd", "ada:T2\nbob:T2\n");
    await server.approve("PUT", "/etc/shadow", shadow(passwords.ada));
    await server.approve("PUT", "/home/a", "a");
    const take = (user: "ada" | "bob", password: string = passwords[user]) =>
      server.send({
        method: "LOCK",
        target: "/dav/home/a",
        headers: basic(user, password),
        body: EXCLUSIVE,
      });
    assertEquals((await take("ada")).status, 200);
    assertEquals((await take("bob")).status, 423);
    await server.approve("PUT", "/etc/shadow", shadow("ada-2-password"));
    while ((await take("bob")).status === 423);
    await server.approve("PUT", "/etc/passwd", "ada:T2\n");
    while ((await take("ada", "ada-2-password")).status !== 200);
  });
});

Deno.test("a lock of a plugin ends when the plugin is disabled, and does not return", async () => {
  const source = `export const routes = ["/locker"]; export const auth = "T3";
    export const grants = { "/home/": "rw" };
    export default { async fetch(_, env) {
      const init = { method: "LOCK", body: ${JSON.stringify(EXCLUSIVE)} };
      return new Response(String((await env.machine.fetch("/dav/home/a", init)).status));
    } };`;
  const worlds = { "/home/a": "a" };
  await withPluginServer({ plugins: [["locker", source]], worlds }, async (server) => {
    const put = async () => {
      const request = { method: "PUT", target: "/home/a", headers: bearer(TOKEN), body: "b" };
      return (await server.send(request)).status;
    };
    assertEquals((await server.approve("GET", "/locker")).text, "200");
    assertEquals(await put(), 423);
    assertEquals((await server.approve("PUT", "/lib/locker/state", "disabled")).status, 200);
    // In a cluster, the node that granted the lock ends it when it sees the change.
    while (server.isCluster && await put() === 423);
    assertEquals(await put(), 200);
    assertEquals((await server.approve("PUT", "/lib/locker/state", "active")).status, 200);
    assertEquals(await put(), 200);
  });
});

Deno.test("a plugin without routes holds its locks while it is active", async () => {
  const source = `export const fallback = true; export const grants = { "/home/": "rw" };
    export default { async fetch(_, env) {
      const init = { method: "LOCK", body: ${JSON.stringify(EXCLUSIVE)} };
      return new Response(String((await env.machine.fetch("/dav/home/a", init)).status));
    } };`;
  const worlds = { "/home/a": "a" };
  await withPluginServer({ plugins: [["resolver", source]], worlds }, async (server) => {
    const put = async () => {
      const request = { method: "PUT", target: "/home/a", headers: bearer(TOKEN), body: "b" };
      return (await server.send(request)).status;
    };
    assertEquals((await server.approve("GET", "/nothing")).text, "200");
    assertEquals(await put(), 423);
    assertEquals((await server.approve("PUT", "/lib/resolver/state", "disabled")).status, 200);
    while (server.isCluster && await put() === 423);
    assertEquals(await put(), 200);
  });
});

Deno.test("a lock of a lower tier never stops T3", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    const token = bearer(TOKEN);
    for (const path of ["/home/c/a", "/home/c/b", "/home/d"]) {
      await server.approve("PUT", path, "1");
    }
    const lock = (target: string, headers: Record<string, string>) =>
      server.send({ method: "LOCK", target, headers, body: EXCLUSIVE });
    for (const target of ["/dav/home/c/", "/dav/home/d"]) {
      assertEquals((await lock(target, token)).status, 200);
    }
    const steps: readonly (readonly [string, string, string?])[] = [
      ["PUT", "/home/c/a", "2"],
      ["POST", "/home/c/new", "2"],
      ["PUT", "/dav/home/c/b", "2"],
      ["DELETE", "/home/c/a"],
      ["DELETE", "/dav/home/c/"],
      ["DELETE", "/home/d"],
    ];
    for (const [method, target, body] of steps) {
      const refused = await server.send({
        method,
        target,
        headers: bearer(server.capability("/home", "rw")),
        ...(body === undefined ? {} : { body }),
      });
      assertEquals(refused.status, method === "DELETE" ? 403 : 423, `${method} ${target}`);
      const { status, text } = await server.approve(method, target, body);
      assert(status < 300 && status !== 207, `${method} ${target}: ${status} ${text}`);
    }
    // A file system of T3 locks a file before it writes it. The lock of the lower tier ends.
    for (const target of ["/dav/home/f/", "/dav/home/f/x"]) {
      await server.approve("PUT", "/home/f/x", "1");
      const taken = await lock(target, token);
      const old = { ...token, if: `(${taken.headers.get("lock-token")})` };
      assertEquals((await lock("/dav/home/f/x", bearer(APPROVE))).status, 200, target);
      const late = { method: "PUT", target: "/home/f/x", headers: old, body: "2" };
      assertEquals((await server.send(late)).status, 412, target);
      assertEquals((await lock("/dav/home/f/x", token)).status, 423, target);
      const { text } = await server.approve("PROPFIND", "/dav/home/f/x");
      const own = /urn:uuid:[0-9a-f-]{36}/.exec(text)?.[0];
      const headers = { ...bearer(APPROVE), "lock-token": `<${own}>` };
      await server.send({ method: "UNLOCK", target: "/dav/home/f/x", headers });
    }
    // A lock of T3 binds T3, and T3 can remove any lock with the token from PROPFIND.
    await server.approve("PUT", "/home/e", "1");
    assertEquals((await lock("/dav/home/e", bearer(APPROVE))).status, 200);
    assertEquals((await server.approve("PUT", "/home/e", "2")).status, 423);
    const { text } = await server.approve("PROPFIND", "/dav/home/e");
    const found = /urn:uuid:[0-9a-f-]{36}/.exec(text)?.[0];
    const unlock = {
      method: "UNLOCK",
      target: "/dav/home/e",
      headers: { ...bearer(APPROVE), "lock-token": `<${found}>` },
    };
    assertEquals((await server.send(unlock)).status, 204);
  });
});

Deno.test("a lock token is valid only for the credential that took the lock", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    await server.approve("PUT", "/home/a", "a");
    const holder = server.capability("/home", "rw", 600);
    const locked = await server.send({
      method: "LOCK",
      target: "/dav/home/a",
      headers: bearer(holder),
      body: EXCLUSIVE,
    });
    const lock = locked.headers.get("lock-token") ?? "";
    const exp = Math.floor(Date.now() / 1000) + 300;
    const derived = narrow(holder, { prefix: "/home/a", mode: "rw", exp });
    server.secrets.add(derived);
    // Events name the second capability as they name the first: both have the prefix /home.
    for (const token of [server.capability("/home", "rw", 601), derived, TOKEN]) {
      const headers = { ...bearer(token), if: `(${lock})` };
      for (const target of ["/home/a", "/dav/home/a"]) {
        const { status } = await server.send({ method: "PUT", target, headers, body: "b" });
        assertEquals(status, 423, target);
      }
      const unlock = { ...bearer(token), "lock-token": lock };
      const { status } = await server.send({
        method: "UNLOCK",
        target: "/dav/home/a",
        headers: unlock,
      });
      assertEquals(status, 403);
    }
    const headers = { ...bearer(holder), if: `(${lock})` };
    const own = await server.send({ method: "PUT", target: "/home/a", headers, body: "b" });
    assertEquals(own.status, 200);
  });
});

Deno.test("one credential holds at most ELASTIK_MAX_LOCKS locks, whatever it derives", async () => {
  const atOneNode = "each server counts its own refusals";
  await withServer({ env: { ...CLOSED, ELASTIK_MAX_LOCKS: "3" }, atOneNode }, async (server) => {
    const cap = server.capability("/home", "rw");
    const exp = Math.floor(Date.now() / 1000) + 300;
    const derived = narrow(cap, { prefix: "/home/x", mode: "rw", exp });
    server.secrets.add(derived);
    const lock = (path: string, token: string) =>
      server.send({
        method: "LOCK",
        target: `/dav/home/${path}`,
        headers: bearer(token),
        body: SHARED,
      });
    await server.approve("PUT", "/home/x/a", "a");
    for (const path of ["1", "2"]) assertEquals((await lock(path, cap)).status, 201);
    assertEquals((await lock("x/a", derived)).status, 200);
    for (const [path, token] of [["3", cap], ["x/b", derived], ["1", cap]] as const) {
      const refused = await lock(path, token);
      assertEquals([refused.status, refused.headers.get("retry-after")], [429, "60"], path);
    }
    // A refused LOCK creates no world.
    for (const path of ["/home/3", "/home/x/b"]) {
      assertEquals((await server.approve("GET", path)).status, 404);
    }
    assertEquals((await lock("4", TOKEN)).status, 201);
    const { text } = await server.approve("GET", "/proc/metrics");
    assertMatch(text, /elastik_dav_locks 4\n/);
    assertMatch(text, /elastik_dav_locks_refused_total 3\n/);
  });
});
