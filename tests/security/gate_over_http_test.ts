/**
 * The server as remote clients see it: through a proxy, from a page of another origin, under another
 * host name. A trusted proxy header simulates the remote client.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  OPEN,
  type TestServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const PROXIED = {
  ...CLOSED,
  ELASTIK_TRUST_PROXY_HEADER: "X-Forwarded-For",
  ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
};
const REMOTE = { "x-forwarded-for": "203.0.113.9" };
const PASSWORD = "correct horse";

/** One request for each route and method. */
// deno-fmt-ignore
const REQUESTS = [
  "GET /", "HEAD /", "OPTIONS /", "GET /home/", "GET /home/x", "GET /home/x?raw", "HEAD /home/x",
  "OPTIONS /home/x", "PUT /home/x", "POST /home/x", "DELETE /home/x", "PATCH /home/x", "GET /home/absent",
  "GET /etc/passwd", "GET /etc/shadow", "GET /etc/fstab", "GET /boot/env", "GET /usr/share/doc/note.md",
  "GET /usr/lib/shell", "GET /usr/lib/shel", "GET /usr/lib/shellx", "GET /lib/", "GET /var/", "GET /bin",
  "GET /bin/proc/version", "GET /proc/", "GET /proc/status", "GET /proc/uptime", "GET /proc/version",
  "GET /proc/worlds", "GET /proc/audit/home/x", "GET /proc/log/home/x", "GET /stream/home/x",
  "GET /stream/", "GET /auth/whoami", "POST /auth/mint?prefix=/home", "GET /dev/", "GET /mnt/",
  "GET /nowhere", "PUT /favicon.ico", "PROPFIND /home/", "GET /bin/usr/lib/shell/app.js",
  "GET /dav/", "PUT /usr/lib/shell/x/../../../../home/x", "PROPFIND /usr/share/doc/note.md",
];

async function setUp(server: TestServer): Promise<void> {
  await server.approve("PUT", "/etc/passwd", "guest:T1");
  await server.approve("PUT", "/etc/shadow", `guest:${sha256Hex(PASSWORD)}`);
  await server.approve("PUT", "/home/x", "5ecret-enough");
}

Deno.test("the public gate answers 401 to remote clients without a valid credential, except for shell files", async (t) => {
  await withServer({ env: PROXIED }, async (server) => {
    await setUp(server);
    const credentials: readonly Record<string, string>[] = [
      REMOTE,
      { ...REMOTE, ...bearer("wrong") },
      { ...REMOTE, ...basic("guest", "wrong") },
      { ...REMOTE, ...bearer(server.capability("/", "rw", -1)) },
    ];
    await runScenarios(t, server, [
      ...REQUESTS.flatMap((send) =>
        credentials.map((headers): Scenario => ({
          title: "answers 401, or 400 for an ambiguous path",
          send,
          headers,
          // An ambiguous path is refused before authentication.
          status: send.includes("..") ? 400 : 401,
          lacks: ["5ecret-enough", '"version"', "A note"],
          ...(send.includes("..") ? {} : { has: { "www-authenticate": /^Bearer/ } }),
        }))
      ),
      ...["GET", "HEAD"].flatMap((method): Scenario[] => [
        {
          title: "sends a file of the shell",
          send: `${method} /usr/lib/shell/app.js?raw`,
          headers: REMOTE,
          status: 200,
          has: { "content-type": /javascript/ },
        },
        {
          title: "sends the sign-in page to a browser",
          send: `${method} /home/x`,
          headers: { ...REMOTE, accept: "text/html,*/*;q=0.8" },
          status: 401,
          has: { "content-type": "text/html; charset=utf-8" },
          lacks: ["5ecret-enough"],
        },
      ]),
      {
        title: "answers 401 to a write",
        send: "PUT /usr/lib/shell/app.js",
        headers: REMOTE,
        body: "x",
        status: 401,
      },
      {
        title: "answers 401 to a write",
        send: "DELETE /usr/lib/shell/app.js",
        headers: REMOTE,
        status: 401,
      },
      {
        title: "answers 401 to a request for the event log",
        send: "GET /proc/log/usr/lib/shell/app.js",
        headers: REMOTE,
        status: 401,
      },
    ]);
  });
});

Deno.test("the public gate accepts any valid credential and then applies the policy", async (t) => {
  await withServer({ env: PROXIED }, async (server) => {
    await setUp(server);
    const cap = bearer(server.capability("/home/a", "rw"));
    const guest = basic("guest", PASSWORD);
    const [boot] = server.bootFolders;
    const row = (send: string, as: Record<string, string>, status: number): Scenario => ({
      title: `by ${Object.values(as)[0]?.slice(0, 12)}`,
      send,
      as,
      headers: REMOTE,
      status,
      ...(status === 201 ? { changes: { [send.slice(5)]: ["stage_written"] } } : {}),
    });
    await runScenarios(t, server, [
      row("GET /home/x", guest, 200),
      row("PUT /home/y", guest, 403),
      row("GET /etc/shadow", guest, 403),
      row("GET /home/x", cap, 403),
      row("PUT /home/a/x", cap, 201),
      row("GET /home/x", bearer(TOKEN), 200),
      row("PUT /home/z", bearer(TOKEN), 201),
      row(`GET ${boot}/env`, bearer(TOKEN), 403),
      row(`GET ${boot}/env`, bearer(APPROVE), 200),
    ]);
  });
});

/** Forwarding headers, and whether a server that trusts 127.0.0.1 treats the client as local. */
// deno-fmt-ignore
const CHAINS: readonly (readonly [headers: Record<string, string>, local: boolean])[] = [
  [{ "x-forwarded-for": "127.0.0.1" }, true],
  [{ "x-forwarded-for": "::1" }, true],
  [{ "x-forwarded-for": "203.0.113.9" }, false],
  [{ "x-forwarded-for": "127.0.0.1, 203.0.113.9" }, false],
  [{ "x-forwarded-for": "203.0.113.9, 127.0.0.1" }, false],
  [{ "x-forwarded-for": "" }, false],
  [{ "x-forwarded-for": "unknown" }, false],
  [{ "x-forwarded-for": "127.0.0.1.nip.io" }, false],
  [{ "x-forwarded-for": "localhost" }, false],
  [{ "x-forwarded-for": "0x7f.1" }, false],
  [{ "x-forwarded-for": "127.1" }, false],
  [{ "x-forwarded-for": "::ffff:127.0.0.1" }, true],
  [{ "x-forwarded-for": "::ffff:203.0.113.9" }, false],
  [{ "forwarded": "for=127.0.0.1" }, false],
  [{ "x-real-ip": "127.0.0.1" }, false],
  [{ "via": "1.1 proxy" }, false],
  [{}, true],
];

Deno.test("the public gate uses the configured header of the trusted proxy and no other", async () => {
  await withServer({ env: PROXIED }, async (server) => {
    for (const [headers, local] of CHAINS) {
      const { status } = await server.send({ method: "GET", target: "/home/", headers });
      assertStrictEquals(status, local ? 200 : 401, JSON.stringify(headers));
    }
  });
});

Deno.test("a server without tokens does not treat a forwarded request as local", async () => {
  await withServer({ env: OPEN }, async (server) => {
    for (
      const headers of [
        { "x-forwarded-for": "127.0.0.1" },
        { "x-forwarded-for": "" },
        { forwarded: "for=127.0.0.1" },
        { "x-real-ip": "::1" },
        { via: "1.1 x" },
      ]
    ) {
      const put = { method: "PUT", target: "/home/x", headers, body: "x" };
      assertEquals((await server.send(put)).status, 401, JSON.stringify(headers));
      const read = { method: "GET", target: "/usr/bin/boot", headers };
      assertEquals((await server.send(read)).status, 200);
    }
    const local = await server.send({ method: "PUT", target: "/home/x", body: "x" });
    assertEquals(local.status, 201);
    const who = await server.send({ method: "GET", target: "/auth/whoami" });
    assertEquals(who.text, '{"tier":"T2","by":"T2:local"}\n');
    const log = await server.send({ method: "GET", target: "/proc/log/home/x" });
    assertMatch(log.text, /"by":"T2:local"/);
  });
});

Deno.test("a server without tokens answers 403 to an unknown Host", async () => {
  await withServer(
    { env: { ...OPEN, ELASTIK_HOSTS: "box.lan,Other.Lan:80" } },
    async (server) => {
      const send = (host: string, method: string, target: string) =>
        server.send({ method, target, headers: { host } });
      for (
        const host of ["evil.example", "localhost.evil.example:3005", "127.0.0.1.nip.io", "0.0.0.0"]
      ) {
        for (
          const [method, target] of [["GET", "/usr/bin/boot"], ["PUT", "/home/x"], [
            "GET",
            "/stream/",
          ]] as const
        ) {
          const reply = await send(host, method, target);
          assertEquals(reply.status, 403, host);
          assertMatch(reply.text, /unknown-host/);
        }
        const page = { host, accept: "text/html" };
        const reply = await server.send({ method: "GET", target: "/", headers: page });
        assertEquals(reply.status, 403);
        assert(!reply.text.includes("the shell"));
      }
      for (const host of ["localhost:1", "127.0.0.1", "[::1]", "BOX.lan:99", "other.lan:80"]) {
        assertEquals((await send(host, "GET", "/usr/bin/boot")).status, 200, host);
      }
    },
  );
});

Deno.test("a server with tokens answers 401 to an unknown Host, also from loopback (DNS rebinding)", async () => {
  await withServer({ env: { ...CLOSED, ELASTIK_HOSTS: "box.lan" } }, async (server) => {
    await setUp(server);
    for (
      const host of [
        "evil.example",
        "localhost.evil.example:3005",
        "machine.example.org",
        "0.0.0.0",
      ]
    ) {
      for (
        const target of [
          "/home/x",
          "/home/x?raw",
          "/",
          "/proc/worlds",
          "/stream/home/x",
          "/dav/home/x",
        ]
      ) {
        const reply = await server.send({ method: "GET", target, headers: { host } });
        assertEquals(reply.status, 401, `${target} at ${host}`);
        assert(!reply.text.includes("5ecret-enough"));
      }
      const known = { host, ...bearer(TOKEN) };
      assertEquals(
        (await server.send({ method: "GET", target: "/home/x", headers: known })).status,
        200,
      );
    }
    for (const host of ["localhost:9", "127.0.0.1", "[::1]:80", "box.lan"]) {
      assertEquals(
        (await server.send({ method: "GET", target: "/home/x", headers: { host } })).status,
        200,
      );
    }
  });
});

Deno.test("a page of another origin changes nothing, with or without stored credentials", async (t) => {
  for (const env of [OPEN, CLOSED]) {
    await withServer({ env }, async (server) => {
      const credential = env === OPEN ? {} : basic("", APPROVE);
      const own = `http://127.0.0.1:${server.port}`;
      const foreign: readonly Record<string, string>[] = [
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: `http://127.0.0.1:${server.port + 1}` },
        { origin: `http://localhost:${server.port}` },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { origin: own, "sec-fetch-site": "cross-site" },
      ];
      const rows = foreign.flatMap((headers) =>
        [
          "PUT /home/x",
          "POST /home/x",
          "DELETE /home/x",
          "POST /auth/mint?prefix=/home",
          "MKCOL /dav/home/x",
        ]
          .map((send): Scenario => ({
            title: `answers 403 with ${JSON.stringify(headers)}`,
            send,
            as: credential,
            headers,
            body: "forged",
            status: 403,
            text: /foreign-origin/,
            lacks: [/access-control/i, '"token"'],
          }))
      );
      await runScenarios(t, server, [
        ...rows,
        {
          title: "answers a preflight without CORS headers",
          send: "OPTIONS /home/x",
          headers: { origin: "https://evil.example", "access-control-request-method": "PUT" },
          status: 204,
          lacks: [/access-control/i],
        },
        {
          title: "answers a read without CORS headers",
          send: "GET /usr/bin/boot",
          as: credential,
          headers: { origin: "https://evil.example" },
          status: 200,
          lacks: [/access-control/i],
        },
        {
          title: "accepts a write from a page of the server",
          send: "PUT /home/x",
          as: credential,
          headers: { origin: own, "sec-fetch-site": "same-origin" },
          body: "mine",
          status: 201,
          changes: { "home/x": ["stage_written"] },
        },
      ]);
    });
  }
});
