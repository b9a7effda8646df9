/**
 * The property: a request with any trace of a proxy, a CDN or a tunnel is not local. It has no rights by
 * its connection, neither T2 on an open server nor reads on a server with tokens.
 */

import { assertEquals } from "../support/assert.ts";
import { bearer, CLOSED, OPEN, TOKEN, withServer } from "../support/test_server.ts";

const TRACES = `
Forwarded Via X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Server
X-Forwarded-Scheme X-Forwarded-Ssl X-Forwarded-Prefix X-Forwarded-Client-Cert X-Forwarded X-Real-IP X-Real-Port
CF-Connecting-IP CF-Connecting-IPv6 CF-Ray CF-Visitor CF-IPCountry CF-Worker CF-Warp-Tag-Id Cf-Access-Jwt-Assertion
CDN-Loop True-Client-IP X-Client-IP X-Cluster-Client-IP Client-IP Fastly-Client-IP Fastly-FF Fastly-SSL
X-Azure-ClientIP X-Azure-FDID X-Azure-Ref X-Azure-SocketIP X-FD-HealthProbe Fly-Client-IP Fly-Forwarded-Port
Fly-Region X-Amz-Cf-Id X-Amzn-Trace-Id CloudFront-Viewer-Address X-Cloud-Trace-Context X-Google-Real-IP
X-AppEngine-User-IP X-Goog-Authenticated-User-Email Akamai-Origin-Hop X-Akamai-Edgescape X-Envoy-External-Address
X-Envoy-Original-Path X-Original-URL X-Original-Host X-Original-Forwarded-For X-ARR-LOG-ID X-ARR-SSL
Tailscale-User-Login Tailscale-User-Name Tailscale-Headers-Info ngrok-skip-browser-warning Ngrok-Auth-User-Email
X-Nf-Client-Connection-Ip X-Vercel-Forwarded-For X-Vercel-Id X-Railway-Edge X-Incap-Client-IP Incap-Client-IP
X-Sucuri-ClientIP X-ProxyUser-Ip WL-Proxy-Client-IP Proxy-Client-IP X-Remote-IP X-Originating-IP Proxy-Connection
X-Auth-Request-User X-Pomerium-Jwt-Assertion Ali-Cdn-Real-Ip X-Traefik-Fast-Proxy x_forwarded_for
`.trim().split(/\s+/);

Deno.test("an open server gives no rights to a request with a trace of a proxy", () =>
  withServer({ env: OPEN }, async (server) => {
    const put = (headers: Record<string, string>) =>
      server.send({ method: "PUT", target: "/home/x", body: "x", headers });
    assertEquals((await put({})).status, 201);
    for (const name of TRACES) {
      for (const value of ["192.0.2.7", "127.0.0.1", "x"]) {
        assertEquals([name, (await put({ [name]: value })).status], [name, 401]);
      }
      assertEquals([name, (await put({ [name]: "" })).status], [name, 401]);
    }
  }));

Deno.test("a server with tokens asks a request with a trace of a proxy for a credential", () =>
  withServer({ env: CLOSED }, async (server) => {
    const get = (headers: Record<string, string>) =>
      server.send({ method: "GET", target: "/proc/version", headers });
    assertEquals((await get({})).status, 200);
    for (const name of TRACES) {
      assertEquals([name, (await get({ [name]: "x" })).status], [name, 401]);
    }
    assertEquals((await get({ "cf-ray": "x", ...bearer(TOKEN) })).status, 200);
  }));

Deno.test("a trusted proxy header still names the client", () =>
  withServer({
    env: {
      ...CLOSED,
      ELASTIK_TRUST_PROXY_HEADER: "CF-Connecting-IP",
      ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
    },
  }, async (server) => {
    const get = (headers: Record<string, string>) =>
      server.send({ method: "GET", target: "/proc/version", headers });
    assertEquals((await get({ "CF-Connecting-IP": "127.0.0.1" })).status, 200);
    assertEquals((await get({ "CF-Connecting-IP": "192.0.2.7" })).status, 401);
    assertEquals((await get({ "CF-Ray": "x" })).status, 401);
  }));
