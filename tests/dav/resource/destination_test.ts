import { equal, throws } from "node:assert/strict";
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

function refuses(sent: string | null, status: number, host = HOST): void {
  throws(
    () => destination(sent, host),
    (error) => error instanceof Problem && error.status === status,
    `${sent} ${status}`,
  );
}

Deno.test("readDestination() accepts a URL of this server and an absolute path", () => {
  equal(destination("http://localhost:3005/dav/home/b"), "/home/b");
  equal(destination("HTTP://LOCALHOST:3005/dav/home/b/"), "/home/b");
  equal(destination("/dav/home/b"), "/home/b");
  equal(destination("http://localhost:3005/dav/home/%C3%A4%20b"), "/home/ä b");
  equal(destination("http://localhost:3005/dav"), "/");
});

Deno.test("readDestination() converts NFD to NFC", () => {
  equal(destination("/dav/home/a%CC%88"), "/home/ä");
});

Deno.test("readDestination() applies default ports and ignores the scheme", () => {
  equal(destination("http://h/dav/home/b", "h:80"), "/home/b");
  equal(destination("https://h/dav/home/b", "h"), "/home/b");
  equal(destination("https://h:443/dav/home/b", "h"), "/home/b");
});

Deno.test("readDestination() answers 502 for another server and for paths outside /dav", () => {
  refuses("http://elsewhere:3005/dav/home/b", 502);
  refuses("http://localhost:3006/dav/home/b", 502);
  refuses("http://user@localhost:3005/dav/home/b", 502);
  refuses("http://localhost:3005.evil/dav/home/b", 502);
  refuses("http:///dav/home/b", 502);
  refuses("/home/b", 502);
  refuses("/davhome/b", 502);
  refuses("/dav/home/b?x=1", 502);
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
  ) refuses(sent, 400);
  refuses(`/dav/home/${"a".repeat(9000)}`, 414);
});

Deno.test("readDestination() refuses a missing header and values that are not URLs", () => {
  refuses(null, 400);
  refuses("home/b", 400);
  refuses("//localhost:3005/dav/home/b", 400);
  refuses("ftp://localhost:3005/dav/home/b", 400);
  refuses("", 400);
});

Deno.test("parseOwnUrl() and toWorldTarget() return undefined for other servers and other paths", () => {
  equal(parseOwnUrl("http://h/x", "h")?.path, "/x");
  equal(parseOwnUrl("http://i/x", "h"), undefined);
  const dav = parseOwnUrl("/dav/home/x/", "h");
  equal(dav && toWorldTarget(dav)?.name, "home/x");
  equal(dav && toWorldTarget(dav)?.isCollection, true);
  const plain = parseOwnUrl("/home/x", "h");
  equal(plain && toWorldTarget(plain), undefined);
});
