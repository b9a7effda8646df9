import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { DAV_HEADERS } from "../../lib/dav/resource/dav_headers.ts";
import { DavRouter } from "../../lib/dav/router.ts";
import {
  deletedResponse,
  toNotModifiedResponse,
  writtenResponse,
} from "../../lib/routes/world_responses.ts";
import {
  basic,
  bearer,
  CLOSED,
  requireOneServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";
import { runScenarios } from "../support/scenario.ts";

const ALLOW =
  "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK";
const BASIC = 'Basic realm="elastik", charset="UTF-8"';

Deno.test("DavRouter checks the tier of the caller", async (t) => {
  await withServer({ env: CLOSED }, async (server) => {
    const inside = basic("agent", server.capability("/home/scratch", "rw"));
    const reader = basic("agent", server.capability("/home/scratch", "r"));
    const t2 = basic("ada", TOKEN);
    await server.approve("MKCOL", "/dav/home/scratch");
    await runScenarios(t, server, [
      {
        title: "returns the WebDAV classes and the allowed methods",
        send: "OPTIONS /dav/",
        status: 200,
        has: { dav: "1, 2", "ms-author-via": "DAV", allow: ALLOW, "content-length": "0" },
      },
      {
        title: "returns the WebDAV classes for every path below /dav",
        send: "OPTIONS /dav/home/x",
        status: 200,
        has: { dav: "1, 2" },
      },
      {
        title: "returns the WebDAV classes at the root, as Windows requires",
        send: "OPTIONS /",
        status: 204,
        has: { dav: "1, 2", "ms-author-via": "DAV" },
      },
      {
        title: "sends only a Basic challenge",
        send: "PUT /dav/home/a.txt",
        body: "x",
        status: 401,
        has: { "www-authenticate": BASIC },
      },
      {
        title: "accepts the T2 token as password",
        send: "PUT /dav/home/a.txt",
        as: t2,
        body: "x",
        status: 201,
        changes: {
          "home/a.txt": [["stage_written", {
            op: "put",
            len: 1,
            ext: "txt",
            version_after: 1,
            meta_headers: [],
            body_sha256_after: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
            by: "T2",
            name: "home/a.txt",
          }]],
        },
      },
      { title: "is allowed for T1", send: "GET /dav/home/a.txt", status: 200, text: "x" },
      { title: "is refused for T2", send: "DELETE /dav/home/a.txt", as: t2, status: 403 },
      {
        title: "creates a plugin source in the state pending",
        send: "PUT /dav/lib/p",
        as: t2,
        body: "1",
        status: 201,
        changes: { "lib/p": ["stage_written"] },
      },
      { title: "is refused for T2", send: "PUT /dav/etc/x", as: t2, body: "1", status: 403 },
      {
        title: "is refused for T2",
        send: "PROPFIND /dav/boot/",
        as: t2,
        headers: { depth: "0" },
        status: 403,
      },
      { title: "is refused for T2", send: "GET /dav/etc/shadow", as: t2, status: 403 },
      {
        title: "is refused for T2 in upper case too",
        send: "GET /dav/etc/SHADOW",
        as: t2,
        status: 403,
      },
      {
        title: "is allowed for the prefix of a capability",
        send: "PROPFIND /dav/home/scratch/",
        as: inside,
        headers: { depth: "1" },
        status: 207,
      },
      {
        title: "is allowed below the prefix of a capability",
        send: "PUT /dav/home/scratch/a",
        as: inside,
        body: "1",
        status: 201,
        changes: { "home/scratch/a": ["stage_written"] },
      },
      {
        title: "is refused outside the prefix of a capability",
        send: "PUT /dav/home/b",
        as: inside,
        body: "1",
        status: 403,
      },
      {
        title: "is refused for a path that only starts with the same characters",
        send: "PUT /dav/home/scratchpad",
        as: inside,
        body: "1",
        status: 403,
      },
      {
        title: "is refused above the prefix of a capability",
        send: "PROPFIND /dav/home/",
        as: inside,
        headers: { depth: "1" },
        status: 403,
      },
      {
        title: "is refused for a path with dot segments",
        send: "PUT /dav/home/scratch/../b",
        as: inside,
        body: "1",
        status: 400,
      },
      {
        title: "is refused for a read capability",
        send: "PUT /dav/home/scratch/a",
        as: reader,
        body: "2",
        status: 403,
      },
      {
        title: "is refused for a read capability",
        send: "LOCK /dav/home/scratch/a",
        as: reader,
        status: 403,
      },
      {
        title: "is refused for a read capability",
        send: "MKCOL /dav/home/scratch/c",
        as: reader,
        status: 403,
      },
      {
        title: "is refused for a wrong password",
        send: "PUT /dav/home/b",
        as: basic("ada", "wrong"),
        body: "1",
        status: 401,
        has: { "www-authenticate": BASIC },
      },
      {
        title: "is refused for a request from another origin",
        send: "MKCOL /dav/home/evil",
        as: t2,
        headers: { origin: "http://evil.example" },
        status: 403,
      },
    ]);
    await server.audit();
  });
});

Deno.test("DavRouter allows the WebDAV methods only and refuses ambiguous paths", async () => {
  await withServer({}, async (server) => {
    const post = await server.approve("POST", "/dav/home/a", "x");
    assertEquals(post.status, 405);
    assertStrictEquals(post.headers.get("allow"), ALLOW);
    for (
      const target of [
        "/dav/home%2Fa",
        "/dav//home/a",
        "/dav/./home/a",
        "/dav/home/%00",
        "/dav/\\a",
      ]
    ) assertEquals((await server.approve("PUT", target, "x")).status, 400, target);
    assertEquals((await server.approve("PUT", "/davhome/a", "x")).status, 404);
    assertEquals((await server.approve("GET", "/dav/mnt")).status, 404);
    assertEquals((await server.approve("GET", "/dav/proc/status")).status, 404);
    assertEquals((await server.approve("PUT", "/bin/dav/home/alias", "x")).status, 201);
    assertEquals((await server.approve("GET", "/dav/home/alias")).text, "x");
    assertEquals(Object.keys(DAV_HEADERS), ["dav", "ms-author-via"]);
    assertEquals(typeof DavRouter, "function");
  });
});

Deno.test("DavRouter returns the free space of the disk and not its path", async () => {
  await withServer({}, async (server) => {
    requireOneServer("its servers do not know the disk of the database");
    const body =
      '<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>';
    const { text } = await server.send({
      method: "PROPFIND",
      target: "/dav/home/",
      headers: { ...bearer(TOKEN), depth: "0" },
      body,
    });
    const [, available = "0"] = /<D:quota-available-bytes>(\d+)</.exec(text) ?? [];
    assert(Number(available) > 0, text);
    assert(/<D:quota-used-bytes>\d+</.test(text));
    assert(!text.includes(server.data));
  });
});

Deno.test("DavRouter accepts a chunked body", async () => {
  await withServer({}, async (server) => {
    const chunked = await server.send({
      method: "PUT",
      target: "/dav/home/chunked",
      headers: { "transfer-encoding": "chunked" },
      body: "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    });
    assertEquals(chunked.status, 201);
    assertEquals((await server.approve("GET", "/dav/home/chunked")).text, "abcdefg");
  });
});

Deno.test("writtenResponse(), deletedResponse() and toNotModifiedResponse() return status and headers", async () => {
  const written = { version: 2, ext: "md", sha256: "ab".repeat(32), state: "", updatedAt: "" };
  const created = writtenResponse("/home/ä", { ...written, created: true });
  assertEquals(created.status, 201);
  assertEquals(created.headers.get("location"), "/home/%C3%A4");
  assertEquals(await created.text(), '{"version":2,"ext":"md"}\n');
  assertEquals(
    writtenResponse("/home/a", { ...written, created: false }).headers.get("location"),
    null,
  );
  assertEquals(
    await deletedResponse([{ name: "home/a", trash: "t1" }]).text(),
    '{"deleted":["home/a"],"trash":["t1"]}\n',
  );
  const whole = new Response("x", { headers: { etag: '"1"', "content-range": "bytes 0-0/1" } });
  const same = toNotModifiedResponse(whole);
  assertEquals(same.status, 304);
  assertEquals(same.headers.get("etag"), '"1"');
  assertEquals(same.headers.get("content-range"), null);
});
