import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { parseLockInfo, writeLockDiscovery } from "../../../lib/dav/locks/lock_xml.ts";
import { unlock } from "../../../lib/dav/methods/lock.ts";
import { parseXml } from "../../../lib/dav/xml/xml_reader.ts";
import { MAX_DAV_LOCK_SECONDS } from "../../../lib/dav_limits.ts";
import { withApp } from "../../support/app.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  oneServerTest,
  startTestServer,
  TOKEN,
  withServer,
} from "../../support/test_server.ts";
import { type Ask, createAsk, hrefs, lockBody, resources, setBody, T3 } from "../ask.ts";

/** Locks a path and returns the token in brackets. */
async function lockOf(ask: Ask, path: string, more: Record<string, string> = {}, status = 200) {
  const answer = await ask(`LOCK ${path}`, status, more, lockBody());
  return answer.headers.get("lock-token") ?? "";
}

Deno.test("lock() prevents changes without the token, through WebDAV and on plain paths", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "a");
    const token = await lockOf(ask, "/dav/home/a");
    assertMatch(token, /^<urn:uuid:[0-9a-f-]{36}>$/);
    for (
      const line of [
        "PUT /home/a",
        "POST /home/a",
        "PUT /home/a?from=1",
        "DELETE /home/a",
        "DELETE /home/a/",
        "PUT /dav/home/a",
        "DELETE /dav/home/a",
      ]
    ) {
      const target = line === "DELETE /home/a/" ? 404 : 423;
      await ask(line, target, {}, /from|DELETE/.test(line) ? undefined : "b");
    }
    const refused = await ask("PROPPATCH /dav/home/a", 423, {}, setBody("x", "1"));
    assertMatch(refused.text, /<D:lock-token-submitted><D:href>\/dav\/home\/a<\/D:href>/);
    const plain = await ask("PUT /home/a", 423, { accept: "application/json" }, "b");
    assertMatch(plain.text, /problems\/locked\.md/);
    assertEquals((await ask("GET /home/a?raw", 200)).text, "a");
    // With the token, requests to both paths succeed, with and without a URL in the If header.
    await ask("PUT /dav/home/a", 204, { if: `(${token})` }, "b");
    await ask("PUT /home/a", 200, { if: `(${token})` }, "c");
    await ask("POST /home/a", 200, { if: `</home/a> (${token})` }, "d");
    await ask("PUT /home/a", 200, { if: `<http://localhost/dav/home/a> (${token})` }, "e");
    await ask("PUT /home/a", 412, { if: "(<urn:uuid:none>)" }, "f");
    await ask("UNLOCK /dav/home/a", 204, { "lock-token": token });
    await ask("PUT /home/a", 200, {}, "g");
  });
});

Deno.test("lock() of a collection protects its members through WebDAV and on plain paths", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    await ask("PUT /dav/home/c/a", 201, {}, "a");
    const flat = await lockOf(ask, "/dav/home/c", { depth: "0" });
    // Depth 0 protects the membership, not the content of the members.
    await ask("PUT /home/c/a", 200, {}, "b");
    await ask("PUT /home/c/new", 423, {}, "b");
    await ask("PUT /dav/home/c/new", 423, {}, "b");
    await ask("MKCOL /dav/home/c/d", 423);
    await ask("DELETE /home/c/a", 423);
    await ask("DELETE /home/c/", 423);
    await ask("LOCK /dav/home/c/new", 423, {}, lockBody());
    await ask("PUT /home/c/new", 201, { if: `</dav/home/c> (${flat})` }, "b");
    await ask("UNLOCK /dav/home/c", 204, { "lock-token": flat });
    const deep = await lockOf(ask, "/dav/home/c/", { depth: "infinity" });
    await ask("PUT /home/c/a", 423, {}, "c");
    await ask("PUT /home/c/x/y", 423, {}, "c");
    await ask("PUT /home/c/a", 200, { if: `(${deep})` }, "c");
    await ask("UNLOCK /dav/home/c/a", 204, { "lock-token": deep });
    await ask("PUT /home/c/a", 200, {}, "d");
  });
});

Deno.test("lock() of a member prevents the deletion of its collection", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    await ask("PUT /dav/home/c/a", 201, {}, "a");
    await ask("PUT /dav/home/c/b", 201, {}, "b");
    const token = await lockOf(ask, "/dav/home/c/b");
    const stopped = await ask("DELETE /dav/home/c", 207);
    assertEquals(resources(stopped.text).map(({ href, status }) => [href, status]), [
      ["/dav/home/c/b", "423"],
    ]);
    await ask("DELETE /home/c/", 423);
    assertEquals(hrefs(await ask("PROPFIND /dav/home/c", 207, { depth: "1" })).length, 3);
    await ask("DELETE /dav/home/c", 204, { if: `</dav/home/c/b> (${token})` });
    await ask("PROPFIND /dav/home/c", 404);
    // The lock was removed with the world, so the name can be used.
    await ask("PUT /home/c/b", 201, {}, "b");
  });
});

Deno.test("lock() expires, and a refresh restarts its time", async () => {
  const clock = { now: Date.now() };
  await withApp({ now: () => clock.now }, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "a");
    const token = await lockOf(ask, "/dav/home/a", { timeout: "Second-100" });
    clock.now += 99_000;
    await ask("PUT /home/a", 423, {}, "b");
    const refreshed = await ask("LOCK /dav/home/a", 200, {
      if: `(${token})`,
      timeout: "Second-50",
    });
    assertMatch(refreshed.text, /<D:timeout>Second-50<\/D:timeout>/);
    clock.now += 49_000;
    await ask("PUT /home/a", 423, {}, "b");
    clock.now += 1_000;
    await ask("PUT /home/a", 200, {}, "b");
    // A request with the expired token is refused.
    await ask("PUT /dav/home/a", 412, { if: `(${token})` }, "c");
    await ask("LOCK /dav/home/a", 412, { if: `(${token})` });
    await ask("UNLOCK /dav/home/a", 409, { "lock-token": token });
    const long = await ask("LOCK /dav/home/a", 200, { timeout: "Infinite" }, lockBody());
    assert(long.text.includes(`<D:timeout>Second-${MAX_DAV_LOCK_SECONDS}</D:timeout>`));
  });
});

/** Why a restart cannot end a lock of a cluster. */
const LOCKS_REMAIN = "its locks are in the database";

oneServerTest(
  "lock() remains after writes and other requests, but not after a restart",
  LOCKS_REMAIN,
  async () => {
    const data = await Deno.makeTempDir({ prefix: "elastik-test-" });
    try {
      const first = await startTestServer({ data });
      await first.approve("PUT", "/home/a", "a");
      const locked = await first.send({
        method: "LOCK",
        target: "/dav/home/a",
        headers: { timeout: "Infinite" },
        body: lockBody(),
      });
      assertEquals(locked.status, 200);
      const headers = { if: `(${locked.headers.get("lock-token")})` };
      for (let i = 0; i < 3; i++) {
        assertEquals(
          (await first.send({ method: "PUT", target: "/home/a", headers, body: "b" })).status,
          200,
        );
      }
      assertEquals((await first.send({ method: "PUT", target: "/home/a", body: "c" })).status, 423);
      await first.stop();
      const second = await startTestServer({ data });
      // The lock does not exist any more: a client that still sends its token gets 412.
      const after = (more: Record<string, string>) =>
        second.send({ method: "PUT", target: "/dav/home/a", headers: more, body: "d" });
      assertEquals((await after(headers)).status, 412);
      assertEquals((await after({})).status, 204);
      await second.stop();
    } finally {
      await Deno.remove(data, { recursive: true });
    }
  },
);

Deno.test("lock() of a missing resource creates an empty world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const token = await lockOf(ask, "/dav/home/new.txt", {}, 201);
    const got = await ask("GET /dav/home/new.txt", 200);
    assertEquals(got.text, "");
    assertMatch(got.headers.get("content-type") ?? "", /^text\/plain/);
    await ask("PUT /dav/home/new.txt", 204, { if: `(${token})` }, "words");
    await ask("UNLOCK /dav/home/new.txt", 204, { "lock-token": token });
    await ask("LOCK /dav/home/none/x", 409, {}, lockBody());
    await ask("LOCK /dav/home/a:b", 400, {}, lockBody());
    await ask("LOCK /dav/home/folder/", 405, {}, lockBody());
    assertEquals(app.store.stat("home/none/x"), undefined);
  });
});

Deno.test("lock() appears in lockdiscovery with the owner element of the client", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "a");
    const token = await lockOf(ask, "/dav/home/a", { timeout: "Second-77" });
    const { text } = await ask("PROPFIND /dav/home/a", 207, { depth: "0" });
    for (
      const part of [
        token.slice(1, -1),
        "Second-77",
        "mailto:ada",
        "<D:depth>infinity</D:depth>",
        "<D:lockroot><D:href>/dav/home/a</D:href></D:lockroot>",
      ]
    ) assert(text.includes(part), part);
    assert(!text.includes("T3"));
  });
});

Deno.test("lock() is refused if it conflicts with another lock", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "a");
    const shared = await ask("LOCK /dav/home/a", 200, {}, lockBody("shared"));
    const other = await ask("LOCK /dav/home/a", 200, {}, lockBody("shared"));
    const refused = await ask("LOCK /dav/home/a", 423, {}, lockBody());
    assertMatch(refused.text, /<D:no-conflicting-lock><D:href>\/dav\/home\/a<\/D:href>/);
    await ask("LOCK /dav/home", 423, {}, lockBody());
    // The token of one shared lock is enough.
    await ask("PUT /home/a", 423, {}, "b");
    await ask("PUT /home/a", 200, { if: `(${other.headers.get("lock-token")})` }, "b");
    await ask("PUT /home/a", 200, { if: `(${shared.headers.get("lock-token")})` }, "b");
  });
});

Deno.test("lock() and unlock() refuse invalid requests", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "a");
    for (
      const body of [
        "<lockinfo/>",
        '<D:lockinfo xmlns:D="DAV:"/>',
        lockBody().replace("<D:write/>", "<D:read/>"),
        lockBody().replace("<D:exclusive/>", "<D:exclusive/><D:shared/>"),
        lockBody().replace("mailto:ada", "x".repeat(5000)),
        "{",
      ]
    ) await ask("LOCK /dav/home/a", 400, {}, body);
    await ask("LOCK /dav/home/a", 400, { depth: "1" }, lockBody());
    await ask("LOCK /dav/home/a", 412);
    await ask("UNLOCK /dav/home/a", 400);
    await ask("UNLOCK /dav/home/a", 409, { "lock-token": "<urn:uuid:none>" });
    await ask("PUT /dav/home/a", 400, { if: "(broken" }, "b");
    assertEquals(typeof unlock, "function");
  });
});

Deno.test("lock() requires the right to write, and a token is valid only for its owner", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    await server.approve("PUT", "/home/a", "a");
    const send = (method: string, token: string, headers: Record<string, string>, body?: string) =>
      server.send({
        method,
        target: "/dav/home/a",
        headers: { ...(token === "" ? {} : bearer(token)), ...headers },
        ...(body === undefined ? {} : { body }),
      });
    const cap = server.capability("/home", "rw");
    assertEquals((await send("LOCK", "", {}, lockBody())).status, 401);
    assertEquals((await send("LOCK", server.capability("/home", "r"), {}, lockBody())).status, 403);
    const locked = await send("LOCK", cap, {}, lockBody());
    assertEquals(locked.status, 200);
    const token = locked.headers.get("lock-token") ?? "";
    // All callers can read the token in lockdiscovery, but it is valid only for the owner.
    assertEquals((await send("PUT", TOKEN, { if: `(${token})` }, "stolen")).status, 423);
    assertEquals((await send("UNLOCK", TOKEN, { "lock-token": token })).status, 403);
    assertEquals((await send("LOCK", TOKEN, { if: `(${token})` })).status, 403);
    assertEquals((await send("PUT", cap, { if: `(${token})` }, "mine")).status, 204);
    // Callers that can delete the world can remove its lock, for example after a client crashed.
    assertEquals((await server.approve("UNLOCK", "/dav/home/a")).status, 400);
    const broken = await server.send({
      method: "UNLOCK",
      target: "/dav/home/a",
      headers: {
        ...bearer(APPROVE),
        "lock-token": token,
      },
    });
    assertEquals(broken.status, 204);
    assertEquals((await send("PUT", TOKEN, {}, "free")).status, 204);
    await server.audit();
  });
});

Deno.test("evaluateIfHeader() does not confirm the tag of a world that the caller cannot read", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const put = await ask("PUT /dav/boot/secret", 201, {}, "s");
    await ask("PUT /dav/home/a", 201, {}, "a");
    const guess = { if: `</dav/boot/secret> ([${put.headers.get("etag")}])` };
    await ask("PUT /dav/home/a", 204, guess, "b");
    await ask("PUT /dav/home/a", 412, { ...guess, authorization: "" }, "b");
  });
});

Deno.test("assertUnlocked() honours the If header of plain PUT, POST and DELETE without a lock", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const none = "(<urn:uuid:none>)";
    await ask("PUT /home/a", 400, { if: "this is no If header" }, "a");
    await ask("PUT /home/a", 412, { if: none }, "a");
    await ask("PUT /home/a", 412, { if: '(["1"])' }, "a");
    await ask("GET /home/a", 404);
    const put = await ask("PUT /home/a", 201, { if: "(Not <urn:uuid:none>)" }, "a");
    const dav = (await ask("GET /dav/home/a", 200)).headers.get("etag");
    for (const line of ["PUT /home/a", "POST /home/a", "DELETE /home/a", "PUT /home/a?from=1"]) {
      for (const header of [none, '(["2"])', '(Not ["1"])', `(Not [${dav}])`, '(["1"] <urn:x>)']) {
        const body = /DELETE|from/.test(line) ? undefined : "b";
        await ask(line, 412, { if: header }, body);
      }
    }
    assertEquals((await ask("GET /home/a?raw", 200)).text, "a");
    await ask("PUT /home/a", 200, { if: `${none} ([${dav}])` }, "b");
    await ask("PUT /home/a", 412, { if: `([${put.headers.get("etag")}])` }, "c");
    const raw = (await ask("GET /home/a?raw", 200)).headers.get("etag");
    await ask("POST /home/a", 200, { if: `([${raw}])` }, "c");
    await ask("PUT /home/b", 201, { if: '</home/a> (["3"])' }, "b");
    await ask("PUT /home/b", 412, { if: '</home/a> (["2"])' }, "c");
    await ask("DELETE /home/a", 200, { if: '(["3"])' });
  });
});

Deno.test("assertUnlocked() requires the version that the If header was compared with", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "a");
    const { promise, resolve } = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await promise;
        controller.enqueue(new TextEncoder().encode("stale"));
        controller.close();
      },
    });
    const headers = { ...T3, if: '(["1"])' };
    const slow = app.ask("PUT", "/home/a", { headers, body });
    await ask("PUT /home/a", 200, {}, "b");
    resolve();
    assertEquals((await slow).status, 412);
    assertEquals((await ask("GET /home/a?raw", 200)).text, "b");
  });
});

Deno.test("writeLockDiscovery() writes the owner that parseLockInfo() returned", () => {
  const info = parseLockInfo(parseXml(new TextEncoder().encode(lockBody())));
  assertEquals(info.exclusive, true);
  const lock = {
    ...info,
    path: "/home/a",
    depth: "0",
    holder: { tier: "T2", by: "T2" },
    seconds: 9,
    expires: 0,
    token: "urn:x",
  } as const;
  const xml = writeLockDiscovery([lock]);
  assert(xml.includes("mailto:ada"));
  assertEquals(writeLockDiscovery([]), "<D:lockdiscovery/>");
});
