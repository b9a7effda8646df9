import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { CreationInfoCache } from "../../../lib/dav/properties/creation_info.ts";
import { DeadProperties } from "../../../lib/dav/properties/dead_properties.ts";
import { recordWorldName } from "../../../lib/dav/resource/property_record.ts";
import { parsePropertyUpdate } from "../../../lib/dav/methods/proppatch.ts";
import { parseXml } from "../../../lib/dav/xml/xml_reader.ts";
import { DAV_LIMITS } from "../../../lib/dav_limits.ts";
import { withApp } from "../../support/app.ts";
import { APPROVE, bearer, CLOSED, startTestServer, TOKEN } from "../../support/test_server.ts";
import { type Answer, type Ask, createAsk, resources, setBody, textOf } from "../ask.ts";

const NAMED = '<D:propfind xmlns:D="DAV:" xmlns:t="urn:t"><D:prop><t:a/></D:prop></D:propfind>';

/** Returns the property `a` in the namespace of the test; `undefined` if it is absent. */
async function propertyOf(ask: Ask, path: string): Promise<string | undefined> {
  return inAnswer(await ask(`PROPFIND ${path}`, 207, { depth: "0" }, NAMED));
}

function inAnswer({ text }: Pick<Answer, "text">): string | undefined {
  const found = resources(text)[0]?.properties["200"]?.get("{urn:t}a");
  return found === undefined ? undefined : textOf(found);
}

function statuses({ text }: Answer): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(resources(text)[0]?.properties ?? {}).map(([status, names]) => [
      status,
      [...names.keys()],
    ]),
  );
}

Deno.test("proppatch() sets and removes in order, on worlds and on collections", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    await ask("MKCOL /dav/home/c", 201);
    for (const path of ["/dav/home/x", "/dav/home/c/", "/dav/home/"]) {
      const set = await ask(`PROPPATCH ${path}`, 207, {}, setBody("a", "1 &amp; 2"));
      assertEquals(statuses(set), { "200": ["{urn:t}a"] });
      assertEquals(await propertyOf(ask, path), "1 & 2");
      const both = '<D:propertyupdate xmlns:D="DAV:" xmlns:t="urn:t">' +
        "<D:remove><D:prop><t:a/></D:prop></D:remove>" +
        "<D:set><D:prop><t:a>3</t:a><t:b/></D:prop></D:set>" +
        "<D:remove><D:prop><t:b/><t:never/></D:prop></D:remove></D:propertyupdate>";
      await ask(`PROPPATCH ${path}`, 207, {}, both);
      assertEquals(await propertyOf(ask, path), "3");
      const all = await ask(`PROPFIND ${path}`, 207, { depth: "0" });
      const names = [...resources(all.text)[0]?.properties["200"]?.keys() ?? []];
      assertEquals(names.filter((name) => name.startsWith("{urn:t}")), ["{urn:t}a"]);
    }
  });
});

Deno.test("proppatch() changes nothing if one property is protected", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    const body = '<D:propertyupdate xmlns:D="DAV:" xmlns:t="urn:t"><D:set><D:prop>' +
      "<t:a>1</t:a><D:getetag>forged</D:getetag></D:prop></D:set></D:propertyupdate>";
    const answer = await ask("PROPPATCH /dav/home/x", 207, {}, body);
    assertEquals(statuses(answer), { "403": ["{DAV:}getetag"], "424": ["{urn:t}a"] });
    assertMatch(answer.text, /<D:cannot-modify-protected-property\/>/);
    assertEquals(await propertyOf(ask, "/dav/home/x"), undefined);
    assertEquals(app.store.stat(recordWorldName("/home/x")), undefined);
  });
});

Deno.test("proppatch() stores a display name with markup", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    const body = '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>' +
      "<D:displayname>&lt;D:href&gt;/evil</D:displayname></D:prop></D:set></D:propertyupdate>";
    await ask("PROPPATCH /dav/home/x", 207, {}, body);
    const [found] = resources((await ask("PROPFIND /dav/home/x", 207, { depth: "0" })).text);
    assertEquals(textOf(found?.properties["200"]?.get("{DAV:}displayname")), "<D:href>/evil");
    assertEquals(found?.href, "/dav/home/x");
  });
});

Deno.test("proppatch() records the change in the chains of the world and of the record", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    const before = app.store.stat("home/x");
    await ask("PROPPATCH /dav/home/x", 207, {}, setBody("a", "1"));
    const [event] = await app.store.log("home/x", { limit: 1 });
    assertEquals(event?.type, "properties_changed");
    assertMatch(JSON.stringify(event?.payload), /"properties":\["\{urn:t\}a"\].*"by":"T3"/);
    // Bytes and version have not changed, so the entity tag has not either.
    const { version, updatedAt, len } = app.store.stat("home/x") ?? {};
    assertEquals([version, updatedAt, len], [before?.version, before?.updatedAt, before?.len]);
    const record = await app.store.read(recordWorldName("/home/x"));
    assertMatch(new TextDecoder().decode(record?.body), /^\{"of":"\/home\/x"/);
    assertEquals((await app.store.audit("home/x")).ok, true);
    assertEquals((await app.store.audit(recordWorldName("/home/x"))).ok, true);
  });
});

Deno.test("DeadProperties keeps properties after writes, a restart, COPY and MOVE", async () => {
  const data = await Deno.makeTempDir({ prefix: "elastik-test-" });
  try {
    const send = async (line: string, status: number, body?: string, more = {}) => {
      const server = await startTestServer({ data });
      try {
        const space = line.indexOf(" ");
        const reply = await server.send({
          method: line.slice(0, space),
          target: line.slice(space + 1),
          headers: { ...bearer(APPROVE), ...more },
          ...(body === undefined ? {} : { body }),
        });
        assertStrictEquals(reply.status, status, reply.text);
        return reply.text;
      } finally {
        await server.stop();
      }
    };
    await send("PUT /dav/home/x", 201, "x");
    await send("PROPPATCH /dav/home/x", 207, setBody("a", "1"));
    await send("PUT /dav/home/x", 204, "y");
    const named = async (path: string) =>
      inAnswer({ text: await send(`PROPFIND ${path}`, 207, NAMED, { depth: "0" }) });
    assertEquals(await named("/dav/home/x"), "1");
    await send("COPY /dav/home/x", 201, undefined, { destination: "/dav/home/y" });
    await send("MOVE /dav/home/x", 201, undefined, { destination: "/dav/home/z" });
    assertEquals(await named("/dav/home/y"), "1");
    assertEquals(await named("/dav/home/z"), "1");
    await send("PUT /dav/home/x", 201, "new");
    assertEquals(await named("/dav/home/x"), undefined);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("DeadProperties does not return properties of a deleted world for a new one", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    for (const line of ["DELETE /home/x", "DELETE /dav/home/x"]) {
      await ask("PUT /home/x", 201, {}, "x");
      await ask("PROPPATCH /dav/home/x", 207, {}, setBody("a", "1"));
      assertEquals(await propertyOf(ask, "/dav/home/x"), "1");
      await ask(line, line.includes("/dav") ? 204 : 200);
      await ask("PUT /home/x", 201, {}, "x");
      assertEquals(await propertyOf(ask, "/dav/home/x"), undefined, line);
      await ask("DELETE /home/x", 200);
    }
    await ask("MKCOL /dav/home/c", 201);
    await ask("PROPPATCH /dav/home/c", 207, {}, setBody("a", "1"));
    await ask("DELETE /dav/home/c", 204);
    await ask("MKCOL /dav/home/c", 201);
    assertEquals(await propertyOf(ask, "/dav/home/c"), undefined);
  });
});

Deno.test("DeadProperties stores properties of a T3 world where only T3 can read them", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    for (const path of ["/boot/secret", "/etc/shadow"]) {
      await ask(`PUT /dav${path}`, 201, {}, "");
      await ask(`PROPPATCH /dav${path}`, 207, {}, setBody("a", "hidden"));
      assertEquals(recordWorldName(path).startsWith("boot/dav/"), true);
      assertEquals(await propertyOf(ask, `/dav${path}`), "hidden");
      const record = `/${recordWorldName(path)}`;
      await ask(`GET ${record}`, 401, { authorization: "" });
      await ask(`PROPFIND /dav${path}`, 401, { authorization: "", depth: "0" }, NAMED);
    }
    assertEquals((await ask("GET /var/lib/dav/?raw", 404)).status, 404);
  });
});

Deno.test("DeadProperties ignores the invalid parts of an edited record", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    for (const text of ["", "null", "[]", '{"seal":"","properties":[{"ns":1}]}', "{", '{"of":1}']) {
      await ask(`PUT /${recordWorldName("/home/x")}`, text === "" ? 201 : 200, {}, text);
      assertEquals(await propertyOf(ask, "/dav/home/x"), undefined);
    }
    await ask("PROPPATCH /dav/home/x", 207, {}, setBody("a", "1"));
    assertEquals(await propertyOf(ask, "/dav/home/x"), "1");
  });
});

Deno.test("proppatch() answers 507 beyond its limits", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    const long = setBody("a", "y".repeat(DAV_LIMITS.propertyBytes));
    assertEquals(statuses(await ask("PROPPATCH /dav/home/x", 207, {}, long)), {
      "507": ["{urn:t}a"],
    });
    assertEquals(await propertyOf(ask, "/dav/home/x"), undefined);
    await ask("PROPPATCH /dav/home/x", 413, {}, setBody("a", "y".repeat(200_000)));
    for (let i = 0; i < 2; i++) {
      const names = Array.from({ length: 200 }, (_, n) => `<p${i * 200 + n}/>`).join("");
      const body = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>${names}</D:prop></D:set>` +
        "</D:propertyupdate>";
      const answer = await ask("PROPPATCH /dav/home/x", 207, {}, body);
      assertStrictEquals(Object.keys(statuses(answer))[0], i === 0 ? "200" : "507");
    }
  });
});

Deno.test("proppatch() requires the right to write and an existing resource", async () => {
  const server = await startTestServer({ env: CLOSED });
  try {
    const send = (target: string, headers: Record<string, string>) =>
      server.send({ method: "PROPPATCH", target, headers, body: setBody("a", "1") });
    await server.approve("PUT", "/home/x", "x");
    await server.approve("PUT", "/etc/x", "x");
    assertEquals((await send("/dav/home/x", {})).status, 401);
    assertEquals((await send("/dav/etc/x", bearer(TOKEN))).status, 403);
    assertEquals((await send("/dav/home/none", bearer(TOKEN))).status, 404);
    assertEquals((await send("/dav/home/x", bearer(TOKEN))).status, 207);
    assertEquals(
      (await send("/dav/home/x", bearer(server.capability("/home/x", "r")))).status,
      403,
    );
    assertEquals(
      (await send("/dav/home/x", bearer(server.capability("/home/y", "rw")))).status,
      403,
    );
    assertEquals(
      (await send("/dav/home/x", bearer(server.capability("/home/x", "rw")))).status,
      207,
    );
    const refused = await server.send({
      method: "PROPPATCH",
      target: "/dav/usr/share/doc/note.md",
      headers: bearer(APPROVE),
      body: setBody("a", "1"),
    });
    assert(refused.text.includes("403 Forbidden"));
    await server.audit();
  } finally {
    await server.close();
  }
});

Deno.test("parsePropertyUpdate() refuses a document without changes", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/x", 201, {}, "x");
    for (const body of ["<a/>", '<D:propertyupdate xmlns:D="DAV:"/>', ""]) {
      await ask("PROPPATCH /dav/home/x", 400, {}, body);
    }
    const xml = new TextEncoder().encode(setBody("a", "<b/>"));
    assertEquals(parsePropertyUpdate(parseXml(xml)), [
      { ns: "urn:t", name: "a", xml: '<n0:a xmlns:n0="urn:t"><b/></n0:a>' },
    ]);
  });
});

Deno.test("DeadProperties applies two simultaneous changes", async () => {
  await withApp({}, async (app) => {
    const creationInfo = new CreationInfoCache(app.store);
    const dead = new DeadProperties(app.store, creationInfo);
    const found = { path: "/home", collection: true };
    await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) => dead.change(found, [{ ns: "urn:t", name: `p${i}`, xml: "<x/>" }], "T3"),
      ),
    );
    assertEquals((await dead.read(found)).length, 20);
    await dead.remove("/home");
    assertEquals((await dead.read(found)).length, 0);
    assertEquals(dead.hasRecord("/home"), false);
  });
});

Deno.test("CreationInfoCache.read() returns another id for a new world of the same name", async () => {
  await withApp({}, async ({ store }) => {
    const creationInfo = new CreationInfoCache(store);
    const put = (bytes = 0) =>
      store.put({ name: "home/x", body: new Uint8Array(bytes), ext: "txt", meta: [], by: "T3" });
    const sealNow = async () => {
      const entry = store.stat("home/x");
      return entry === undefined ? undefined : (await creationInfo.read(entry))?.id;
    };
    await put();
    const first = await sealNow();
    await put();
    assertStrictEquals(await sealNow(), first);
    await store.remove({ name: "home/x", by: "T3" });
    await put(1);
    assert(first !== undefined && await sealNow() !== first);
    const lower = store.stat("usr/bin/boot");
    assertEquals(lower && (await creationInfo.read(lower))?.id, "");
  });
});
