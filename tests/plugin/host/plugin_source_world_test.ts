import { equal, rejects, throws } from "node:assert/strict";
import { mustHaveSeen, setState, sourceOf } from "../../../lib/plugin/host/plugin_source_world.ts";
import type { Store, Written } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";

function put(store: Store, text: string): Promise<Written> {
  const body = new TextEncoder().encode(text);
  return store.put({ name: "lib/p", body, ext: "ts", meta: [], by: "T2", state: "pending" });
}

Deno.test("sourceOf() gives a source that somebody stored", async () => {
  await withApp({}, async ({ store }) => {
    await rejects(sourceOf(store, "lib/p", "activate"), {
      type: "not-found",
      message: /Cannot activate \/lib\/p/,
    });
    // What the machine was born with was stored by nobody.
    await rejects(sourceOf(store, "usr/share/doc/note.md", "activate"), { type: "not-found" });
    await put(store, "one");
    equal((await sourceOf(store, "lib/p", "activate")).state, "pending");
  });
});

Deno.test("setState() sets the state of exactly what was read", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "one");
    const seen = await sourceOf(store, "lib/p", "activate");
    equal(await setState(store, seen, "active", { by: "T3" }, { more: 1 }), 1);
    const [event] = await store.log("lib/p", { limit: 1 });
    equal(JSON.stringify(event?.payload).includes(`"source_sha256":"${seen.sha256}"`), true);
    await put(store, "two");
    await rejects(setState(store, seen, "disabled", { by: "T3" }), { type: "conflict" });
    // The same bytes at another version are not what was read either.
    await put(store, "one");
    await rejects(setState(store, seen, "active", { by: "T3" }), { type: "conflict" });
    equal((await sourceOf(store, "lib/p", "look at")).state, "pending");
  });
});

Deno.test("mustHaveSeen() holds a caller to the version they name", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "one");
    const source = await sourceOf(store, "lib/p", "activate");
    mustHaveSeen(source, undefined);
    mustHaveSeen(source, { match: [{ version: 1, sha256: source.sha256 }] });
    throws(() => mustHaveSeen(source, { match: [{ version: 2 }] }), {
      type: "precondition-failed",
    });
    const wrong = { by: "T3", precondition: { match: [{ version: 2 }] } };
    await rejects(setState(store, source, "active", wrong), { type: "precondition-failed" });
    equal((await store.log("lib/p", { limit: 10 })).length, 1);
  });
});
