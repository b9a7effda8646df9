import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
} from "../../support/test_server.ts";
import { plugin, setState } from "../../plugin/plugin_test_server.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";

interface Hit {
  readonly name: string;
  readonly version: number;
  readonly line: number;
  readonly column: number;
  readonly snippet: string;
  readonly match: { readonly start: number; readonly end: number };
}

interface Found {
  readonly hits: readonly Hit[];
  readonly after?: string;
  readonly too_long?: readonly string[];
}

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

async function put(
  server: TestServer,
  target: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers = T2,
): Promise<void> {
  const { status, text } = await server.send({ method: "PUT", target, headers, body });
  assert(status === 200 || status === 201, text);
}

function query(prefix: string, q: string, more = ""): string {
  return `/proc/search/${prefix}?q=${encodeURIComponent(q)}${more}`;
}

/** The lines of a search as text. */
async function grep(
  server: TestServer,
  target: string,
  headers: Record<string, string> = T2,
): Promise<string[]> {
  const { status, text } = await server.send({ method: "GET", target, headers });
  assertStrictEquals(status, 200, text);
  return text.split("\n").slice(0, -1);
}

async function find(
  server: TestServer,
  target: string,
  headers: Record<string, string> = T2,
): Promise<Found> {
  const accept = { accept: "application/json" };
  const reply = await server.send({ method: "GET", target, headers: { ...headers, ...accept } });
  assertStrictEquals(reply.status, 200, reply.text);
  return JSON.parse(reply.text);
}

const test = suite("/proc/search", { env: CLOSED });

test("it answers the lines below a prefix as grep prints them, whatever their case", async (server) => {
  await put(server, "/home/a/two", "first\nA needle here\r\nnone\rNEEDLE and needle\n");
  await put(server, "/home/a/one", "needle");
  await put(server, "/home/a/sub/three", "no match\n");
  await put(server, "/home/b", "needle elsewhere");
  const reply = await server.send({
    method: "GET",
    target: query("home/a/", "Needle"),
    headers: T2,
  });
  assertStrictEquals(
    reply.text,
    "/home/a/one:1: needle\n/home/a/two:2: A needle here\n/home/a/two:4: NEEDLE and needle\n",
  );
  assertEquals(reply.headers.get("content-type"), "text/plain; charset=utf-8");
  assertEquals(reply.headers.get("cache-control"), "no-store");
  assertEquals(await grep(server, query("", "needle elsewhere")), ["/home/b:1: needle elsewhere"]);
  assertEquals(await grep(server, query("home/a/", "n", "&limit=1")), ["/home/a/one:1: needle"]);
  assertEquals(await grep(server, query("home/a/", "needle elsewhere")), []);
});

test("JSON has name, version, line, column and snippet with the match", async (server) => {
  await put(server, "/home/c/x", "old");
  await put(
    server,
    "/home/c/x",
    `\u{1f600} pre ${"long ".repeat(200)}Straße ${"tail ".repeat(200)}`,
  );
  const { hits } = await find(server, query("home/c/", "STRASSE"));
  assertStrictEquals(hits.length, 1);
  const [hit] = hits;
  assertEquals([hit?.name, hit?.version, hit?.line, hit?.column], ["home/c/x", 2, 1, 1007]);
  const chars = [...hit?.snippet ?? ""];
  assertStrictEquals(chars.slice(hit?.match.start, hit?.match.end).join(""), "Straße");
  assert(chars.length < 300 && chars.at(0) === "…" && chars.at(-1) === "…", hit?.snippet);
});

test("pages continue after a line, in JSON and in text", async (server) => {
  for (const name of ["x", "y"]) await put(server, `/home/d/${name}`, "hit\nmiss\nhit\nhit\n");
  const all = await grep(server, query("home/d/", "hit"));
  assertStrictEquals(all.length, 6);
  const seen: string[] = [];
  let target = query("home/d/", "hit", "&limit=2");
  for (;;) {
    const reply = await server.send({ method: "GET", target, headers: T2 });
    seen.push(...reply.text.split("\n").slice(0, -1));
    const next = /^<(.*)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1];
    if (next === undefined) break;
    target = next;
  }
  assertEquals(seen, all);
  const page = await find(server, query("home/d/", "hit", "&limit=4"));
  assertEquals(page.after, "/home/d/y:1");
  const rest = await find(server, query("home/d/", "hit", `&after=${page.after}`));
  assertEquals(rest.hits.map(({ name, line }) => `${name}:${line}`), ["home/d/y:3", "home/d/y:4"]);
  assertEquals(rest.after, undefined);
});

test("a search finds each change at once, and what is deleted no more", async (server) => {
  await put(server, "/home/e/x", "alpha");
  assertEquals(await grep(server, query("home/e/", "alpha")), ["/home/e/x:1: alpha"]);
  await put(server, "/home/e/x", "beta");
  assertEquals(await grep(server, query("home/e/", "alpha")), []);
  await server.send({ method: "POST", target: "/home/e/x", headers: T2, body: "\ngamma" });
  assertEquals(await grep(server, query("home/e/", "gamma")), ["/home/e/x:2: gamma"]);
  const headers = { ...T3, destination: "/dav/home/e/y" };
  await server.send({ method: "MOVE", target: "/dav/home/e/x", headers });
  assertEquals(await grep(server, query("home/e/", "gamma")), ["/home/e/y:2: gamma"]);
  await server.approve("DELETE", "/home/e/y");
  assertEquals(await grep(server, query("home/e/", "gamma")), []);
});

test("text in every script is found with one character or more", async (server) => {
  await put(server, "/home/f/x", "水を飲む\nİstanbul\nΟΔΟΣ\nﬁne\ncafe\u0301\n\u{1f600}x\n한국어\n");
  const expected: Record<string, number> = {
    "水": 1,
    "istanbul": 2,
    "οδος": 3,
    "FINE": 4,
    "CAFÉ": 5,
    "\u{1f600}": 6,
    "한국": 7,
    "語": 0,
  };
  for (const [q, line] of Object.entries(expected)) {
    const { hits } = await find(server, query("home/f/", q));
    assertEquals(hits.map((hit) => hit.line), line === 0 ? [] : [line], q);
  }
});

test("bytes that are not UTF-8 are not searched; lower-layer worlds are", async (server) => {
  const text = new TextEncoder().encode("findable");
  await put(server, "/home/g/bytes", new Uint8Array([0xff, 0xfe, ...text]));
  await put(server, "/home/g/mark", new Uint8Array([0xef, 0xbb, 0xbf, ...text]));
  assertEquals(await grep(server, query("home/g/", "findable")), ["/home/g/mark:1: findable"]);
  assertEquals(await grep(server, query("usr/", "a note")), ["/usr/share/doc/note.md:1: # A note"]);
  const target = "/usr/share/doc/note.md";
  await put(server, target, "covered", T3);
  assertEquals(await grep(server, query("usr/", "a note")), []);
  await server.approve("DELETE", target);
  assertEquals(await grep(server, query("usr/", "a note")), ["/usr/share/doc/note.md:1: # A note"]);
});

test("a caller gets only what a GET would show it", async (server) => {
  const cap = bearer(server.capability("/home/h/own", "r"));
  await put(server, "/home/h/own/x", "secretword own");
  await put(server, "/home/h/other/x", "secretword other");
  await put(server, "/boot/x", "secretword boot", T3);
  await put(server, "/var/cache/x/y", "secretword cache", T3);
  await put(server, "/etc/passwd", "ada:T1\n", T3);
  await put(server, "/etc/shadow", `ada:${sha256Hex(new TextEncoder().encode("pw"))}\n`, T3);
  await put(server, "/etc/fstab", "http://h.example/ /mnt/h ro,bearer=secretword\n", T3);
  const q = query("", "secretword");
  const namesFor = async (headers: Record<string, string>, target = q) =>
    (await find(server, target, headers)).hits.map(({ name }) => name);
  const open = ["home/h/other/x", "home/h/own/x"];
  assertEquals(await namesFor(cap), ["home/h/own/x"]);
  assertEquals(await namesFor(T2), open);
  assertEquals(await namesFor(basic("ada", "pw")), open);
  assertEquals(await namesFor(T3), ["boot/x", "etc/fstab", ...open, "var/cache/x/y"]);
  assertEquals(await namesFor(cap, query("home/h/", "secretword")), ["home/h/own/x"]);

  const mount = query("etc/", "/mnt/h");
  const [redacted] = (await find(server, mount)).hits;
  assertEquals(redacted?.snippet, "http://h.example/ /mnt/h ro,bearer=***");
  const [original] = (await find(server, mount, T3)).hits;
  assertEquals(original?.snippet, "http://h.example/ /mnt/h ro,bearer=secretword");
  const shadow = sha256Hex(new TextEncoder().encode("pw"));
  assertEquals(await namesFor(T2, query("etc/", shadow)), []);
  assertEquals(await namesFor(T3, query("etc/", shadow)), ["etc/shadow"]);

  const status = async (target: string, headers: Record<string, string>) =>
    (await server.send({ method: "GET", target, headers })).status;
  assertStrictEquals(await status(query("home/h/other/", "x"), cap), 403);
  assertStrictEquals(await status(query("boot/", "x"), T2), 403);
  assertStrictEquals(await status(query("boot/", "x"), T3), 200);
});

test("pages of a capability contain only its own worlds", async (server) => {
  const cap = bearer(server.capability("/home/i/m", "r"));
  for (const name of ["a/1", "m/1", "m/2", "z/1"]) {
    await put(server, `/home/i/${name}`, "hit\nhit\n");
  }
  const page = await find(server, query("home/i/", "hit", "&limit=3"), cap);
  assertEquals(page.hits.map(({ name, line }) => `${name}:${line}`), [
    "home/i/m/1:1",
    "home/i/m/1:2",
    "home/i/m/2:1",
  ]);
  const rest = await find(server, query("home/i/", "hit", `&after=${page.after}&limit=1`), cap);
  assertEquals([rest.hits[0]?.name, rest.hits[0]?.line, rest.after], ["home/i/m/2", 2, undefined]);
  const outside = await find(server, query("home/i/", "hit", "&after=/home/i/a/1:1"), cap);
  assertStrictEquals(outside.hits.length, 4);
});

test("a plugin with its own grants finds only what they cover, for every caller", async (server) => {
  await put(server, "/home/l/granted/x", "grantword one\n");
  await put(server, "/home/l/other/x", "grantword two\n");
  await put(server, "/etc/fstab", "http://h.example/ /mnt/h ro,bearer=grantword\n", T3);
  const manifest = { routes: ["/grantsearch"], grants: { "/home/l/granted/": "r" } };
  const source = plugin(
    manifest,
    `return await env[url.searchParams.get("as")].fetch(url.searchParams.get("path"));`,
  );
  await put(server, "/lib/grantsearch", source);
  const approved = await setState(server, "grantsearch", "active");
  assertStrictEquals(approved.status, 200, approved.text);
  const ask = async (as: string, path: string, headers: Record<string, string>) => {
    const target = `/grantsearch?as=${as}&path=${encodeURIComponent(path)}`;
    const { status, text } = await server.send({ method: "GET", target, headers });
    return status === 200 ? text.split("\n").slice(0, -1) : status;
  };
  const granted = "/home/l/granted/x:1: grantword one";
  const own = bearer(server.capability("/home/l/other", "r"));
  for (const headers of [T2, T3]) {
    for (const prefix of ["", "home/", "home/l/", "home/l/granted/"]) {
      assertEquals(await ask("machine", query(prefix, "grantword"), headers), [granted], prefix);
    }
    assertEquals(await ask("machine", query("home/l/other/", "grantword"), headers), 403);
    assertEquals(await ask("machine", query("etc/", "grantword"), headers), 403);
    assertEquals(await ask("machine", query("home/l/", "grantword", "&limit=1"), headers), [
      granted,
    ]);
  }
  const other = "/home/l/other/x:1: grantword two";
  assertEquals(await ask("caller", query("home/l/", "grantword"), T2), [granted, other]);
  assertEquals(await ask("caller", query("home/l/", "grantword"), own), [other]);
  await server.approve("DELETE", "/lib/grantsearch");
});

test("a browser that navigates gets the page of the shell", async (server) => {
  const headers = { ...T2, accept: "text/html,*/*;q=0.8" };
  const reply = await server.send({ method: "GET", target: "/proc/search/?q=a", headers });
  assertMatch(reply.text, /<title>the shell/);
});

test("a query that is not valid is refused with what would be", async (server) => {
  const cases: Record<string, RegExp> = {
    "/proc/search/": /\?q= is missing/,
    "/proc/search/?q=": /1 to 256 characters/,
    [query("", "a\nb")]: /without a line break/,
    [query("", "x".repeat(257))]: /1 to 256 characters/,
    [query("", "x", "&limit=0")]: /1 to 1000/,
    [query("", "x", "&limit=1001")]: /1 to 1000/,
    [query("", "x", "&after=12")]: /\/home\/x:12/,
    [query("", "x", "&q=y")]: /q/,
    [query("", "x", "&page=2")]: /page/,
  };
  for (const [target, detail] of Object.entries(cases)) {
    const { status, text } = await server.send({ method: "GET", target, headers: T2 });
    assertStrictEquals(status, 400, `${target} ${text}`);
    assertMatch(text, detail);
  }
  assertEquals(await grep(server, query("", "x".repeat(256))), []);
  assertEquals(await grep(server, query("", "\u{1f600}".repeat(256))), []);
  for (const target of ["/proc/search/home/a?q=x", query("f/", "x")]) {
    const { status, text } = await server.send({ method: "GET", target, headers: T2 });
    assertStrictEquals(status, 404, target);
    assertMatch(text, /\/proc\/search\/home\/(?:a|f)\//);
  }
  const post = await server.send({ method: "POST", target: "/proc/search/?q=x", headers: T2 });
  assertStrictEquals(post.status, 405);
});

test("a line longer than a part of the index is one hit, wherever the match is", async (server) => {
  const filler = "x".repeat(16_000);
  const line = `${filler}needle${filler}needle${filler}`;
  await put(server, "/home/j/long", `first\n${line}\nneedle\n`);
  const { hits } = await find(server, query("home/j/", "needle"));
  assertEquals(hits.map(({ line, column }) => [line, column]), [[2, 16_001], [3, 1]]);
  const later = await find(server, query("home/j/", `needle${"x".repeat(200)}`));
  assertEquals(later.hits.map((hit) => hit.line), [2]);
});

test("/proc/metrics counts searches and the worlds of the index", async (server) => {
  await put(server, "/home/k", "counted");
  await grep(server, query("home/", "counted"));
  const { text } = await server.send({ method: "GET", target: "/proc/metrics", headers: T2 });
  assertMatch(text, /^elastik_searches_total [1-9]/m);
  // A node counts what is in the database, once a minute.
  const counted = server.isCluster ? "\\d" : "[1-9]";
  assertMatch(text, new RegExp(`^elastik_search_worlds ${counted}`, "m"));
  assertMatch(text, new RegExp(`^elastik_search_index_bytes ${counted}`, "m"));
  assertMatch(text, /^elastik_search_pending_worlds \d/m);
  assertMatch(text, /^elastik_search_waiting_chars \d/m);
});
