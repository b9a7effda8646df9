import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { mint } from "../../../lib/auth/capability.ts";
import { LISTING_CACHE_ENTRIES } from "../../../lib/limits.ts";
import type { Store } from "../../../lib/world/store.ts";
import { type TestApp, withApp } from "../../support/app.ts";
import { APPROVE, bearer, KEY } from "../../support/test_server.ts";

const JSON_TYPE = { accept: "application/json" };
const TEXT = { accept: "text/plain" };
const T3 = bearer(APPROVE);

/** An app whose store counts how often all worlds are listed. */
async function withCount(test: (app: TestApp, walks: () => number) => Promise<void>) {
  let walks = 0;
  const counted = (store: Store): Store =>
    new Proxy(store, {
      get(target, key) {
        if (key === "entries") walks += 1;
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  await withApp({ store: counted }, (app) => test(app, () => walks));
}

function put({ store }: TestApp, name: string): Promise<unknown> {
  const body = new TextEncoder().encode(name);
  return store.put({ name, body, ext: "txt", meta: [], by: "T2", state: "" });
}

function cap(prefix: string): Record<string, string> {
  return bearer(mint({ key: KEY, prefix, mode: "r", exp: Math.floor(Date.now() / 1000) + 60 }));
}

async function names({ ask }: TestApp, headers: Record<string, string> = {}): Promise<string[]> {
  const text = await (await ask("GET", "/proc/worlds", { headers: { ...TEXT, ...headers } }))
    .text();
  return text.split("\n").filter((line) => /^(?:home|boot|etc)\/(?!boot)/.test(line));
}

Deno.test("GET /proc/worlds lists the worlds once for callers with equal rights, until a world changes", async () => {
  await withCount(async (app, walks) => {
    await put(app, "home/a");
    for (let i = 0; i < 3; i++) assertEquals(await names(app), ["home/a"]);
    assertEquals(await names(app, { authorization: "Bearer nobody" }), ["home/a"]);
    assertEquals(walks(), 1);
    await put(app, "home/b");
    assertEquals(await names(app), ["home/a", "home/b"]);
    await app.store.remove({ name: "home/a", by: "T3" });
    assertEquals(await names(app), ["home/b"]);
    assertEquals(walks(), 3);
  });
});

Deno.test("GET /proc/worlds does not send a cached list to a caller with fewer rights", async () => {
  await withCount(async (app) => {
    await put(app, "home/a/x");
    await put(app, "home/b/x");
    await put(app, "boot/x");
    await put(app, "etc/shadow");
    const all = ["boot/x", "etc/shadow", "home/a/x", "home/b/x"];
    const some = ["home/a/x", "home/b/x"];
    for (let i = 0; i < 2; i++) {
      assertEquals(await names(app, T3), all);
      assertEquals(await names(app), some);
      assertEquals(await names(app, cap("/home/a")), ["home/a/x"]);
      assertEquals(await names(app, cap("/home/b")), ["home/b/x"]);
      assertEquals(await names(app, cap("/boot")), []);
    }
  });
});

Deno.test("GET /proc/worlds caches each media type with its own tag", async () => {
  await withCount(async (app, walks) => {
    await put(app, "home/a");
    const json = await app.ask("GET", "/proc/worlds", { headers: JSON_TYPE });
    const tag = json.headers.get("etag") ?? "";
    assert(Array.isArray(await json.json()));
    assertEquals(await names(app), ["home/a"]);
    const headers = { ...JSON_TYPE, "if-none-match": `"x", ${tag}` };
    const same = await app.ask("GET", "/proc/worlds", { headers });
    assertEquals([same.status, same.headers.get("etag")], [304, tag]);
    assertEquals(walks(), 2);
    await put(app, "home/b");
    assertEquals((await app.ask("GET", "/proc/worlds", { headers })).status, 200);
  });
});

Deno.test("GET /proc/worlds caches a limited number of lists", async () => {
  await withCount(async (app, walks) => {
    await put(app, "home/a");
    for (let i = 0; i <= LISTING_CACHE_ENTRIES; i++) await names(app, cap(`/home/${i}`));
    assertStrictEquals(walks(), LISTING_CACHE_ENTRIES + 1);
    await names(app, cap(`/home/${LISTING_CACHE_ENTRIES}`));
    assertStrictEquals(walks(), LISTING_CACHE_ENTRIES + 1);
    await names(app, cap("/home/0"));
    assertStrictEquals(walks(), LISTING_CACHE_ENTRIES + 2);
  });
});

Deno.test("GET /proc/worlds is a JSON array unless text is preferred", async () => {
  await withApp({}, async (app) => {
    await put(app, "home/a");
    for (
      const accept of [undefined, "*/*", "application/json", "image/png", "text/plain;q=0.5, */*"]
    ) {
      const headers = accept === undefined ? {} : { accept };
      const response = await app.ask("GET", "/proc/worlds", { headers });
      assertEquals(response.headers.get("content-type"), "application/json", accept ?? "no Accept");
      assert((await response.json()).some(({ name }: { name: string }) => name === "home/a"));
    }
    for (
      const accept of ["text/plain", "text/plain, */*;q=0.5", "application/json;q=0.1, text/*"]
    ) {
      const response = await app.ask("GET", "/proc/worlds", { headers: { accept } });
      assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8", accept);
      await response.body?.cancel();
    }
  });
});

Deno.test("GET /proc/worlds?prefix= lists a world and what is below it", async () => {
  await withApp({}, async (app) => {
    for (const name of ["home/a", "home/a/b", "home/ab", "etc/a", "home/\u00e9/x"]) {
      await put(app, name);
    }
    const below = async (prefix: string) => {
      const target = `/proc/worlds?prefix=${encodeURIComponent(prefix)}`;
      const response = await app.ask("GET", target);
      const rows = await response.json();
      return response.ok ? rows.map(({ name }: { name: string }) => name) : response.status;
    };
    for (const prefix of ["/home/a", "home/a", "/home/a/", "home/a/"]) {
      assertEquals(await below(prefix), ["home/a", "home/a/b"], prefix);
    }
    assertEquals(await below("/home/e\u0301"), ["home/\u00e9/x"]);
    assertEquals(await below("/home/none"), []);
    assertEquals((await below("/")).includes("etc/a"), true);
    for (const prefix of ["/home/../etc", "//home", "/home//a", "/home/a\u0000"]) {
      assertEquals(await below(prefix), 400, prefix);
    }
  });
});
