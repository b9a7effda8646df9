import { assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import {
  assertSourcePrecondition,
  readPluginSource,
  setPluginState,
} from "../../../lib/plugin/host/plugin_source_world.ts";
import { type ChangeResult, type Store, StoreError } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";
import { withCalls } from "../../support/store_calls.ts";

const APPROVED = { payload: { more: 1 }, claims: { routes: ["/a", "/b"], fallback: true } };

function put(store: Store, text: string): Promise<ChangeResult> {
  const body = new TextEncoder().encode(text);
  return store.put({ name: "lib/p", body, ext: "ts", meta: [], by: "T2", state: "pending" });
}

Deno.test("readPluginSource() returns a stored source and rejects with 404 for the lower layer", async () => {
  await withApp({}, async ({ store }) => {
    await assertRejects(readPluginSource(store, "lib/p", "activate"), {
      type: "not-found",
      message: /Cannot activate \/lib\/p/,
    });
    // A world of the lower layer is not a stored source.
    await assertRejects(readPluginSource(store, "usr/share/doc/note.md", "activate"), {
      type: "not-found",
    });
    await put(store, "one");
    assertEquals((await readPluginSource(store, "lib/p", "activate")).state, "pending");
  });
});

Deno.test("setPluginState() sets the state of exactly the version that was read", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "one");
    const seen = await readPluginSource(store, "lib/p", "activate");
    assertEquals(await setPluginState(store, seen, "active", { by: "T3" }, APPROVED), 1);
    const [event] = await store.log("lib/p", { limit: 1 });
    assertEquals(JSON.stringify(event?.payload).includes(`"source_sha256":"${seen.sha256}"`), true);
    await put(store, "two");
    await assertRejects(setPluginState(store, seen, "disabled", { by: "T3" }), {
      type: "conflict",
    });
    // The same bytes with another version are refused too.
    await put(store, "one");
    await assertRejects(setPluginState(store, seen, "active", { by: "T3" }), { type: "conflict" });
    assertEquals((await readPluginSource(store, "lib/p", "look at")).state, "pending");
  });
});

Deno.test("setPluginState() claims the routes of an active plugin, and names one that is taken", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "one");
    const source = await readPluginSource(store, "lib/p", "activate");
    const claims: (readonly string[] | undefined)[] = [];
    const recording = withCalls(store, {
      transition(change) {
        claims.push(change.claims);
        return store.transition(change);
      },
    });
    await setPluginState(recording, source, "active", { by: "T3" }, APPROVED);
    await setPluginState(recording, source, "disabled", { by: "T3" });
    const { claims: { routes } } = APPROVED;
    await setPluginState(recording, source, "active", { by: "T3" }, {
      payload: {},
      claims: { routes, fallback: false },
    });
    assertEquals(claims, [["/a", "/b", "fallback"], undefined, ["/a", "/b"]]);
    const message = "/a/x is taken: /lib/other has the route /a";
    const refusing = withCalls(store, {
      transition: () => Promise.reject(new StoreError("claimed", message, "lib/p")),
    });
    await assertRejects(setPluginState(refusing, source, "active", { by: "T3" }, APPROVED), {
      name: "ManifestError",
      message: `in the field \`routes\`: ${message}`,
    });
  });
});

Deno.test("assertVersionSeen() throws 412 if the caller's precondition fails", async () => {
  await withApp({}, async ({ store }) => {
    await put(store, "one");
    const source = await readPluginSource(store, "lib/p", "activate");
    assertSourcePrecondition(source, undefined);
    assertSourcePrecondition(source, { match: [{ version: 1, sha256: source.sha256 }] });
    assertThrows(() => assertSourcePrecondition(source, { match: [{ version: 2 }] }), {
      type: "precondition-failed",
    });
    const wrong = { by: "T3", precondition: { match: [{ version: 2 }] } };
    await assertRejects(setPluginState(store, source, "active", wrong), {
      type: "precondition-failed",
    });
    assertEquals((await store.log("lib/p", { limit: 10 })).length, 1);
  });
});
