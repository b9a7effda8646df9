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

Deno.test("readDestination() reads a URL of this machine, or an absolute path", () => {
  equal(destination("http://localhost:3005/dav/home/b"), "/home/b");
  equal(destination("HTTP://LOCALHOST:3005/dav/home/b/"), "/home/b");
  equal(destination("/dav/home/b"), "/home/b");
  equal(destination("http://localhost:3005/dav/home/%C3%A4%20b"), "/home/ä b");
  equal(destination("http://localhost:3005/dav"), "/");
});

Deno.test("readDestination() brings NFD to NFC, as every path", () => {
  equal(destination("/dav/home/a%CC%88"), "/home/ä");
});

Deno.test("readDestination() knows default ports, and no scheme from another", () => {
  equal(destination("http://h/dav/home/b", "h:80"), "/home/b");
  equal(destination("https://h/dav/home/b", "h"), "/home/b");
  equal(destination("https://h:443/dav/home/b", "h"), "/home/b");
});

Deno.test("readDestination() answers another machine, and another part of this one, with 502", () => {
  refuses("http://elsewhere:3005/dav/home/b", 502);
  refuses("http://localhost:3006/dav/home/b", 502);
  refuses("http://user@localhost:3005/dav/home/b", 502);
  refuses("http://localhost:3005.evil/dav/home/b", 502);
  refuses("http:///dav/home/b", 502);
  refuses("/home/b", 502);
  refuses("/davhome/b", 502);
  refuses("/dav/home/b?x=1", 502);
});

Deno.test("readDestination() refuses what has two readings, by the one function that reads paths", () => {
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

Deno.test("readDestination() refuses what is no URL, and nothing at all", () => {
  refuses(null, 400);
  refuses("home/b", 400);
  refuses("//localhost:3005/dav/home/b", 400);
  refuses("ftp://localhost:3005/dav/home/b", 400);
  refuses("", 400);
});

Deno.test("parseOwnUrl() tells our URLs from others, toWorldTarget() what lies below /dav", () => {
  equal(parseOwnUrl("http://h/x", "h")?.path, "/x");
  equal(parseOwnUrl("http://i/x", "h"), undefined);
  const dav = parseOwnUrl("/dav/home/x/", "h");
  equal(dav && toWorldTarget(dav)?.name, "home/x");
  equal(dav && toWorldTarget(dav)?.isCollection, true);
  const plain = parseOwnUrl("/home/x", "h");
  equal(plain && toWorldTarget(plain), undefined);
});
