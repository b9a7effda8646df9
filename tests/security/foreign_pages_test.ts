/**
 * The property: a page of another origin gets nothing from a server on the computer of its visitor. Its
 * requests have no rights by the connection or by stored credentials, unless the user navigates, and it
 * cannot load a response as a script, an image or a media file.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { basic, bearer, CLOSED, OPEN, TOKEN, withServer } from "../support/test_server.ts";
import { installPlugin } from "../support/plugin_server.ts";

/** Requests that a page of another origin can cause, without the method. */
const FOREIGN: readonly Record<string, string>[] = [
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "video" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://a.example" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
  { "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "object" },
  {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-purpose": "prefetch;prerender",
  },
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site", "accept": "text/event-stream" },
  { "sec-fetch-site": "Same-Origin" },
  { "sec-fetch-site": "" },
  { "origin": "null" },
  { "origin": "https://a.example" },
  { "origin": "https://localhost:1" },
  { "origin": "https://a.example", "connection": "upgrade", "upgrade": "websocket" },
  { "referer": "https://a.example/page" },
  { "referer": "http://localhost:1/page" },
  { "referer": "http://localhost@a.example/" },
  { "referer": "garbage" },
];

const NAVIGATION = {
  "sec-fetch-site": "cross-site",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  "sec-fetch-user": "?1",
  "referer": "https://a.example/",
};

const PLUGIN = `export const routes = ["/busy"]; export const auth = "T2";
  export default { fetch: (request, env) => new Response("worked as " + env.caller.tier) };`;

Deno.test("a page of another origin has no rights on an open server", () =>
  withServer({ env: OPEN }, async (server) => {
    await installPlugin(server, ["busy", PLUGIN]);
    const get = (headers: Record<string, string>) =>
      server.send({ method: "GET", target: "/busy/x", headers });
    assertEquals((await get({})).text, "worked as T2");
    assertEquals((await get({ "sec-fetch-site": "same-origin" })).text, "worked as T2");
    assertEquals((await get({ "sec-fetch-site": "none" })).text, "worked as T2");
    assertEquals((await get({ referer: `http://127.0.0.1:${server.port}/x` })).status, 200);
    assertEquals((await get(NAVIGATION)).text, "worked as T2");
    for (const headers of FOREIGN) {
      const about = JSON.stringify(headers);
      assertEquals([about, (await get(headers)).status], [about, 401]);
      const whoami = await server.send({ method: "GET", target: "/auth/whoami", headers });
      assertEquals([about, JSON.parse(whoami.text).tier], [about, "T1"]);
      for (const method of ["PUT", "POST", "DELETE", "PROPFIND", "MKCOL", "LOCK"]) {
        const content = { ...headers, "content-type": "text/plain" };
        const { status } = await server.send({
          method,
          target: "/dav/home/x",
          headers: content,
          body: "x",
        });
        assert(status >= 400 && status < 500, `${method} ${about}: ${status}`);
      }
      const preflight = await server.send({
        method: "OPTIONS",
        target: "/home/x",
        headers: { ...headers, "access-control-request-method": "PUT" },
      });
      assert(!/access-control-allow/i.test(preflight.head), preflight.head);
    }
    assertEquals((await server.send({ method: "GET", target: "/home/x" })).status, 404);
  }));

Deno.test("a page of another origin does not use stored Basic credentials; a Bearer credential counts", () =>
  withServer({ env: CLOSED }, async (server) => {
    await server.approve("PUT", "/etc/passwd", "ada:T3");
    await server.approve("PUT", "/etc/shadow", `ada:${sha256Hex("correct horse")}`);
    const get = (headers: Record<string, string>) =>
      server.send({ method: "GET", target: "/etc/shadow", headers }, true);
    for (const credential of [basic("ada", "correct horse"), basic("x", server.approveToken)]) {
      assertEquals((await get(credential)).status, 200);
      assertEquals((await get({ ...credential, ...NAVIGATION })).status, 200);
      for (const headers of FOREIGN) {
        const about = JSON.stringify(headers);
        assertEquals([about, (await get({ ...credential, ...headers })).status], [about, 401]);
      }
    }
    const [first = {}] = FOREIGN;
    const read = await server.send({
      method: "GET",
      target: "/auth/whoami",
      headers: { ...first, ...bearer(TOKEN) },
    });
    assertEquals(JSON.parse(read.text).tier, "T2");
  }));

Deno.test("every response of the core forbids pages of other origins to load it", () =>
  withServer({ env: OPEN }, async (server) => {
    await server.approve("PUT", "/home/a.js", "window.a = 1");
    const targets = [
      "/",
      "/home/",
      "/home/a.js",
      "/home/a.js?raw",
      "/home/absent",
      "/home/absent?raw",
      "/proc/version",
      "/proc/worlds",
      "/proc/metrics",
      "/proc/log/home/a.js",
      "/proc/audit/home/a.js",
      "/bin",
      "/lib/",
      "/auth/whoami",
      "/usr/lib/shell/app.js",
      "/usr/lib/shell/app.js?raw",
      "/dav/home/a.js",
      "/etc/shadow",
      "/home/%zz",
      "/favicon.ico",
      "/nowhere",
    ];
    for (const target of targets) {
      for (const method of ["GET", "HEAD"]) {
        for (
          const headers of [{}, { accept: "text/html" }, { "if-none-match": '"1"' }, {
            range: "bytes=0-1",
          }]
        ) {
          const { head } = await server.send({ method, target, headers });
          assert(
            /\r?\ncross-origin-resource-policy: same-origin\r?\n/i.test(`${head}\n`),
            `${method} ${target}: ${head}`,
          );
        }
      }
    }
    const put = await server.send({ method: "PUT", target: "/home/b", body: "x" });
    assert(/cross-origin-resource-policy: same-origin/i.test(put.head));
  }));
