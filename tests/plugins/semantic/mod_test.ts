import { assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import semantic, { auth, permissions, routes } from "../../../plugins/semantic/mod.ts";
import { FakeServer } from "./fake_server.ts";

function request(target: string, headers: Record<string, string> = {}, method = "GET"): Request {
  return new Request(`http://localhost/shaped${target}`, { method, headers });
}

const server = new FakeServer();
server.put("/home/x", "The source.");
const fetch = (request: Request) => semantic.fetch(request, server.env({}));

Deno.test("the manifest declares the route, tier T2 and no permission", () => {
  assertEquals([routes, auth], [["/shaped"], "T2"]);
  assertEquals(permissions({ config: {} }), {});
});

Deno.test("permissions() throw for an invalid configuration", () => {
  assertThrows(
    () => permissions({ config: { "/etc/semantic.conf": "bugdet 7" } }),
    /Cannot read \/etc\/semantic\.conf: line 1/,
  );
});

Deno.test("GET /shaped/home/x sends a shape", async () => {
  const response = await fetch(request("/home/x", { accept: "text/plain" }));
  assertEquals([response.status, await response.text()], [200, "shaped text"]);
});

Deno.test("GET /shaped/home/x uses ?accept= and ?intent= before the headers", async () => {
  server.generate = () => new Response('data: {"a":1}\n\nevent: done\ndata: stop\n\n');
  const target = "/home/x?accept=application/json&intent=for%20me";
  const response = await fetch(request(target, { accept: "text/html" }));
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(server.sent.some(({ body }) => body.includes('"for me"')), true);
});

Deno.test("OPTIONS /shaped/home/x lists the methods and PUT is refused", async () => {
  const options = await fetch(request("/home/x", {}, "OPTIONS"));
  assertEquals([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
  const put = await fetch(request("/home/x", {}, "PUT"));
  assertEquals([put.status, put.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
});

Deno.test("GET /shaped/home/x shows the shell to a navigation", async () => {
  const headers = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
  const response = await fetch(request("/home/x", headers));
  assertEquals(response.headers.get("x-show"), "shell");
  assertMatch(response.headers.get("vary") ?? "", /Sec-Fetch-Mode/);
});

Deno.test("GET /shaped/home/x refuses a page of another site", async () => {
  assertEquals((await fetch(request("/home/x", { "sec-fetch-site": "cross-site" }))).status, 403);
});

Deno.test("GET /shaped/dev/gpu answers 404 before it negotiates", async () => {
  assertEquals((await fetch(request("/dev/gpu", { accept: "image/png" }))).status, 404);
});

Deno.test("GET /shaped/home/x answers errors as problems with its own headers", async () => {
  const json = await fetch(request("/home/absent", { accept: "application/json" }));
  assertEquals(json.headers.get("content-type"), "application/problem+json");
  assertEquals(
    ["x-semantic-cache", "cache-control", "vary"].map((name) => json.headers.get(name)),
    ["none", "no-store", "Accept, X-Semantic-Intent, User-Agent"],
  );
  assertEquals(JSON.parse(await json.text()).type, "/usr/share/doc/problems/not-found.md");
  const accept = "text/event-stream, text/html";
  const text = await fetch(request("/home/absent", { accept }));
  assertEquals(text.headers.get("content-type"), "text/plain; charset=utf-8");
  assertMatch(await text.text(), /^404 .*\nCannot read \/home\/absent/);
});

Deno.test("HEAD /shaped/home/absent answers without a body", async () => {
  const head = await fetch(request("/home/absent", {}, "HEAD"));
  assertEquals([head.status, await head.text()], [404, ""]);
});
