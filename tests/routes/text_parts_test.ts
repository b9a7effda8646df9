/** `?lines=` and `?diff=` of worlds over HTTP. Rows depend on earlier rows. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const test = suite("GET /<world> reads lines and differences of texts", {
  env: { ...CLOSED, ELASTIK_HISTORY: "3:10000000", ELASTIK_MAX_BODY: "20000000" },
});

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

function lines(range: string, text: string): Scenario {
  return {
    title: `has the lines ${range}`,
    send: `GET /home/l?lines=${range}`,
    status: 200,
    has: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
    text,
  };
}

function refused(query: string, status: number, text: RegExp): Scenario {
  return { title: `is refused with ${status}`, send: `GET /home/l?${query}`, status, text };
}

const LINES: readonly Scenario[] = [
  {
    title: "stores three lines",
    send: "PUT /home/l",
    as: T2,
    body: "one\ntwo\r\nthree",
    status: 201,
    changes: { "home/l": ["stage_written"] },
  },
  lines("1", "one\n"),
  lines("2", "two\r\n"),
  lines("3", "three"),
  lines("1-2", "one\ntwo\r\n"),
  lines("2-", "two\r\nthree"),
  lines("2-99", "two\r\nthree"),
  lines("1-", "one\ntwo\r\nthree"),
  refused("lines=4", 400, /Cannot read line 4 of \/home\/l: it has 3 lines/),
  refused("lines=4-", 400, /it has 3 lines/),
  refused("lines=0", 400, /\?lines=0 is not valid; send the numbers of lines, such as \?lines=3-5/),
  refused("lines=3-2", 400, /not valid/),
  refused("lines=-2", 400, /not valid/),
  refused("lines=1&raw", 400, /exclude each other/),
  refused("lines=1&lines=2", 400, /sent twice/),
  {
    title: "answers HEAD with the length of the lines",
    send: "HEAD /home/l?lines=1",
    status: 200,
    has: { "content-length": "4", etag: /^"1-[0-9a-f]{16}\.lines-1-1"$/ },
  },
  {
    title: "stores bytes",
    send: "PUT /home/b",
    as: T2,
    body: new Uint8Array([0xff, 0x0a]),
    status: 201,
    changes: { "home/b": ["stage_written"] },
  },
  {
    title: "refuses bytes",
    send: "GET /home/b?lines=1",
    status: 406,
    text: /\?raw reads the bytes/,
  },
  { title: "finds nothing", send: "GET /home/none?lines=1", status: 404 },
  { title: "finds no collection", send: "GET /home?lines=1", status: 400 },
  {
    title: "stores an empty text",
    send: "PUT /home/e",
    as: T2,
    body: "",
    status: 201,
    changes: { "home/e": ["stage_written"] },
  },
  { title: "has no line", send: "GET /home/e?lines=1", status: 400, text: /it has 0 lines/ },
];

test("?lines answers lines of a text", async (server, t) => {
  await runScenarios(t, server, LINES);
  const first = await server.send({ method: "GET", target: "/home/l?lines=1" });
  const tag = first.headers.get("etag") ?? "";
  const again = await server.send({
    method: "GET",
    target: "/home/l?lines=1",
    headers: { "if-none-match": tag },
  });
  assertEquals([again.status, again.text], [304, ""]);
  await server.approve("PUT", "/home/l", "new\n");
  const earlier = await server.send({ method: "GET", target: "/home/l?lines=2&at=1" });
  assertStrictEquals(earlier.text, "two\r\n");
  const write = await server.send({
    method: "PUT",
    target: "/home/l",
    headers: { ...T2, "if-match": tag },
    body: "lost",
  });
  assertStrictEquals(write.status, 412);
});

const V1 = "a\nb\nc\n";
const V2 = "a\nB\nc\n";

test("?diff answers a unified diff that PATCH applies", async (server, t) => {
  for (const text of [V1, V2, "z"]) await server.approve("PUT", "/home/d", text);
  await runScenarios(t, server, [
    {
      title: "compares two versions",
      send: "GET /home/d?diff=1..2",
      status: 200,
      has: {
        "content-type": "text/x-diff; charset=utf-8",
        etag: /^"2-[0-9a-f]{16}\.diff-1-[0-9a-f]{8}"$/,
      },
      text: "--- a/home/d\tversion 1\n+++ b/home/d\tversion 2\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
    },
    {
      title: "compares with the current version",
      send: "GET /home/d?diff=2",
      status: 200,
      text: /\n\+z\n\\ No newline at end of file\n$/,
    },
    {
      title: "compares backwards",
      send: "GET /home/d?diff=2..1",
      status: 200,
      text: /\n-B\n\+b\n/,
    },
    { title: "is empty for equal versions", send: "GET /home/d?diff=3", status: 200, text: "" },
    { title: "finds no later version", send: "GET /home/d?diff=1..9", status: 404 },
    { title: "finds no world", send: "GET /home/none?diff=1", status: 404 },
    { title: "refuses a word", send: "GET /home/d?diff=x", status: 400, text: /\?diff=3\.\.5/ },
    { title: "refuses a version with ?at", send: "GET /home/d?diff=1&at=2", status: 400 },
    {
      title: "compares a covering world with the lower layer",
      send: "PUT /usr/share/doc/note.md",
      as: T3,
      body: "# A note\nmore\n",
      status: 200,
      changes: { "usr/share/doc/note.md": ["stage_written"] },
    },
    {
      title: "has version 0 as the lower layer",
      send: "GET /usr/share/doc/note.md?diff=0",
      status: 200,
      text: /@@ -1,1 \+1,2 @@\n # A note\n\+more\n$/,
    },
  ]);
  const back = (await server.send({ method: "GET", target: "/home/d?diff=3..1" })).text;
  const patched = await server.send({
    method: "PATCH",
    target: "/home/d",
    headers: { ...T2, "content-type": "text/x-diff" },
    body: back,
  });
  assertStrictEquals(patched.status, 200, patched.text);
  assertStrictEquals((await server.approve("GET", "/home/d?raw")).text, V1);
  for (let i = 0; i < 4; i++) await server.approve("PUT", "/home/d", `${i}`);
  assertStrictEquals((await server.approve("GET", "/home/d?diff=1")).status, 410);
});

test("?diff refuses what is not text, and shows a redacted world redacted", async (server) => {
  await server.approve("PUT", "/home/b", new Uint8Array([0xff]));
  await server.approve("PUT", "/home/b?ext=txt", "text");
  assertStrictEquals((await server.approve("GET", "/home/b?diff=1")).status, 406);
  server.secrets.add("bearer-5ecret");
  await server.approve("PUT", "/etc/fstab", "https://a.example /mnt/a ro,bearer=bearer-5ecret\n");
  await server.approve("PUT", "/etc/fstab", "https://b.example /mnt/a ro,bearer=bearer-5ecret\n");
  const shown = await server.send({ method: "GET", target: "/etc/fstab?diff=1", headers: T2 });
  assertStrictEquals(shown.status, 200);
  assertMatch(shown.text, /\+https:\/\/b\.example .*bearer=\*\*\*/);
  const line = await server.send({ method: "GET", target: "/etc/fstab?lines=1", headers: T2 });
  assertMatch(line.text, /^https:\/\/b\.example .*bearer=\*\*\*/);
  const secret = await server.send({ method: "GET", target: "/etc/shadow?lines=1", headers: T2 });
  assertStrictEquals(secret.status, 403);
});

test("?diff of long texts with nothing in common ends soon, and longer ones are refused", async (server) => {
  const text = (mark: string) =>
    Array.from({ length: 60_000 }, (_, i) => `${mark} ${(i * 7919) % 60_013}\n`).join("");
  await server.approve("PUT", "/home/long", text("a"));
  await server.approve("PUT", "/home/long", text("b"));
  const start = performance.now();
  const [diff, read] = await Promise.all([
    server.approve("GET", "/home/long?diff=1..2"),
    server.approve("GET", "/home/long?lines=1"),
  ]);
  assertEquals([diff.status, read.text], [200, "b 0\n"]);
  const long = performance.now() - start;
  await server.approve("PUT", "/home/long", `another line\n${text("b")}`);
  const next = performance.now();
  assertEquals((await server.approve("GET", "/home/long?diff=2..3")).status, 200);
  const short = performance.now() - next;
  // Myers' algorithm needs 40,000 times as long for texts with nothing in common as for one new line.
  assert(long < 1_000 * Math.max(short, 5), `${long} ms, for one new line ${short} ms`);
  await server.approve("PUT", "/home/long", "x".repeat(8 * 1024 * 1024 + 1));
  const refused = await server.approve("GET", "/home/long?diff=3");
  assertEquals([refused.status, /at most 8388608/.test(refused.text)], [422, true]);
});
