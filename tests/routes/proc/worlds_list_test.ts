import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { mint } from "../../../lib/auth/capability.ts";
import { WORLDS_LIST_CACHE_ENTRIES } from "../../../lib/limits.ts";
import type { Store } from "../../../lib/world/store.ts";
import { type TestApp, withApp } from "../../support/app.ts";
import { APPROVE, bearer, KEY } from "../../support/test_server.ts";

const JSON_TYPE = { accept: "application/json" };
const T3 = bearer(APPROVE);

/** An app whose store counts how often all worlds are listed. */
async function withCount(test: (app: TestApp, walks: () => number) => Promise<void>) {
  let walks = 0;
  const counted = (store: Store): Store =>
    new Proxy(store, {
      get(target, key) {
        if (key === "walk") walks += 1;
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
  const text = await (await ask("GET", "/proc/worlds", { headers })).text();
  return text.split("\n").filter((line) => /^(?:home|boot|etc)\/(?!boot)/.test(line));
}

Deno.test("WorldsList lists the worlds once for callers with equal rights, until a world changes", async () => {
  await withCount(async (app, walks) => {
    await put(app, "home/a");
    for (let i = 0; i < 3; i++) deepStrictEqual(await names(app), ["home/a"]);
    deepStrictEqual(await names(app, { authorization: "Bearer nobody" }), ["home/a"]);
    equal(walks(), 1);
    await put(app, "home/b");
    deepStrictEqual(await names(app), ["home/a", "home/b"]);
    await app.store.remove({ name: "home/a", by: "T3" });
    deepStrictEqual(await names(app), ["home/b"]);
    equal(walks(), 3);
  });
});

Deno.test("WorldsList does not send a cached list to a caller with fewer rights", async () => {
  await withCount(async (app) => {
    await put(app, "home/a/x");
    await put(app, "home/b/x");
    await put(app, "boot/x");
    await put(app, "etc/shadow");
    const all = ["boot/x", "etc/shadow", "home/a/x", "home/b/x"];
    const some = ["home/a/x", "home/b/x"];
    for (let i = 0; i < 2; i++) {
      deepStrictEqual(await names(app, T3), all);
      deepStrictEqual(await names(app), some);
      deepStrictEqual(await names(app, cap("/home/a")), ["home/a/x"]);
      deepStrictEqual(await names(app, cap("/home/b")), ["home/b/x"]);
      deepStrictEqual(await names(app, cap("/boot")), []);
    }
  });
});

Deno.test("WorldsList caches each media type with its own tag", async () => {
  await withCount(async (app, walks) => {
    await put(app, "home/a");
    const json = await app.ask("GET", "/proc/worlds", { headers: JSON_TYPE });
    const tag = json.headers.get("etag") ?? "";
    ok(Array.isArray(await json.json()));
    deepStrictEqual(await names(app), ["home/a"]);
    const headers = { ...JSON_TYPE, "if-none-match": `"x", ${tag}` };
    const same = await app.ask("GET", "/proc/worlds", { headers });
    deepStrictEqual([same.status, same.headers.get("etag")], [304, tag]);
    equal(walks(), 2);
    await put(app, "home/b");
    equal((await app.ask("GET", "/proc/worlds", { headers })).status, 200);
  });
});

Deno.test("WorldsList caches a limited number of lists", async () => {
  await withCount(async (app, walks) => {
    await put(app, "home/a");
    for (let i = 0; i <= WORLDS_LIST_CACHE_ENTRIES; i++) await names(app, cap(`/home/${i}`));
    equal(walks(), WORLDS_LIST_CACHE_ENTRIES + 1);
    await names(app, cap(`/home/${WORLDS_LIST_CACHE_ENTRIES}`));
    equal(walks(), WORLDS_LIST_CACHE_ENTRIES + 1);
    await names(app, cap("/home/0"));
    equal(walks(), WORLDS_LIST_CACHE_ENTRIES + 2);
  });
});
