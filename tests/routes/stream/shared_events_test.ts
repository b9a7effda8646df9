import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { ANONYMOUS } from "../../../lib/auth/authenticate.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import {
  SharedEvents,
  sharedEventsOf,
  versionKey,
} from "../../../lib/routes/stream/shared_events.ts";
import { withApp } from "../../support/app.ts";

const T3: Caller = { tier: "T3", by: "T3", authenticated: true };

Deno.test("SharedEvents.share() encodes an event once as long as it is held", () => {
  const events = new SharedEvents();
  let count = 0;
  const encode = () => [new Uint8Array(++count)];
  const first = events.share("a", encode);
  assertStrictEquals(events.share("a", encode), first);
  assertStrictEquals(events.get("a"), first);
  assertEquals([events.get("b"), count, events.size], [undefined, 1, 1]);
});

Deno.test("SharedEvents.load() shares concurrent reads, and repeats one that failed or was empty", async () => {
  const events = new SharedEvents();
  let count = 0;
  const create = () => Promise.resolve([new Uint8Array(++count)]);
  const [one, two] = await Promise.all([events.load("a", create), events.load("a", create)]);
  assertStrictEquals(one, two);
  assertStrictEquals(await events.load("a", create), one);
  assertEquals(count, 1);
  assertEquals(await events.load("b", () => Promise.resolve(undefined)), undefined);
  await events.load("b", () => Promise.reject(new Error("torn"))).catch((error) =>
    assertEquals(error.message, "torn")
  );
  assertEquals((await events.load("b", create))?.[0]?.length, 2);
});

Deno.test("versionKey() is the same for a world and its catalog entry, and differs if it is redacted", async () => {
  await withApp({}, async ({ store }) => {
    for (const name of ["home/x", "etc/fstab"]) {
      await store.put({ name, ext: "txt", meta: [], by: "T3", body: new Uint8Array(3) });
      const [world, entry] = [await store.read(name), store.stat(name)];
      if (world === undefined || entry === undefined) throw new Error("it was just written");
      assertEquals(versionKey(world, ANONYMOUS), versionKey(entry, ANONYMOUS));
      assertEquals(versionKey(world, ANONYMOUS) === versionKey(world, T3), name === "home/x");
    }
    assertStrictEquals(sharedEventsOf(store), sharedEventsOf(store));
  });
});
