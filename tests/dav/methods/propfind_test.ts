import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { toHref } from "../../../lib/dav/resource/dav_problem.ts";
import {
  isProtectedProperty,
  LIVE_PROPERTY_NAMES,
} from "../../../lib/dav/properties/live_properties.ts";
import { StreamedMultistatus, writeStatus } from "../../../lib/dav/properties/multistatus.ts";
import { parsePropfind } from "../../../lib/dav/properties/propfind_request.ts";
import { createDiskSpaceReader } from "../../../lib/dav/resource/disk_space.ts";
import { isTopLevel } from "../../../lib/dav/resource/resource.ts";
import { createDavContext } from "../../../lib/dav/methods/dav_context.ts";
import { LockTable } from "../../../lib/dav/locks/lock_table.ts";
import { parseXml } from "../../../lib/dav/xml/xml_reader.ts";
import { DAV_BATCH_RESOURCES, DAV_LIMITS } from "../../../lib/dav_limits.ts";
import { type Store, StoreError } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { createAsk, hrefs, live, propBody, resources, textOf } from "../ask.ts";

const NO_CREDENTIAL = { authorization: "" };

Deno.test("propfind() lists the namespaces at the root, /boot only for T3", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const all = ["boot", "etc", "home", "lib", "usr", "var"].map((name) => `/dav/${name}/`);
    assertEquals(hrefs(await ask("PROPFIND /dav/", 207, { depth: "1" })), ["/dav/", ...all]);
    assertEquals(hrefs(await ask("PROPFIND /dav", 207, { depth: "1", ...NO_CREDENTIAL })), [
      "/dav/",
      ...all.filter((href) => href !== "/dav/boot/"),
    ]);
    await ask("PROPFIND /dav/boot/", 401, { depth: "0", ...NO_CREDENTIAL });
    assertEquals(hrefs(await ask("PROPFIND /dav/home", 207, { depth: "0" })), ["/dav/home/"]);
  });
});

Deno.test("propfind() returns the properties that GET returns for a world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/a.md", 201, {}, "# one");
    const put = await ask("PUT /dav/home/a.md", 204, {}, "# three");
    const found = await ask("PROPFIND /dav/home/a.md", 207, { depth: "0" });
    const got = await ask("GET /dav/home/a.md", 200);
    assertStrictEquals(live(found, "getetag"), got.headers.get("etag"));
    assertStrictEquals(put.headers.get("etag"), got.headers.get("etag"));
    assertStrictEquals(live(found, "getlastmodified"), got.headers.get("last-modified"));
    assertStrictEquals(live(found, "getcontenttype"), got.headers.get("content-type"));
    assertEquals(live(found, "getcontentlength"), "7");
    assertEquals(live(found, "displayname"), "a.md");
    assertEquals(live(found, "resourcetype"), "");
    assertEquals(live(found, "lockdiscovery"), "");
    assertMatch(live(found, "creationdate") ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const [firstEvent] = await app.store.log("home/a.md", { before: 2, limit: 1 });
    assertStrictEquals(live(found, "creationdate"), firstEvent?.timestamp.replace(/\.\d+Z$/, "Z"));
    const names = [...resources(found.text)[0]?.properties["200"]?.keys() ?? []].sort();
    assertEquals(names, LIVE_PROPERTY_NAMES.map((name) => `{DAV:}${name}`).sort());
  });
});

Deno.test("propfind() returns the time of the last write in a collection, without hidden worlds", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    assertEquals(
      live(await ask("PROPFIND /dav/home/c/", 207, { depth: "0" }), "getlastmodified"),
      undefined,
    );
    await ask("PUT /home/c/d/a", 201, {}, "one");
    await ask("PUT /boot/hidden", 201, {}, "secret");
    const got = await ask("GET /dav/home/c/d/a", 200);
    for (const path of ["/dav/home/c/", "/dav/home/c/d/"]) {
      const found = await ask(`PROPFIND ${path}`, 207, { depth: "0" });
      assertStrictEquals(live(found, "getlastmodified"), got.headers.get("last-modified"));
    }
    for (const path of ["/dav/", "/dav/home/", "/dav/etc/"]) {
      const found = await ask(`PROPFIND ${path}`, 207, { depth: "0" });
      assertEquals(live(found, "getlastmodified"), undefined);
    }
  });
});

Deno.test("propfind() returns all properties without quota for an empty body", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const absent = await ask("PROPFIND /dav/home", 207, { depth: "0" });
    const body = '<propfind xmlns="DAV:"><allprop/></propfind>';
    const all = await ask("PROPFIND /dav/home", 207, { depth: "0" }, body);
    assertStrictEquals(absent.text, all.text);
    assert(!all.text.includes("quota"));
  });
});

Deno.test("propfind() returns named properties and reports missing ones", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/a", 201, {}, "x");
    const body = '<p:propfind xmlns:p="DAV:"><p:prop><p:getetag/><x xmlns="urn:x"/><y xmlns=""/>' +
      "<p:getcontentlength/></p:prop></p:propfind>";
    const [file] = resources((await ask("PROPFIND /dav/home/a", 207, { depth: "0" }, body)).text);
    assertEquals([...file?.properties["200"]?.keys() ?? []], [
      "{DAV:}getetag",
      "{DAV:}getcontentlength",
    ]);
    assertEquals([...file?.properties["404"]?.keys() ?? []], ["{urn:x}x", "{}y"]);
    const [folder] = resources((await ask("PROPFIND /dav/home", 207, { depth: "0" }, body)).text);
    assertEquals(folder?.properties["200"], undefined);
    assertEquals(folder?.properties["404"]?.size, 4);
  });
});

Deno.test("propfind() returns only names for propname, and more properties for include", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/a", 201, {}, "x");
    const names = '<propfind xmlns="DAV:"><propname/></propfind>';
    const [found] = resources((await ask("PROPFIND /dav/home/a", 207, { depth: "0" }, names)).text);
    for (const element of found?.properties["200"]?.values() ?? []) {
      assertEquals(element.children.length, 0);
    }
    assert(found?.properties["200"]?.has("{DAV:}getetag"));
    const more =
      '<propfind xmlns="DAV:"><allprop/><include><x xmlns="urn:x"/></include></propfind>';
    const [included] = resources(
      (await ask("PROPFIND /dav/home/a", 207, { depth: "0" }, more)).text,
    );
    assert(included?.properties["200"]?.has("{DAV:}getetag"));
    assertEquals([...included?.properties["404"]?.keys() ?? []], ["{urn:x}x"]);
  });
});

Deno.test("createDiskSpaceReader() returns the space of the disk, and undefined if it cannot be read", async () => {
  await withApp({}, async (app) => {
    const data = await Deno.makeTempDir();
    const space = await createDiskSpaceReader(data, Date.now)();
    await Deno.remove(data);
    assert(space !== undefined && space.available > 0 && space.used > 0);
    assertEquals(await createDiskSpaceReader(`${data}/gone`, Date.now)(), undefined);
    const context = createDavContext(
      app.server,
      new LockTable({
        monotonic: Date.now,
        secondsLeft: () => Infinity,
        maxPerCredential: 10,
      }),
    );
    assertStrictEquals(context.server, app.server);
  });
});

Deno.test("propfind() refuses invalid requests", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const depth = { depth: "0" };
    for (
      const body of [
        "<propfind/>",
        '<propfind xmlns="DAV:"/>',
        '<propfind xmlns="DAV:"><allprop/><propname/></propfind>',
        '<D:prop xmlns:D="DAV:"/>',
        "not xml",
        '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p>',
      ]
    ) await ask("PROPFIND /dav/home", 400, depth, body);
    await ask("PROPFIND /dav/home", 413, depth, "x".repeat(200_000));
    await ask("PROPFIND /dav/home", 400, { depth: "2" });
    await ask("PROPFIND /dav/home/none", 404, depth);
    await ask("PROPFIND /dav/none", 404, depth);
    await ask("PROPFIND /dav/mnt/none", 404, depth);
    await ask("PUT /dav/home/a", 201, {}, "x");
    await ask("PROPFIND /dav/home/a/", 404, depth);
    const names = Array.from({ length: 300 }, (_, i) => `<p${i}/>`).join("");
    const many = `<D:propfind xmlns:D="DAV:"><D:prop>${names}</D:prop></D:propfind>`;
    await ask("PROPFIND /dav/home", 400, depth, many);
  });
});

Deno.test("propfind() streams a long listing completely and in order", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const count = DAV_BATCH_RESOURCES * 3 + 5;
    const names = Array.from({ length: count }, (_, i) => `f${String(i).padStart(4, "0")} & <x`);
    await ask("MKCOL /dav/home/many", 201);
    await Promise.all(
      names.map((name) =>
        ask(`PUT /dav/home/many/${encodeURIComponent(name.replace("<", "("))}`, 201, {}, "x")
      ),
    );
    const found = await ask("PROPFIND /dav/home/many/", 207, { depth: "1" });
    const listed = resources(found.text);
    assertStrictEquals(listed.length, count + 1);
    assertEquals(listed[1]?.href, "/dav/home/many/f0000%20%26%20(x");
    assertEquals(textOf(listed[1]?.properties["200"]?.get("{DAV:}displayname")), "f0000 & (x");
    assertEquals(listed.map(({ href }) => href), listed.map(({ href }) => href).sort());
    const deep = await ask("PROPFIND /dav/home/", 207, { depth: "infinity" });
    // The namespace, the collection, its worlds.
    assertStrictEquals(resources(deep.text).length, count + 2);
    assertStrictEquals(resources((await ask("PROPFIND /dav/home/", 207)).text).length, count + 2);
  });
});

Deno.test("propfind() refuses a tree beyond the limit with a condition code", async () => {
  await withApp({
    store: (store) =>
      withVerbs(store, {
        list: (name) =>
          Promise.resolve(
            name === "home"
              ? Array.from(
                { length: DAV_LIMITS.members + 1 },
                (_, i) => ({ name: `d${i}`, dir: false }),
              )
              : [],
          ),
      }),
  }, async (app) => {
    const ask = createAsk(app);
    const refused = await ask("PROPFIND /dav/home", 403, { depth: "infinity" });
    assertMatch(refused.text, /<D:propfind-finite-depth>/);
  });
});

Deno.test("propfind() refuses long property names for many resources", async () => {
  const many = Array.from({ length: 2000 }, (_, i) => ({ name: `d${i}`, dir: false }));
  await withApp({
    store: (store) =>
      withVerbs(store, { list: (_name, page) => Promise.resolve(page?.after ? [] : many) }),
  }, async (app) => {
    const ask = createAsk(app);
    const names = Array.from({ length: 120 }, (_, i) => `<p${i}${"x".repeat(400)}/>`).join("");
    const body = `<D:propfind xmlns:D="DAV:"><D:prop>${names}</D:prop></D:propfind>`;
    await ask("PROPFIND /dav/home", 400, { depth: "1", authorization: "" }, body);
    await ask("PROPFIND /dav/home", 207, { depth: "0", authorization: "" }, body);
  });
});

Deno.test("propfind() lists a collection with a damaged world", async () => {
  const damaged = () => Promise.reject(new StoreError("damaged", "no"));
  await withApp({ store: (store) => withVerbs(store, { log: damaged }) }, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "x");
    await ask("PUT /home/a", 200, {}, "y");
    assertEquals(hrefs(await ask("PROPFIND /dav/home", 207, { depth: "1" })).length, 2);
    const [one] = resources((await ask("PROPFIND /dav/home/a", 207, { depth: "0" })).text);
    assert(one?.properties["200"]?.has("{DAV:}getetag"));
    assert(!one?.properties["200"]?.has("{DAV:}creationdate"));
  });
});

Deno.test("propfind() returns length and tag of the redacted /etc/fstab", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/etc/fstab", 201, {}, "x bearer=sesame-open\n");
    const body = propBody("getcontentlength", "getetag");
    const full = await ask("PROPFIND /dav/etc/fstab", 207, { depth: "0" }, body);
    const seen = await ask("PROPFIND /dav/etc/fstab", 207, { depth: "0", ...NO_CREDENTIAL }, body);
    const got = await ask("GET /dav/etc/fstab", 200, NO_CREDENTIAL);
    assertEquals(got.text, "*** bearer=***\n");
    assertStrictEquals(live(seen, "getcontentlength"), String(got.text.length));
    assertStrictEquals(live(seen, "getetag"), got.headers.get("etag"));
    assertEquals(live(full, "getcontentlength"), "21");
    assert(live(full, "getetag") !== live(seen, "getetag"));
  });
});

Deno.test("propfind() lists names with characters that XML does not allow", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/%EF%BF%BF%26", 201, {}, "x");
    const found = await ask("PROPFIND /dav/home", 207, { depth: "1" });
    assert(hrefs(found).includes("/dav/home/%EF%BF%BF%26"));
  });
});

Deno.test("propfind() lists a world with worlds below it as a collection", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, {}, "x");
    await ask("PUT /home/a/b", 201, {}, "y");
    const found = await ask("PROPFIND /dav/home/a", 207, { depth: "1" });
    assertEquals(hrefs(found), ["/dav/home/a/", "/dav/home/a/b"]);
    assertEquals((await ask("GET /dav/home/a", 200)).text, "x");
  });
});

Deno.test("parsePropfind() parses the three forms of a request", () => {
  const read = (text: string) => parsePropfind(parseXml(new TextEncoder().encode(text)));
  assertEquals(parsePropfind(undefined), { kind: "allprop", include: [] });
  assertEquals(read('<propfind xmlns="DAV:"><propname/></propfind>').kind, "propname");
  assertEquals(read(propBody("a", "a", "b")), {
    kind: "prop",
    names: [{ ns: "DAV:", name: "a" }, { ns: "DAV:", name: "b" }],
  });
});

Deno.test("StreamedMultistatus writes as fast as the client reads and stops when it disconnects", async () => {
  let made = 0;
  let ended = false;
  async function* pieces(): AsyncGenerator<string> {
    try {
      for (;;) {
        made += 1;
        yield await Promise.resolve("<D:response/>");
      }
    } finally {
      ended = true;
    }
  }
  const reader = new StreamedMultistatus(pieces()).response.body?.getReader();
  const { value } = await reader?.read() ?? {};
  assertMatch(
    new TextDecoder().decode(value),
    /^<\?xml .*\n<D:multistatus xmlns:D="DAV:">\n<D:response/,
  );
  assert(made < 5, `${made} were made for one read`);
  await reader?.cancel();
  assert(ended);
});

Deno.test("toHref(), writeStatus(), isProtectedProperty() and isTopLevel() follow RFC 4918", () => {
  assertEquals(toHref("/", true), "/dav/");
  assertEquals(toHref("/home/ä b", true), "/dav/home/%C3%A4%20b/");
  assertEquals(toHref("/home/a", false), "/dav/home/a");
  assertEquals(writeStatus(423), "<D:status>HTTP/1.1 423 Locked</D:status>");
  assertEquals(isProtectedProperty("{DAV:}getetag"), true);
  assertEquals(isProtectedProperty("{DAV:}displayname"), false);
  assertEquals(isProtectedProperty("{urn:x}getetag"), false);
  assertEquals(isTopLevel("/"), true);
  assertEquals(isTopLevel("/home"), true);
  assertEquals(isTopLevel("/home/x"), false);
});

/** Returns a store with some methods replaced. */
function withVerbs(store: Store, verbs: Partial<Store>): Store {
  return new Proxy(store, {
    get: (_target, key) => {
      const source = Object.hasOwn(verbs, key) ? verbs : store;
      const value: unknown = Reflect.get(source, key, source);
      return typeof value === "function" ? value.bind(source) : value;
    },
  });
}
