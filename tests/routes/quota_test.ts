/** Quotas over HTTP and WebDAV: what each way to write answers, and what a refusal shows. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const test = suite("/etc/quota", { env: CLOSED });

function send(
  server: TestServer,
  line: string,
  body?: string | undefined,
  headers: Record<string, string> = T3,
) {
  const [method = "", target = ""] = line.split(" ");
  return server.send({ method, target, headers, ...(body === undefined ? {} : { body }) });
}

async function mint(server: TestServer, query: string): Promise<Record<string, string>> {
  const target = `/auth/mint?${query}&ttl=600`;
  const { text } = await server.send({ method: "POST", target, headers: T3 }, true);
  const { token } = JSON.parse(text);
  server.secrets.add(token);
  return bearer(token);
}

test("only T3 writes the list, and a malformed one is refused with its line", async (server) => {
  assertEquals((await send(server, "PUT /etc/quota", "prefix:/home bytes:1", T2)).status, 403);
  const bad = await send(server, "PUT /etc/quota", "# quotas\nprefix:/home bytes:many\n");
  assertEquals(bad.status, 422);
  assertMatch(JSON.parse(bad.text).detail, /line 2 is not a subject and its limits/);
  assertEquals((await send(server, "GET /etc/quota")).status, 404);
  // It names credentials and private paths.
  await send(server, "PUT /etc/quota", "name:kestrel bytes:1GiB\n");
  const cap = await mint(server, "prefix=/etc&mode=r");
  for (const [headers, status] of [[{}, 401], [T2, 403], [cap, 403], [T3, 200]] as const) {
    assertEquals((await send(server, "GET /etc/quota", undefined, headers)).status, status);
  }
  await send(server, "DELETE /etc/quota");
});

test("every way to write answers 507 over quota, and 413 for more than all of it", async (server) => {
  await send(server, "PUT /home/out", "0123456789");
  await send(server, "PUT /home/q/a", "012345");
  await send(server, "PUT /home/q/old", "01234567");
  const { text } = await send(server, "DELETE /home/q/old");
  const [trash] = JSON.parse(text).trash;
  await send(server, "PUT /etc/quota", "prefix:/home/q/ bytes:10 worlds:2\n");

  const to = { ...T3, destination: "/home/q/b" };
  const dav = { ...T3, destination: "/dav/home/q/b" };
  const edit = { ...T3, "content-type": "application/json" };
  const full: [
    status: number,
    line: string,
    body?: string | undefined,
    headers?: Record<string, string>,
  ][] = [
    [507, "PUT /home/q/b", "01234"],
    [507, "POST /home/q/b", "01234"],
    [507, "MOVE /home/out", undefined, to],
    [507, "COPY /dav/home/out", undefined, dav],
    [507, "MOVE /dav/home/out", undefined, dav],
    [507, "PUT /dav/home/q/b", "01234"],
    [507, `PUT /home/q/b?trash=${trash}`],
    // The world would be larger than the whole quota.
    [413, "POST /home/q/a", "01234"],
    [413, "PATCH /home/q/a", '{"append":"01234"}', edit],
    [413, "PUT /dav/home/q/a", "01234567890"],
    [413, "PUT /home/q/b", "x".repeat(11)],
  ];
  for (const [status, line, body, headers] of full) {
    const reply = await send(server, line, body, headers);
    assertEquals(reply.status, status, `${line}: ${reply.text}`);
    assertMatch(reply.text, /the quota of prefix:\/home\/q is 10 bytes/, line);
  }
  const usage = JSON.parse((await send(server, "GET /proc/usage/home/q/")).text);
  assertEquals([usage.worlds, usage.bytes], [1, 6]);

  const refused = JSON.parse((await send(server, "PUT /home/q/b", "01234")).text);
  assertEquals(refused.type, "/usr/share/doc/problems/quota-exceeded.md");
  assertEquals(
    refused.detail,
    "Cannot write /home/q/b: the quota of prefix:/home/q is 10 bytes, and the change needs 5 more; " +
      "delete or shorten worlds below /home/q, or ask the operator to raise it in /etc/quota; " +
      "6 bytes are used now",
  );
  // An earlier version that is longer.
  await send(server, "PUT /home/q/a", "1");
  await send(server, "PUT /home/q/b", "123456");
  assertEquals((await send(server, "PUT /home/q/a?from=1")).status, 507);
  assertEquals((await send(server, "MKCOL /dav/home/q/c")).status, 507);
  assertEquals((await send(server, "DELETE /home/q/b")).status, 200);
  assertEquals((await send(server, "MKCOL /dav/home/q/c")).status, 201);
  assertEquals((await send(server, "PUT /home/q/b", "")).status, 507);
  const quota = await send(
    server,
    "PROPFIND /dav/home/q",
    '<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>',
    { ...T3, depth: "0" },
  );
  assertMatch(quota.text, /quota-available-bytes>9<.*quota-used-bytes>1</);
  const metrics = await server.metrics();
  assertMatch(metrics, /elastik_quotas 1\n/);
  assertMatch(metrics, /elastik_quota_refused_total\{limit="size"\} [1-9]/);
  assertMatch(metrics, /elastik_quota_refused_total\{limit="worlds"\} 2/);
});

test("a refusal shows no sum to a caller that cannot read what it adds up", async (server) => {
  const holder = await mint(server, "prefix=/home/w/mine&mode=rw&name=k");
  await send(server, "PUT /home/w/secret", "x".repeat(7777));
  await send(server, "PUT /etc/quota", "prefix:/home/w bytes:7780\nname:k bytes:4\n");
  const own = await send(server, "PUT /home/w/mine/a", "0123", holder);
  assertEquals(own.status, 507);
  assert(!own.text.includes("used") && !own.text.includes("7777"), own.text);
  await send(server, "PUT /home/w/mine/a", "012", holder);
  const name = await send(server, "POST /home/w/mine/b", "01", holder);
  assertEquals(name.status, 507);
  assert(!name.text.includes("used"), name.text);
  const quota = await send(
    server,
    "PROPFIND /dav/home/w/mine",
    '<propfind xmlns="DAV:"><prop><quota-used-bytes/></prop></propfind>',
    { ...holder, depth: "0" },
  );
  assert(!/quota-used-bytes>(?:7780|3)</.test(quota.text), quota.text);
});

/** Sets one property of a resource to a text. */
async function setProperty(
  server: TestServer,
  path: string,
  text: string,
  headers: Record<string, string> = T3,
) {
  const body = '<D:propertyupdate xmlns:D="DAV:" xmlns:t="urn:t"><D:set><D:prop>' +
    `<t:a>${text}</t:a></D:prop></D:set></D:propertyupdate>`;
  return await send(server, `PROPPATCH /dav${path}`, body, headers);
}

/** Bytes of a quota that are used, as WebDAV shows them. */
async function usedBytes(server: TestServer, path: string): Promise<number> {
  const body = '<propfind xmlns="DAV:"><prop><quota-used-bytes/></prop></propfind>';
  const { text } = await send(server, `PROPFIND /dav${path}`, body, { ...T3, depth: "0" });
  return Number(/quota-used-bytes>(\d+)</.exec(text)?.[1]);
}

test("properties count where their resource is, for the caller that set them", async (server) => {
  await send(server, "PUT /home/p/a", "a");
  await send(server, "PUT /home/out", "b");
  // Set before there is a list: it is found when the list is set, and after a replaced list.
  assertEquals((await setProperty(server, "/home/p/a", "x".repeat(3_000))).status, 207);
  for (const bytes of [10_000, 5_000]) {
    await send(
      server,
      "PUT /etc/quota",
      `prefix:/home/p bytes:${bytes} worlds:3\nname:k bytes:900\n`,
    );
    await send(server, "PUT /home/p/b", "b");
    const used = await usedBytes(server, "/home/p/");
    assert(used > 3_000 && used < 3_500, `${used}`);
    await send(server, "DELETE /home/p/b");
  }
  const refused = await setProperty(server, "/home/p/", "x".repeat(2_000));
  assertEquals(refused.status, 507, refused.text);
  assertMatch(
    refused.text,
    /Cannot PROPPATCH \/home\/p: the quota of prefix:\/home\/p is 5000 bytes/,
  );
  const events = async (path: string) =>
    JSON.parse((await send(server, `GET /proc/log${path}`)).text);
  const before = await events("/home/p/a");
  assertEquals((await setProperty(server, "/home/p/a", "x".repeat(6_000))).status, 413);
  // A refused change leaves no event.
  assertEquals((await events("/home/p/a")).length, before.length);
  // Less than before, and the same again.
  assertEquals((await setProperty(server, "/home/p/a", "x".repeat(2_900))).status, 207);
  // Properties are no worlds: three fit.
  for (const name of ["b", "c"]) {
    assertEquals((await send(server, `PUT /home/p/${name}`, "")).status, 201);
  }
  // Inside the prefix a move needs no space; from outside, properties need it.
  const to = (destination: string) => ({ ...T3, destination });
  assertEquals(
    (await send(server, "MOVE /dav/home/p/a", undefined, to("/dav/home/p/d"))).status,
    201,
  );
  assert(await usedBytes(server, "/home/p/") > 2_900);
  await send(server, "DELETE /home/p/b");
  await setProperty(server, "/home/out", "x".repeat(4_000));
  assertEquals(
    (await send(server, "MOVE /dav/home/out", undefined, to("/dav/home/p/o"))).status,
    507,
  );
  assertMatch((await send(server, "GET /home/out")).text, /b/);
  // A move that fails after its properties were written leaves none of them.
  await send(server, "PUT /etc/quota", "prefix:/home/p bytes:9000 worlds:2\nname:k bytes:900\n");
  const held = await usedBytes(server, "/home/p/");
  assertEquals(
    (await send(server, "MOVE /dav/home/out", undefined, to("/dav/home/p/o"))).status,
    507,
  );
  assertEquals(await usedBytes(server, "/home/p/"), held);
  // The plain DELETE removes properties as well, of worlds and of collections.
  await setProperty(server, "/home/p/", "x".repeat(100));
  assertEquals((await send(server, "DELETE /home/p/")).status, 200);
  await send(server, "PUT /home/p/z", "");
  assertEquals(await usedBytes(server, "/home/p/"), 0);
  await send(server, "PUT /home/p/a", "");
  await setProperty(server, "/home/p/a", "x".repeat(100));
  await send(server, "DELETE /home/p/a");
  assertEquals(await usedBytes(server, "/home/p/"), 0);
  // For a capability with a name, wherever the resource is.
  const holder = await mint(server, "prefix=/home/k&mode=rw&name=k");
  await send(server, "PUT /home/k/a", "", holder);
  assertEquals((await setProperty(server, "/home/k/a", "x".repeat(500), holder)).status, 207);
  assertEquals((await send(server, "PUT /home/k/b", "x".repeat(400), holder)).status, 507);
});

test("a plugin gets 507 as an answer, for its caller's quotas and for its own", async (server) => {
  const source = `
    export const routes = ["/quota-try"];
    export const kv = true;
    export const grants = { "/home/m/": "rw" };
    export default {
      async fetch(request, env) {
        const [, , as, path] = new URL(request.url).pathname.match(/^(\\/[^/]+)\\/(\\w+)(.*)$/);
        const body = await request.text();
        try {
          const reply = as === "kv"
            ? { status: (await env.kv.set("k", body)).ok ? 200 : 0, text: () => "" }
            : await env[as].fetch(path, { method: "PUT", body });
          return Response.json({ status: reply.status, text: await reply.text() });
        } catch (error) {
          return Response.json({ status: 0, text: String(error) });
        }
      },
    };`;
  assertEquals((await send(server, "PUT /lib/quota-try", source)).status, 201);
  const active = await send(server, "PUT /lib/quota-try/state", "active");
  assertEquals(active.status, 200, active.text);
  await send(
    server,
    "PUT /etc/quota",
    "prefix:/home/m bytes:100\nplugin:quota-try bytes:10\nname:kp bytes:5\nprefix:/home/c bytes:8\n",
  );
  const holder = await mint(server, "prefix=/&mode=rw&name=kp");
  const call = async (as: string, path: string, body: string, headers = T3) => {
    const reply = await send(server, `POST /quota-try/${as}${path}`, body, headers);
    assertEquals(reply.status, 200, reply.text);
    return JSON.parse(reply.text);
  };
  // With its own rights it counts for the plugin, and not for its caller.
  assertEquals((await call("machine", "/home/m/a", "01234567")).status, 201);
  const own = await call("machine", "/home/m/b", "0123");
  assertEquals(own.status, 507);
  assertMatch(own.text, /Cannot write \/home\/m\/b: the quota of plugin:quota-try is 10 bytes/);
  assert(!own.text.includes("are used now"), own.text);
  assertMatch((await call("kv", "", "0123456789")).text, /quota of plugin:quota-try/);
  // With the rights of its caller it counts for the caller and for the prefix.
  assertEquals((await call("caller", "/home/c/a", "01234", holder)).status, 201);
  const name = await call("caller", "/home/d/b", "0", holder);
  assertEquals(name.status, 507);
  assertMatch(name.text, /the quota of name:kp is 5 bytes/);
  const prefix = await call("caller", "/home/c/b", "0123");
  assertEquals(prefix.status, 507);
  assertMatch(prefix.text, /the quota of prefix:\/home\/c is 8 bytes, .*; 5 bytes are used now/);
});

test("a full trash of a quota answers 507 to what adds something", async (server) => {
  await send(server, "PUT /etc/quota", "prefix:/home/t trash:1\n");
  await send(server, "PUT /home/t/a", "a");
  const { text } = await send(server, "DELETE /home/t/a");
  const refused = await send(server, "PUT /home/t/b", "b");
  assertEquals(refused.status, 507);
  assertMatch(
    refused.text,
    /Cannot write \/home\/t\/b: the trash of prefix:\/home\/t has the 1 bytes/,
  );
  assert(!refused.text.includes("used now"), refused.text);
  assertEquals(
    (await send(server, `PUT /home/t/a?trash=${JSON.parse(text).trash[0]}`)).status,
    201,
  );
  assertEquals((await send(server, "PUT /home/t/b", "b")).status, 201);
  // Properties that are set and removed again and again are in the trash as well.
  await setProperty(server, "/home/t/a", "x");
  const removal = '<D:propertyupdate xmlns:D="DAV:" xmlns:t="urn:t"><D:remove><D:prop><t:a/>' +
    "</D:prop></D:remove></D:propertyupdate>";
  assertEquals((await send(server, "PROPPATCH /dav/home/t/a", removal)).status, 207);
  assertEquals((await setProperty(server, "/home/t/a", "x")).status, 507);
  const metrics = await server.metrics();
  assertMatch(metrics, /elastik_quota_refused_total\{limit="trash"\} 2/);
});
