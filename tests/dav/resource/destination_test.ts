import { assertEquals, assertThrows } from "../../support/assert.ts";
import {
  parseOwnUrl,
  readDestination,
  toWorldTarget,
} from "../../../lib/dav/resource/destination.ts";
import { Problem } from "../../../lib/http/problem.ts";

const HOST = "localhost:3005";

function destination(sent: string | null, host = HOST): string {
  const headers = new Headers({ host });
  if (sent !== null) headers.set("destination", sent);
  const request = new Request("http://localhost:3005/dav/home/a", { method: "MOVE", headers });
  return readDestination(request).path;
}

function assertRefused(sent: string | null, status: number, host = HOST): void {
  assertThrows(
    () => destination(sent, host),
    (error) => error instanceof Problem && error.status === status,
    `${sent} ${status}`,
  );
}

Deno.test("readDestination() accepts a URL of this server and an absolute path", () => {
  assertEquals(destination("http://localhost:3005/dav/home/b"), "/home/b");
  assertEquals(destination("HTTP://LOCALHOST:3005/dav/home/b/"), "/home/b");
  assertEquals(destination("/dav/home/b"), "/home/b");
  assertEquals(destination("http://localhost:3005/dav/home/%C3%A4%20b"), "/home/ä b");
  assertEquals(destination("http://localhost:3005/dav"), "/");
});

Deno.test("readDestination() converts NFD to NFC", () => {
  assertEquals(destination("/dav/home/a%CC%88"), "/home/ä");
});

Deno.test("readDestination() applies default ports and ignores the scheme", () => {
  assertEquals(destination("http://h/dav/home/b", "h:80"), "/home/b");
  assertEquals(destination("https://h/dav/home/b", "h"), "/home/b");
  assertEquals(destination("https://h:443/dav/home/b", "h"), "/home/b");
});

Deno.test("readDestination() answers 502 for another server and for paths outside /dav", () => {
  assertRefused("http://elsewhere:3005/dav/home/b", 502);
  assertRefused("http://localhost:3006/dav/home/b", 502);
  assertRefused("http://user@localhost:3005/dav/home/b", 502);
  assertRefused("http://localhost:3005.evil/dav/home/b", 502);
  assertRefused("http:///dav/home/b", 502);
  assertRefused("/home/b", 502);
  assertRefused("/davhome/b", 502);
  assertRefused("/dav/home/b?x=1", 502);
});

Deno.test("readDestination() refuses ambiguous paths", () => {
  for (
    const sent of [
      "/dav/home/../etc/x",
      "/dav/home/%2e%2e/etc/x",
      "/dav/home%2Fx",
      "/dav//home/x",
      "/dav/home/a%00",
      "/dav/home/%ff",
      "/dav/home/a\\b",
      "http://localhost:3005/dav/home/./x",
    ]
  ) assertRefused(sent, 400);
  assertRefused(`/dav/home/${"a".repeat(9000)}`, 414);
});

Deno.test("readDestination() refuses a missing header and values that are not URLs", () => {
  assertRefused(null, 400);
  assertRefused("home/b", 400);
  assertRefused("//localhost:3005/dav/home/b", 400);
  assertRefused("ftp://localhost:3005/dav/home/b", 400);
  assertRefused("", 400);
});

Deno.test("parseOwnUrl() and toWorldTarget() return undefined for other servers and other paths", () => {
  assertEquals(parseOwnUrl("http://h/x", "h")?.path, "/x");
  assertEquals(parseOwnUrl("http://i/x", "h"), undefined);
  const dav = parseOwnUrl("/dav/home/x/", "h");
  assertEquals(dav && toWorldTarget(dav)?.name, "home/x");
  assertEquals(dav && toWorldTarget(dav)?.isCollection, true);
  const plain = parseOwnUrl("/home/x", "h");
  assertEquals(plain && toWorldTarget(plain), undefined);
});
