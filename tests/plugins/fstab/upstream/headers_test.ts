import { assertEquals } from "../../../support/assert.ts";
import {
  containsBearer,
  returnedHeaders,
  upstreamHeaders,
} from "../../../../plugins/fstab/upstream/headers.ts";

Deno.test("upstreamHeaders() send the mount's bearer and none of the client's credentials", () => {
  const client = new Headers({
    "accept": "text/csv",
    "accept-language": "de",
    "if-none-match": '"1"',
    "authorization": "Bearer client",
    "cookie": "a=b",
    "x-forwarded-for": "1.2.3.4",
  });
  assertEquals(Object.fromEntries(upstreamHeaders(client, "mount")), {
    "accept": "text/csv",
    "accept-language": "de",
    "if-none-match": '"1"',
    "authorization": "Bearer mount",
    "user-agent": "elastik",
  });
  assertEquals(upstreamHeaders(client, undefined).get("authorization"), null);
});

Deno.test("returnedHeaders() keep what describes the content, and nothing else", () => {
  const upstream = new Headers({
    "content-type": "text/html",
    "etag": '"1"',
    "last-modified": "Sun, 31 May 2026 12:00:00 GMT",
    "set-cookie": "a=b",
    "cache-control": "public, max-age=31536000",
    "content-security-policy": "default-src *",
    "x-show": "shell",
  });
  assertEquals(returnedHeaders(upstream), {
    "cache-control": "no-cache",
    "vary": "Accept, Accept-Language",
    "content-type": "text/html",
    "etag": '"1"',
    "last-modified": "Sun, 31 May 2026 12:00:00 GMT",
  });
});

Deno.test("returnedHeaders() omit values that are long or not ASCII", () => {
  const etags = [`"${"x".repeat(1024)}"`, '"\u00e9"'];
  for (const etag of etags) assertEquals(returnedHeaders(new Headers({ etag })).etag, undefined);
  assertEquals(returnedHeaders(new Headers())["content-type"], "application/octet-stream");
});

Deno.test("containsBearer() finds the bearer in headers and content", () => {
  const content = (text: string) => ({ bytes: () => new TextEncoder().encode(text) });
  const bearer = "long-enough-bearer";
  assertEquals(containsBearer(bearer, {}, content(`{"a":"${bearer}"}`)), true);
  assertEquals(containsBearer(bearer, { etag: `"${bearer}"` }, content("")), true);
  assertEquals(containsBearer(bearer, {}, content("other")), false);
  assertEquals(containsBearer(undefined, {}, content("undefined")), false);
  // A short bearer may occur by chance, so only the header that carried it counts.
  assertEquals(containsBearer("abc", {}, content("abc")), false);
  assertEquals(containsBearer("abc", {}, content("Bearer abc")), true);
});
