import { assertEquals } from "../support/assert.ts";
import { hasProxyTrace } from "../../lib/http/proxy_trace.ts";

Deno.test("hasProxyTrace() finds headers by name, by prefix, and with underscores", () => {
  for (
    const name of [
      "Via",
      "CDN-Loop",
      "X-Forwarded-Anything",
      "CF-New",
      "X_Forwarded_For",
      "x-real-ip",
      "Early-Data",
      "X-SSL-Client-Verify",
      "Remote-User",
    ]
  ) {
    assertEquals(hasProxyTrace(new Headers({ accept: "*/*", [name]: "" })), true, name);
  }
});

Deno.test("hasProxyTrace() finds nothing in the headers of browsers, curl and WebDAV clients", () => {
  const headers = new Headers({
    "host": "localhost",
    "accept": "*/*",
    "user-agent": "curl/8",
    "sec-ch-ua": '"x"',
    "sec-fetch-user": "?1",
    "upgrade-insecure-requests": "1",
    "cache-control": "no-cache",
    "depth": "1",
    "destination": "/dav/home/x",
    "overwrite": "F",
    "x-meta-author": "ada",
    "x-semantic-intent": "print",
    "x-requested-with": "XMLHttpRequest",
    "x-expected-entity-length": "1",
    "translate": "f",
    "priority": "u=1",
    "dnt": "1",
    "te": "trailers",
    "last-event-id": "1",
  });
  assertEquals(hasProxyTrace(headers), false);
});
