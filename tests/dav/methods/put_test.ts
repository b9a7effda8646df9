import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { get } from "../../../lib/dav/methods/get.ts";
import { mkcol } from "../../../lib/dav/methods/mkcol.ts";
import { assertValidPath } from "../../../lib/dav/methods/target_checks.ts";
import { initialState } from "../../../lib/world/store.ts";
import { put } from "../../../lib/dav/methods/put.ts";
import { deleteResource } from "../../../lib/dav/methods/delete.ts";
import { withApp } from "../../support/app.ts";
import { createAsk, hrefs, live, lockBody, propBody, T3 } from "../ask.ts";

Deno.test("put() creates and replaces a world and returns its entity tag", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const first = await ask("PUT /dav/home/a.md", 201, {}, "one");
    const second = await ask("PUT /dav/home/a.md", 204, {}, "two");
    const etag = second.headers.get("etag") ?? "";
    assertMatch(etag, /^"2-[0-9a-f]{12}\.dav"$/);
    assert(first.headers.get("etag") !== etag);
    assertEquals(app.store.stat("home/a.md")?.ext, "md");
    await ask("PUT /dav/home/b", 201, { "content-type": "image/png" }, "x");
    assertEquals(app.store.stat("home/b")?.ext, "png");
    assertEquals((await app.store.audit("home/a.md")).ok, true);
    await ask("PUT /home/c?ext=md", 201, {}, "# c");
    await ask("PUT /dav/home/c", 204, { "content-type": "application/octet-stream" }, "# d");
    assertEquals(app.store.stat("home/c")?.ext, "md");
    assertEquals(typeof put, "function");
  });
});

Deno.test("put() obeys preconditions with tags of WebDAV and of plain paths", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const created = await ask("PUT /dav/home/a", 201, { "if-none-match": "*" }, "one");
    const etag = created.headers.get("etag") ?? "";
    await ask("PUT /dav/home/a", 412, { "if-none-match": "*" }, "two");
    await ask("PUT /dav/home/a", 204, { "if-match": etag }, "two");
    await ask("PUT /dav/home/a", 412, { "if-match": etag }, "three");
    const plain = await ask("GET /home/a?raw", 200);
    await ask("PUT /dav/home/a", 204, { "if-match": plain.headers.get("etag") ?? "" }, "three");
    await ask("PUT /dav/home/a", 412, { "if-match": "*", if: '(["none"])' }, "four");
    await ask("PUT /dav/home/none", 412, { "if-match": "*" }, "x");
    await ask("PUT /dav/home/a", 400, { "if-match": "broken" }, "x");
    assertEquals((await ask("GET /dav/home/a", 200)).text, "three");
  });
});

Deno.test("put() keeps metadata if the request has none", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, { "x-meta-author": "ada" }, "one");
    await ask("PUT /dav/home/a", 204, {}, "two");
    assertEquals((await app.store.read("home/a"))?.meta, [["x-meta-author", "ada"]]);
    await ask("PUT /dav/home/a", 204, { "x-meta-author": "bob" }, "three");
    assertEquals((await app.store.read("home/a"))?.meta, [["x-meta-author", "bob"]]);
    await ask("PUT /dav/home/a", 400, { "x-meta-author": "x".repeat(2000) }, "four");
    // Twenty simultaneous writes: all succeed and keep the metadata.
    await Promise.all(
      Array.from({ length: 4 }, (_, i) => ask("PUT /dav/home/a", 204, {}, String(i))),
    );
    assertEquals(app.store.stat("home/a")?.version, 7);
  });
});

Deno.test("put() refuses a path that cannot be a world", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    await ask("PUT /dav/home/f", 201, {}, "x");
    await ask("PUT /dav/home/none/a", 409, {}, "x");
    await ask("PUT /dav/home/f/a", 409, {}, "x");
    await ask("PUT /dav/home/c", 405, {}, "x");
    await ask("PUT /dav/home/c/", 405, {}, "x");
    await ask("PUT /dav/home", 405, {}, "x");
    const { headers } = await ask("PUT /dav/", 405, {}, "x");
    const allow = headers.get("allow") ?? "";
    assert(allow.includes("PROPFIND") && !allow.includes("PUT"), `Allow: ${allow}`);
    await ask("PUT /dav/nowhere/a", 400, {}, "x");
    await ask("PUT /dav/mnt/a", 400, {}, "x");
    await ask("PUT /dav/lib/p/state", 409, {}, "active");
    await ask("PUT /dav/home/a", 400, { "content-range": "bytes 0-0/2" }, "x");
    await ask(`PUT /dav/home/${"a".repeat(300)}`, 400, {}, "x");
    for (const name of ["a:b", "a*b", "a%7Cb", "a%3Fb", "a%22b", "a%3Cb"]) {
      await ask(`PUT /dav/home/${name}`, 400, {}, "x");
    }
    assertEquals(typeof assertValidPath, "function");
  });
});

Deno.test("put() accepts the helper files of macOS and Windows", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    for (
      const name of ["._a.txt", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden", "~$doc.docx"]
    ) {
      await ask(`PUT /dav/home/${name}`, 201, {}, "x");
      assertEquals((await ask(`GET /dav/home/${name}`, 200)).text, "x");
    }
    // Translate: f requests the source, which GET always returns.
    await ask("GET /dav/home/._a.txt", 200, { translate: "f" });
    // A name in NFD, as macOS sends it, is converted to NFC.
    await ask("PUT /dav/home/u%CC%88.txt", 201, {}, "ü");
    assertEquals((await ask("GET /home/%C3%BC.txt?raw", 200)).text, "ü");
    assert(
      hrefs(await ask("PROPFIND /dav/home", 207, { depth: "1" })).includes("/dav/home/%C3%BC.txt"),
    );
  });
});

Deno.test("put() supports the sequence of Finder and Explorer: empty PUT, LOCK, PUT", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/new.docx", 201, {}, "");
    const locked = await ask("LOCK /dav/home/new.docx", 200, {}, lockBody());
    const token = locked.headers.get("lock-token") ?? "";
    await ask("PUT /dav/home/new.docx", 204, { if: `(${token})` }, "words");
    await ask(
      "PROPPATCH /dav/home/new.docx",
      207,
      { if: `(${token})` },
      '<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>' +
        "<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set>" +
        "</D:propertyupdate>",
    );
    await ask("UNLOCK /dav/home/new.docx", 204, { "lock-token": token });
    assertEquals((await ask("GET /dav/home/new.docx", 200)).text, "words");
    assertMatch((await ask("PROPFIND /dav/home/new.docx", 207, { depth: "0" })).text, /00000020/);
  });
});

Deno.test("put() sets a plugin source to pending and refuses a body beyond the limit", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/lib/p", 201, {}, "export default {};");
    assertEquals(app.store.stat("lib/p")?.state, "pending");
    assertEquals(app.store.stat("lib/p")?.ext, "ts");
    assertEquals(initialState("lib/p"), "pending");
    assertEquals(initialState("home/p"), "");
    const cap = app.server.config.maxBodyBytes;
    await ask("PUT /dav/home/big", 413, {}, new Uint8Array(cap + 1));
    assertEquals(app.store.stat("home/big"), undefined);
    await ask("PUT /dav/home/big", 201, {}, new Uint8Array(cap));
  });
});

Deno.test("get() answers ranges and 304 with the tag of PROPFIND", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/a.txt", 201, {}, "0123456789");
    const whole = await ask("GET /dav/home/a.txt", 200);
    const etag = whole.headers.get("etag") ?? "";
    assertEquals(whole.headers.get("accept-ranges"), "bytes");
    const found = await ask("PROPFIND /dav/home/a.txt", 207, { depth: "0" }, propBody("getetag"));
    assertStrictEquals(live(found, "getetag"), etag);
    const part = await ask("GET /dav/home/a.txt", 206, { range: "bytes=2-4" });
    assertEquals(part.text, "234");
    assertEquals(part.headers.get("content-range"), "bytes 2-4/10");
    assertEquals((await ask("GET /dav/home/a.txt", 206, { range: "bytes=-3" })).text, "789");
    await ask("GET /dav/home/a.txt", 206, { range: "bytes=0-0", "if-range": etag });
    await ask("GET /dav/home/a.txt", 200, { range: "bytes=0-0", "if-range": '"old"' });
    await ask("GET /dav/home/a.txt", 416, { range: "bytes=10-" });
    await ask("GET /dav/home/a.txt", 304, { "if-none-match": etag });
    await ask("GET /dav/home/a.txt", 412, { "if-match": '"old"' });
    const head = await ask("HEAD /dav/home/a.txt", 200);
    assertStrictEquals(head.headers.get("etag"), etag);
    assertEquals(typeof get, "function");
  });
});

Deno.test("get() sends markup with the same sandbox as the plain path", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /dav/home/a.html", 201, {}, "<script>alert(1)</script>");
    const { headers } = await ask("GET /dav/home/a.html", 200, { accept: "text/html" });
    assertEquals(headers.get("content-security-policy"), "sandbox allow-scripts");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
  });
});

Deno.test("get() lists a collection and answers 404 for a missing resource", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    await ask("PUT /dav/home/c/a", 201, {}, "x");
    await ask("MKCOL /dav/home/c/d", 201);
    assertEquals((await ask("GET /dav/home/c/", 200)).text, "a\nd/\n");
    assertEquals((await ask("GET /dav/home/c", 200)).text, "a\nd/\n");
    const json = await ask("GET /dav/home/c/", 200, { accept: "application/json" });
    assertEquals(JSON.parse(json.text), [{ name: "a", dir: false }, { name: "d", dir: true }]);
    assert(!(await ask("GET /dav/", 200, { authorization: "" })).text.includes("boot"));
    await ask("GET /dav/home/none", 404);
    await ask("GET /dav/home/c/a/", 404);
    await ask("GET /dav/etc/shadow", 401, { authorization: "" });
  });
});

Deno.test("mkcol() creates an empty collection once, at an allowed path", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/c", 201);
    await ask("MKCOL /dav/home/c/", 405);
    await ask("PUT /dav/home/f", 201, {}, "x");
    await ask("MKCOL /dav/home/f", 405);
    await ask("MKCOL /dav/home/f/d", 409);
    await ask("MKCOL /dav/home/none/d", 409);
    await ask("MKCOL /dav/home/d", 415, {}, "<x/>");
    await ask("MKCOL /dav/home/a:b", 400);
    await ask("MKCOL /dav/lib/d", 403);
    await ask("MKCOL /dav/nowhere", 403);
    await ask("MKCOL /dav/home", 405);
    await ask("MKCOL /dav/etc/d", 401, { authorization: "" });
    await ask("MKCOL /dav/home/e/", 201, { authorization: "" });
    assertEquals((await ask("GET /home/", 200)).text, "c/\ne/\nf\n");
    assertEquals(typeof mkcol, "function");
  });
});

Deno.test("mkcol() creates one collection for one of several simultaneous requests", async () => {
  await withApp({}, async (app) => {
    const send = (path: string) => app.ask("MKCOL", path, { headers: T3 });
    const made = ["/dav/home/c", "/dav/home/c/", "/dav/home/c"].map(send);
    const statuses = (await Promise.all(made)).map(({ status }) => status);
    assertEquals(statuses.sort(), [201, 405, 405]);
    // A database may have made it in a try whose answer was lost.
    app.store.markCollection = () => Promise.resolve(undefined);
    const unknown = await send("/dav/home/d/");
    assertStrictEquals(unknown.status, 503);
    assertMatch(await unknown.text(), /outcome-unknown/);
  });
});

Deno.test("deleteResource() deletes worlds and collections and keeps the parent", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/p/q/a", 201, {}, "x");
    await ask("MKCOL /dav/home/p/q/empty", 201);
    await ask("DELETE /dav/home/p/q/a", 204);
    assertEquals((await ask("GET /dav/home/p/q/", 200)).text, "empty/\n");
    await ask("DELETE /dav/home/p/q/", 204);
    assertEquals((await ask("GET /dav/home/p/", 200)).text, "");
    await ask("DELETE /dav/home/p", 204);
    await ask("DELETE /dav/home/p", 404);
    await ask("DELETE /dav/home/none", 404);
    assertEquals(typeof deleteResource, "function");
  });
});

Deno.test("deleteResource() requires T3, obeys preconditions and refuses top-level collections", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    const created = await ask("PUT /dav/home/a", 201, {}, "x");
    const challenge = await ask("DELETE /dav/home/a", 401, { authorization: "" });
    assertEquals(
      challenge.headers.get("www-authenticate"),
      'Basic realm="elastik", charset="UTF-8"',
    );
    await ask("DELETE /dav/home/a", 412, { "if-match": '"9-000000000000.dav"' });
    await ask("DELETE /dav/home/", 403);
    await ask("DELETE /dav/", 403);
    await ask("DELETE /dav/home/a/", 404);
    await ask("DELETE /dav/home/a", 204, { "if-match": created.headers.get("etag") ?? "" });
    await ask("DELETE /dav/usr/share/doc/note.md", 403);
    const refused = await ask("DELETE /dav/usr/share/doc", 207);
    assertMatch(
      refused.text,
      /\/dav\/usr\/share\/doc\/note\.md<\/D:href><D:status>HTTP\/1\.1 403 /,
    );
    await ask("MKCOL /dav/home/c", 201);
    await ask("DELETE /dav/home/c", 400, { depth: "0" });
    await ask("DELETE /dav/home/c", 412, { "if-match": '"1"' });
  });
});

Deno.test("put() keeps the metadata of a world that is not in memory", async () => {
  await withApp({
    store: (store) =>
      new Proxy(store, {
        get: (target, key) => {
          if (key === "peek") return () => undefined;
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
  }, async (app) => {
    const ask = createAsk(app);
    await ask("PUT /home/a", 201, { "x-meta-author": "ada" }, "one");
    await ask("POST /home/a", 200, {}, "two");
    await ask("PUT /dav/home/a", 204, {}, "three");
    assertEquals((await app.store.read("home/a"))?.meta, [["x-meta-author", "ada"]]);
    await ask("PUT /home/a", 200, {}, "four");
    await ask("PUT /dav/home/a", 204, {}, "five");
    assertEquals((await app.store.read("home/a"))?.meta, []);
  });
});
