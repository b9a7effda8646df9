/**
 * Tests of the authority of a plugin: `env.caller` has the caller's while the request is open,
 * `env.machine` has the plugin's grants. Each attempt runs inside a real plugin.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  type TestServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";
import { requireOneServer } from "../support/test_server.ts";
import { install, plugin, QUICK, record, withPlugins } from "./plugin_test_server.ts";

/** Sends the subrequest that the request's body describes: `{via, method, path, headers, body}`. */
const PROXY_BODY = `
  const { via, method = "GET", path, headers = {}, body } = JSON.parse(await request.text());
  try {
    const answer = await env[via].fetch(path, { method, headers, body });
    return Response.json({ status: answer.status, text: await answer.text() });
  } catch (error) {
    return Response.json({ thrown: String(error) });
  }`;

interface Subrequest {
  readonly via: "caller" | "machine";
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function send(
  server: TestServer,
  as: Record<string, string>,
  subrequest: Subrequest,
  target = "/p",
): Promise<Record<string, unknown>> {
  const body = JSON.stringify(subrequest);
  const { status, text } = await server.send({ method: "POST", target, headers: as, body });
  assertEquals(status, 200, text);
  return record(JSON.parse(text));
}

const NO_CREDENTIAL = {};
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

Deno.test("env.caller has the authority of its caller, for every tier", async () => {
  await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
    await server.approve("PUT", "/etc/passwd", "ada:T2\n");
    await server.approve("PUT", "/home/x", "x");
    await install(server, "p", plugin({}, PROXY_BODY)).catch(async () => {
      // This server requires a token to store the source.
      await server.send({
        method: "PUT",
        target: "/lib/p",
        headers: T2,
        body: plugin({}, PROXY_BODY),
      });
      assertEquals((await server.approve("PUT", "/lib/p/state", "active")).status, 200);
    });
    const rows: [as: Record<string, string>, subrequest: Subrequest, status: number][] = [
      [NO_CREDENTIAL, { via: "caller", path: "/home/x?raw" }, 200],
      [NO_CREDENTIAL, { via: "caller", path: "/boot/env" }, 401],
      [NO_CREDENTIAL, { via: "caller", method: "PUT", path: "/home/y", body: "y" }, 401],
      [bearer("wrong"), { via: "caller", method: "PUT", path: "/home/y", body: "y" }, 401],
      [T2, { via: "caller", method: "PUT", path: "/home/y", body: "y" }, 201],
      [T2, { via: "caller", method: "PUT", path: "/etc/y", body: "y" }, 403],
      [T2, { via: "caller", method: "DELETE", path: "/home/y" }, 403],
      [T2, { via: "caller", path: "/etc/shadow" }, 403],
      [T2, { via: "caller", method: "POST", path: "/auth/mint?prefix=/home" }, 403],
      [T2, { via: "caller", method: "PUT", path: "/lib/p/state", body: "disabled" }, 403],
      [T3, { via: "caller", method: "PUT", path: "/etc/y", body: "y" }, 201],
      // A credential that the plugin sends itself is ignored.
      [
        NO_CREDENTIAL,
        { via: "caller", method: "PUT", path: "/etc/z", headers: T3, body: "z" },
        401,
      ],
      [
        NO_CREDENTIAL,
        { via: "machine", method: "PUT", path: "/etc/z", headers: T3, body: "z" },
        403,
      ],
      [
        NO_CREDENTIAL,
        { via: "caller", path: "/boot/env", headers: { "x-forwarded-for": "127.0.0.1" } },
        401,
      ],
    ];
    for (const [as, subrequest, status] of rows) {
      const answer = await send(server, as, subrequest);
      assertStrictEquals(answer.status, status, `${JSON.stringify([subrequest, answer])}`);
    }
    const log = await server.approve("GET", "/proc/log/home/y");
    assertMatch(log.text, /"by":"T2"/);
    await server.audit();
  });
});

Deno.test("env.caller deletes no account and no source for good", async () => {
  await withPlugins(async (server) => {
    await install(server, "p", plugin({ routes: ["/p"] }, PROXY_BODY));
    const rows = [["/etc/passwd", 403], ["/etc/revoked", 403], ["/lib/q", 403], ["/home/x", 200]];
    for (const [path, status] of rows) {
      await server.approve("PUT", String(path), "");
      const [id] = JSON.parse((await server.approve("DELETE", String(path))).text).trash;
      const target = `/proc/trash/?id=${id}`;
      const answer = await send(server, T3, { via: "caller", method: "DELETE", path: target });
      assertStrictEquals(answer.status, status, `${path} ${JSON.stringify(answer)}`);
      const { status: own } = await server.approve("DELETE", target);
      assertStrictEquals(own, status === 403 ? 200 : 404);
    }
  });
});

Deno.test("env.caller is limited to the prefix and mode of the caller's capability", async () => {
  await withPlugins(async (server) => {
    await server.approve("PUT", "/home/a/x", "x");
    await server.approve("PUT", "/home/b", "b");
    await install(
      server,
      "p",
      plugin({ routes: ["/shape"], auth: "T2", subject: true }, PROXY_BODY),
    );
    const rw = bearer(server.capability("/home/a", "rw"));
    const r = bearer(server.capability("/home/a", "r"));
    const inside = "/shape/home/a/x";
    // The route is outside the capability; the world that the request concerns is inside.
    const refused = await server.send({ method: "GET", target: "/shape", headers: rw });
    assertEquals(refused.status, 403);
    const other = await server.send({ method: "GET", target: "/shape/home/b", headers: rw });
    assertEquals(other.status, 403);
    const rows: [Subrequest, number][] = [
      [{ via: "caller", path: "/home/a/x" }, 200],
      [{ via: "caller", path: "/home/b" }, 403],
      [{ via: "caller", path: "/home/a/../b" }, 403],
      [{ via: "caller", method: "PUT", path: "/home/a/y", body: "y" }, 201],
      [{ via: "caller", method: "PUT", path: "/home/ab", body: "y" }, 403],
      [{ via: "caller", method: "PUT", path: "/home/b", body: "y" }, 403],
    ];
    for (const [subrequest, status] of rows) {
      assertStrictEquals(
        (await send(server, rw, subrequest, inside)).status,
        status,
        JSON.stringify(subrequest),
      );
    }
    const posted = await server.send({ method: "POST", target: inside, headers: r, body: "{}" });
    assertEquals(posted.status, 403);
    assertMatch(posted.text, /capability of mode rw/);
  });
});

Deno.test("env.caller answers 401 after the caller's capability has expired during the request", async () => {
  await withPlugins(async (server) => {
    await server.approve("PUT", "/home/a", "x");
    const body = `
      const before = (await env.caller.fetch("/home/a")).status;
      let after = before;
      for (const end = Date.now() + 28_000; Date.now() < end && after === 200;) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        after = (await env.caller.fetch("/home/a")).status;
      }
      return Response.json([before, after]);`;
    await install(server, "p", plugin({ routes: ["/p"] }, body));
    for (const seconds of [2, 8, 20]) {
      const cap = bearer(server.capability("/home/a", "r", seconds));
      const reply = await server.send({ method: "GET", target: "/p/home/a", headers: cap });
      // The server also ends the call of such a caller, which it checks several times per second.
      if (/credential of the caller is no longer valid/.test(reply.text)) {
        return assertEquals(reply.status, 401);
      }
      // On a slow computer it can expire before the plugin has the request, or before its first call.
      if (seconds < 20 && (reply.status === 401 || JSON.parse(reply.text)[0] === 401)) continue;
      return assertEquals(JSON.parse(reply.text), [200, 401]);
    }
  });
});

Deno.test("env.caller rejects after its request has ended", async () => {
  await withPlugins(async (server) => {
    const body = `
      globalThis.kept ??= [];
      if (url.pathname === "/p/keep") { kept.push(env.caller); return new Response("kept"); }
      const results = [];
      for (const caller of kept) {
        try { results.push((await caller.fetch("/etc/x", { method: "PUT", body: "x" })).status); }
        catch (error) { results.push(String(error)); }
      }
      results.push((await env.caller.fetch("/etc/x", { method: "PUT", body: "x" })).status);
      return Response.json(results);`;
    await install(server, "p", plugin({}, body));
    assertEquals(
      (await server.send({ method: "GET", target: "/p/keep", headers: T3 })).text,
      "kept",
    );
    const reply = await server.send({ method: "GET", target: "/p/use" });
    const [dead, own] = JSON.parse(reply.text);
    assertMatch(String(dead), /request has ended/);
    assertEquals(own, 401);
    assertEquals((await server.approve("GET", "/etc/x")).status, 404);
  }, "variables are those of the process of the node");
});

Deno.test("env.machine is limited to the plugin's grants, whatever tier the caller has", async () => {
  await withPlugins(async (server) => {
    for (
      const path of ["/home/a", "/home/a/b", "/home/ab", "/var/c/x", "/var/c/fixed/x", "/etc/one"]
    ) {
      await server.approve("PUT", path, "text");
    }
    await server.approve("PUT", "/etc/shadow", "root:00");
    const grants = {
      "/home/a/": "r",
      "/var/c/": "rw",
      "/var/c/fixed/": "r",
      "/etc/": "r",
      "/etc/one": "rw",
    };
    await install(server, "p", plugin({ grants }, PROXY_BODY));
    const rows: [method: string, path: string, status: number][] = [
      ["GET", "/home/a", 200],
      ["GET", "/home/a/b", 200],
      ["GET", "/home/ab", 403],
      ["PUT", "/home/a/b", 403],
      ["GET", "/var/c/x", 200],
      ["PUT", "/var/c/y", 201],
      ["POST", "/var/c/y", 200],
      ["PUT", "/var/c/fixed/x", 403],
      ["DELETE", "/var/c/fixed/x", 403],
      // Deleting a collection deletes its members, and some of these are granted for reading only.
      ["DELETE", "/var/c/", 403],
      ["DELETE", "/var/c/y", 200],
      ["PUT", "/etc/one", 200],
      ["PUT", "/etc/two", 403],
      ["GET", "/etc/one", 200],
      // A grant of /etc/ does not include the worlds there that only T3 can read.
      ["GET", "/etc/shadow", 403],
      ["GET", "/proc/log/etc/shadow", 403],
      ["GET", "/stream/etc/shadow", 403],
      ["GET", "/boot/env", 403],
      ["PUT", "/lib/p", 403],
      ["PUT", "/lib/p/state", 403],
      ["POST", "/auth/mint?prefix=/home", 403],
      ["GET", "/p", 403],
    ];
    for (const as of [NO_CREDENTIAL, T3]) {
      for (const [method, path, status] of rows) {
        const body = method === "PUT" || method === "POST" ? { body: "active" } : {};
        const answer = await send(server, as, { via: "machine", method, path, ...body });
        assertEquals(
          answer.status === 201 ? status === 201 || status === 200 : answer.status === status ||
            (status === 201 && answer.status === 200),
          true,
          `${method} ${path}: ${answer.status}`,
        );
      }
    }
    const log = await server.approve("GET", "/proc/log/var/c/fixed/x");
    assertEquals(JSON.parse(log.text).length, 1);
    assertMatch((await server.approve("GET", "/proc/log/etc/one")).text, /"by":"plugin:p"/);
    await server.audit();
  });
});

Deno.test("env.machine.fetch() resolves a path as the gate does, in every spelling", async () => {
  await withPlugins(async (server) => {
    await server.approve("PUT", "/etc/secret", "secret");
    await server.approve("PUT", "/var/c/x", "x");
    await install(server, "p", plugin({ grants: { "/var/c/": "rw" } }, PROXY_BODY));
    const rows: [path: string, expected: number | RegExp][] = [
      ["/var/c/x", 200],
      ["/var/c/%78", 200],
      ["http://machine/var/c/x", 200],
      [`http://127.0.0.1:${server.port}/var/c/x`, 200],
      ["/var/c/../../etc/secret", 403],
      ["/var/c/%2e%2e/%2e%2e/etc/secret", 403],
      ["/var/c/..%2f..%2fetc/secret", 400],
      ["/var//c/x", 400],
      ["//var/c/x", 400],
      ["//evil.example/var/c/x", 400],
      ["http://evil.example/var/c/x", /reaches this server only/],
      [`http://localhost.evil.example:${server.port}/var/c/x`, /reaches this server only/],
      ["file:///etc/passwd", /reaches this server only/],
      ["data:text/plain,x", /reaches this server only/],
      ["/var/c/%ff", 400],
      ["/var/c/%00", 400],
      ["/var/c/x\\..\\..\\..\\etc\\secret", 403],
      ["/bin/var/c/x", 404],
      ["/bin/bin/p", 404],
      ["/bin/p", 403],
      ["var/c/x", /TypeError/],
    ];
    for (const [path, expected] of rows) {
      const answer = await send(server, NO_CREDENTIAL, { via: "machine", path });
      if (typeof expected === "number") {
        assertStrictEquals(answer.status, expected, `${path}: ${answer.text}`);
      } else assertMatch(String(answer.thrown), expected, path);
      assert(answer.status !== 200 || answer.text !== "secret");
    }
  });
});

Deno.test("GET of a plugin answers 508 if plugins call each other beyond the limit", async () => {
  await withPlugins(async (server) => {
    const next = (path: string) =>
      `const answer = await env.caller.fetch("${path}"); ` +
      "return new Response(answer.body, { status: answer.status });";
    await install(server, "self", plugin({ routes: ["/self"] }, next("/self")));
    await install(server, "a", plugin({ routes: ["/a"] }, next("/bin/b")));
    await install(
      server,
      "b",
      plugin(
        { routes: ["/b"], grants: { "/a": "r", "/b": "r" } },
        next("/a").replace("caller", "machine"),
      ),
    );
    for (const path of ["/self", "/a", "/b", "/bin/self"]) {
      const reply = await server.send({ method: "GET", target: path });
      assertEquals(reply.status, 508, reply.text);
      assertMatch(reply.text, /plugins wait for each other/);
    }
    await install(server, "self", plugin({ routes: ["/self"] }, "return new Response('fine');"));
    assertEquals((await server.send({ method: "GET", target: "/self" })).text, "fine");
  });
});

Deno.test("GET of a plugin requires the tier of `auth`, and the plugin gets no authorization header", async () => {
  await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
    server.secrets.add("s3cret-password");
    const body = "return Response.json([env.caller.tier, [...request.headers.keys()]]);";
    for (const auth of ["T1", "T2", "T3"]) {
      const source = plugin({ routes: [`/${auth}`], auth }, body);
      await server.send({ method: "PUT", target: `/lib/${auth}`, headers: T2, body: source });
      assertEquals((await server.approve("PUT", `/lib/${auth}/state`, "active")).status, 200);
    }
    const rows: [as: Record<string, string>, statuses: number[]][] = [
      [NO_CREDENTIAL, [200, 401, 401]],
      [bearer("wrong"), [200, 401, 401]],
      [T2, [200, 200, 403]],
      [basic("x", TOKEN), [200, 200, 403]],
      [T3, [200, 200, 200]],
      [bearer(server.capability("/", "r")), [200, 200, 403]],
      [bearer(server.capability("/home", "rw")), [200, 403, 403]],
    ];
    for (const [as, statuses] of rows) {
      for (const [at, tier] of ["T1", "T2", "T3"].entries()) {
        const reply = await server.send({ method: "GET", target: `/${tier}`, headers: as });
        assertStrictEquals(reply.status, statuses[at], `${tier} ${reply.text}`);
        assert(!reply.text.includes("authorization"));
      }
    }
  });
});

Deno.test("fetch() in a plugin cannot connect to its own server by any name of this host", async () => {
  await withPlugins(async (server) => {
    requireOneServer("a node has a token, so that a connection from this computer has no rights");
    const hosts = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "127.0.0.2"];
    const net = [...hosts, `127.0.0.1:${server.port}`, `localhost:${server.port}`];
    const body = `
      const results = {};
      for (const host of ${JSON.stringify([...hosts, "2130706433", "127.1", "0"])}) {
        try {
          const answer = await fetch("http://" + host + ":${server.port}/auth/whoami", {
            headers: { host: "localhost" },
          });
          results[host] = answer.status + (await answer.text());
        } catch (error) { results[host] = String(error.name); }
      }
      return Response.json(results);`;
    await install(server, "p", plugin({ permissions: { net } }, body));
    const reply = await server.send({ method: "GET", target: "/p" });
    for (const [host, result] of Object.entries(record(JSON.parse(reply.text)))) {
      assert(!/^200/.test(String(result)), `${host}: ${result}`);
    }
  });
});
