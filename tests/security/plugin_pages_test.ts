/**
 * Property: a plugin responds for itself and not for the server. Whatever a plugin sends, a browser
 * gives its pages an opaque origin, and no header of a plugin applies to the origin, to a credential
 * or to another path. Only the shell can register a service worker.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { installPlugin, withPluginServer } from "../support/plugin_server.ts";
import { APPROVE, bearer, type TestServer, TOKEN } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";

/** Headers that must not reach a client, with a value that would have an effect. */
const WITHHELD: Readonly<Record<string, string>> = {
  "set-cookie": "session=1; Path=/",
  "set-cookie2": "session=1",
  "clear-site-data": '"*"',
  "service-worker-allowed": "/",
  "service-worker-navigation-preload": "true",
  "www-authenticate": 'Basic realm="elastik"',
  "proxy-authenticate": "Basic",
  "authentication-info": "x",
  "strict-transport-security": "max-age=31536000",
  "public-key-pins": "x",
  "expect-ct": "max-age=9",
  "access-control-allow-origin": "*",
  "access-control-allow-credentials": "true",
  "access-control-expose-headers": "*",
  "timing-allow-origin": "*",
  "refresh": "0;url=https://attacker.example/",
  "alt-svc": 'h2=":1"',
  "nel": "{}",
  "report-to": "{}",
  "reporting-endpoints": 'a="https://attacker.example/"',
  "origin-agent-cluster": "?0",
  "origin-trial": "x",
  "sourcemap": "/x.map",
  "x-sourcemap": "/x.map",
  "x-dns-prefetch-control": "on",
  "x-accel-redirect": "/etc/passwd",
  "x-sendfile": "/etc/passwd",
  "content-security-policy-report-only": "default-src 'none'",
  "speculation-rules": '"/x"',
  "supports-loading-mode": "credentialed-prerender",
  "use-as-dictionary": 'match="/*"',
  "critical-ch": "sec-ch-ua",
  "accept-ch": "sec-ch-ua",
  "link": "<https://attacker.example/x>; rel=preload",
  "cross-origin-opener-policy": "unsafe-none",
};
const OWN_POLICIES = [
  null,
  "default-src * 'unsafe-inline'",
  "sandbox allow-scripts allow-same-origin",
  "",
];
const TYPES = [
  null,
  "text/html",
  "image/svg+xml",
  "application/xhtml+xml",
  "text/xml",
  "text/xsl",
  "application/pdf",
  "application/octet-stream",
  "multipart/x-mixed-replace; boundary=x",
  "nonsense",
];

/** A plugin whose response the request describes in its query. */
const TALKS = `export const routes = ["/talks", "/mnt/talks"];
export const fallback = true;
const withheld = ${JSON.stringify(WITHHELD)};
export default { async fetch(request) {
  const query = new URL(request.url).searchParams;
  const headers = new Headers(withheld);
  const set = (name, value) => value !== null && headers.set(name, value);
  set("content-type", query.get("type"));
  set("content-security-policy", query.get("policy"));
  set("location", query.get("location"));
  headers.set("x-cookie", request.headers.get("cookie") ?? "none");
  const status = Number(query.get("status") ?? 200);
  const hasBody = ![204, 304].includes(status) && request.method !== "HEAD";
  const body = hasBody ? new TextEncoder().encode("<script>1</script>") : null;
  return new Response(body, { status, headers });
} };`;

const withTalks = (test: (server: TestServer) => Promise<void>): Promise<void> =>
  withPluginServer({ plugins: [["talks", TALKS]] }, test);

/** Sends a request as T2. */
const ask = (
  server: TestServer,
  target: string,
  { method = "GET", ...headers }: Record<string, string> = {},
) => server.send({ method, target, headers: { ...bearer(TOKEN), ...headers } });

function assertSandboxed(headers: Reply["headers"], label: string): void {
  // Every policy applies, so the first one is enough.
  const [policy] = (headers.get("content-security-policy") ?? "").split(",");
  assertEquals(policy, "sandbox allow-scripts", label);
  assertEquals(headers.get("x-content-type-options"), "nosniff", label);
  assertEquals(headers.get("cross-origin-resource-policy"), "same-origin", label);
}

function assertWithheld(headers: Reply["headers"], label: string): void {
  // The challenge of a 401 is the server's own.
  const isOwn = (name: string) => headers.get(name) === 'Bearer realm="elastik"';
  const found = Object.keys(WITHHELD).filter((name) => headers.has(name) && !isOwn(name));
  assertEquals(found, [], label);
}

Deno.test("GET of a plugin is sandboxed whatever its type, policy, status and path are", async () => {
  await withTalks(async (server) => {
    for (const type of TYPES) {
      for (const policy of OWN_POLICIES) {
        const query = new URLSearchParams({
          ...(type === null ? {} : { type }),
          ...(policy === null ? {} : { policy }),
        });
        const { headers } = await ask(server, `/talks/x?${query}`);
        assertSandboxed(headers, String(query));
        assertWithheld(headers, String(query));
        assert(!headers.get("content-type")?.startsWith("multipart/x-mixed"), String(query));
      }
    }
    const policy = "policy=default-src+*&type=text/html";
    for (const status of [200, 203, 206, 302, 304, 400, 401, 404, 429, 500, 502, 503]) {
      for (const method of ["GET", "HEAD", "POST"]) {
        const label = `${method} ${status}`;
        const found = await ask(server, `/talks?${policy}&status=${status}`, { method });
        assertEquals(found.status, status, label);
        assertSandboxed(found.headers, label);
        assertWithheld(found.headers, label);
      }
    }
    for (const path of ["/bin/talks/x", "/mnt/talks/page.html", "/nowhere/at/all"]) {
      const found = await ask(server, `${path}?${policy}`, { accept: "text/html" });
      assertEquals(found.status, 200, path);
      assertSandboxed(found.headers, path);
      assertWithheld(found.headers, path);
    }
  });
});

Deno.test("requests to a plugin contain no cookies, which belong to other servers of the host", async () => {
  await withTalks(async (server) => {
    const { headers } = await ask(server, "/talks", { cookie: "session=secret" });
    assertEquals(headers.get("x-cookie"), "none");
  });
});

Deno.test("a plugin cannot send a write of its caller to another path", async () => {
  await withTalks(async (server) => {
    const location = async (method: string, status: number, to: string) =>
      (await ask(server, `/talks?status=${status}&location=${encodeURIComponent(to)}`, { method }))
        .headers.get("location") ?? null;
    for (const status of [301, 302, 307, 308]) {
      for (const to of ["/lib/talks/state", "/auth/mint?prefix=/", "//attacker.example/talks"]) {
        for (const method of ["POST", "PUT", "DELETE"]) {
          assertEquals(await location(method, status, to), null, `${method} ${status} ${to}`);
        }
      }
      assertEquals(await location("POST", status, "/talks/next"), "/talks/next");
      assertEquals(await location("GET", status, "javascript:alert(1)"), null);
      assertEquals(await location("GET", status, "/home/x"), "/home/x");
    }
    assertEquals(await location("POST", 303, "/home/x"), "/home/x");
    assertEquals(await location("POST", 201, "/home/x"), "/home/x");
  });
});

Deno.test("only a script of the shell can be a service worker", async () => {
  await withTalks(async (server) => {
    await server.approve("PUT", "/home/worker.js?ext=js", "1");
    const headers = [{ "service-worker": "script" }, { "sec-fetch-dest": "serviceworker" }];
    for (const sent of headers) {
      for (
        const path of [
          "/talks/sw.js",
          "/bin/talks/sw.js",
          "/mnt/talks/sw.js",
          "/home/worker.js?raw",
          "/dav/home/worker.js",
          "/dav/usr/lib/shell/app.js",
          "/shaped/home/worker.js",
          "/nowhere/sw.js",
          "/usr/lib/shell/%2e%2e/%2e%2e/%2e%2e/home/worker.js?raw",
        ]
      ) {
        const { status, headers: found } = await ask(server, path, sent);
        assert(status === 403 || status === 400 && path.includes("%2e"), `${status} ${path}`);
        if (status === 403) assertEquals(found.get("clear-site-data"), '"storage"', path);
      }
      assertEquals((await ask(server, "/usr/lib/shell/app.js?raw", sent)).status, 200);
    }
  });
});

Deno.test("the path of a disabled or deleted plugin clears what a browser kept of it", async () => {
  await withPluginServer({ plugins: [["p", PLAIN]] }, async (server) => {
    const cleared = async (headers: Record<string, string> = {}) => {
      const found = await ask(server, "/p/page", headers);
      return [found.status, found.headers.get("clear-site-data") ?? null];
    };
    assertEquals(await cleared(), [200, null]);
    await server.approve("PUT", "/lib/p/state", "disabled");
    assertEquals(await cleared(), [404, '"cache", "storage"']);
    assertEquals(await cleared({ accept: "text/html", "sec-fetch-mode": "navigate" }), [
      404,
      '"cache", "storage"',
    ]);
    // The shell itself must not sign its user out.
    assertEquals(await cleared({ "sec-fetch-mode": "cors" }), [404, null]);
    assertEquals((await ask(server, "/elsewhere")).headers.has("clear-site-data"), false);
    await server.approve("PUT", "/lib/p/state", "active");
    assertEquals(await cleared(), [200, null]);
    await server.send({ method: "DELETE", target: "/lib/p", headers: bearer(APPROVE) });
    assertEquals(await cleared(), [404, '"cache", "storage"']);
    await installPlugin(server, ["resolver", RESOLVER]);
    assertEquals((await ask(server, "/elsewhere")).text, "resolved");
    assertEquals(await cleared(), [404, '"cache", "storage"'], "also if a fallback answers");
    assertEquals(await cleared({ "sec-fetch-mode": "cors" }), [404, null]);
  });
});

const RESOLVER = `export const routes = [];
export const fallback = true;
export default { fetch: () =>
  new Response("resolved", { status: 404, headers: { "content-type": "text/plain" } }) };`;
const PLAIN = `export const routes = ["/p"];
export default { fetch: () => new Response("page") };`;
