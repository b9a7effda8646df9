/**
 * Detects that a proxy, a load balancer, a CDN or a tunnel forwarded a request. Such a request comes
 * from another computer, also if the connection comes from this one. The headers are never used as
 * a credential: they only take rights away.
 */

import type { IterableHeaders } from "./header_snapshot.ts";

/** Headers that a forwarding program adds, by exact name in lower case. */
const NAMES: ReadonlySet<string> = new Set([
  // RFC 9110 section 7.6.3, RFC 7239, RFC 8586
  "via",
  "forwarded",
  "forwarded-for",
  "forwarded-proto",
  "cdn-loop",
  "max-forwards",
  "early-data", // RFC 8470
  // addresses of clients
  "client-ip",
  "true-client-ip",
  "x-client-ip",
  "x-true-client-ip",
  "x-user-ip",
  "x-remote-ip",
  "x-remote-addr",
  "x-remote-port",
  "remote-addr",
  "x-originating-ip",
  "x-proxyuser-ip",
  "wl-proxy-client-ip",
  "proxy-client-ip",
  "proxy-connection",
  "x-proxy-id",
  "x-host",
  "x-scheme",
  "x-url-scheme",
  "front-end-https",
  "x-https",
  "x-ssl",
  "x-bluecoat-via",
  "x-iinfo",
  "x-varnish",
  "x-nginx-proxy",
  "surrogate-capability",
  "x-cdn",
  "x-country-code",
  "x-request-start",
  "x-queue-start",
  "x-appengine-country",
  "x-cloud-trace-context",
  "x-lb-client-ip",
  "x-haproxy-server-state",
  "x-ms-proxy",
  "x-daa-tunnel",
  "x-rewrite-url",
  "x-script-name",
  "x-client-cert",
  "x-client-verify",
  "client-cert",
  "client-cert-chain",
]);

/** Beginnings of header names that one product uses for all its headers, in lower case. */
const PREFIXES: readonly string[] = [
  "x-forward", // X-Forwarded-*, X-Forward-For
  "x-original-",
  "x-real-",
  "x-edge-",
  "ssl-client-",
  "x-ssl-client-",
  "x-cluster-client-",
  "x-proxy",
  "x-reverse-proxy",
  "cf-", // Cloudflare, and its tunnels
  "fastly-",
  "x-fastly-",
  "x-azure-", // Azure and IIS
  "x-arr-",
  "x-fd-",
  "x-ms-client-principal",
  "x-appgw-",
  "disguised-host",
  "x-waws-",
  "fly-", // Fly.io
  "x-amz-cf-", // CloudFront, load balancers
  "x-amzn-",
  "cloudfront-",
  "x-google-", // load balancers, App Engine, IAP
  "x-goog-",
  "x-gfe-",
  "x-gclb-",
  "x-client-geo-",
  "x-appengine-",
  "akamai-",
  "x-akamai-",
  "x-envoy-",
  "x-istio-",
  "x-traefik-",
  "x-nf-", // Netlify
  "x-vercel-",
  "x-railway-",
  "x-render-",
  "x-kong-",
  "x-heroku-",
  "tailscale-",
  "ngrok-",
  "x-ngrok-",
  "x-tunnel-",
  "x-localtunnel-",
  "x-incap-", // Imperva
  "incap-",
  "x-sucuri-",
  "x-zscaler-",
  "x-bluecoat-",
  "x-stackpath-",
  "x-bunny-",
  "cdn-", // bunny.net and others
  "ali-", // Alibaba
  "eagleeye-",
  "eagleid",
  "x-qcloud-",
  "x-tencent-",
  "x-keycdn-",
  "x-oracle-",
  "x-auth-request-", // OAuth2 Proxy
  "remote-user", // Authelia and others
  "x-remote-user",
  "x-webauth-",
  "x-pomerium-",
  "x-authentik-",
  "x-teleport-",
];

/** Headers of almost every request, which need no comparison with the prefixes. */
const ORDINARY: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "authorization",
  "connection",
  "content-length",
  "content-type",
  "host",
  "if-none-match",
  "origin",
  "referer",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "user-agent",
]);

/**
 * Checks whether a forwarding program left a trace in the headers.
 *
 * @param headers the headers of a request
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { hasProxyTrace } from "./proxy_trace.ts";
 *
 * strictEqual(hasProxyTrace(new Headers({ "CF-Connecting-IP": "192.0.2.7" })), true);
 * strictEqual(hasProxyTrace(new Headers({ accept: "text/html" })), false);
 * ```
 */
export function hasProxyTrace(headers: IterableHeaders): boolean {
  let found = false;
  headers.forEach((_value, name) => {
    if (!found && !ORDINARY.has(name)) found = isTrace(name);
  });
  return found;
}

function isTrace(name: string): boolean {
  // A program that reads CGI variables reads `X_Forwarded_For` too.
  const sought = name.includes("_") ? name.replaceAll("_", "-") : name;
  return NAMES.has(sought) || PREFIXES.some((prefix) => sought.startsWith(prefix));
}
