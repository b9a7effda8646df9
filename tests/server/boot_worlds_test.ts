import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { PUBLIC_SETTINGS, SETTINGS } from "../../lib/settings.ts";
import { formatBootEnv, writeBootWorlds } from "../../lib/server/boot_worlds.ts";
import { withApp } from "../support/app.ts";

Deno.test("formatBootEnv() lists every setting, with values of public settings only", () => {
  const text = formatBootEnv((name) => `value of ${name}`);
  for (const name of Object.keys(SETTINGS)) {
    const harmless = PUBLIC_SETTINGS.some((known) => known === name);
    assert(text.includes(harmless ? `\n${name}=value of ${name}\n` : `# ${name} is set\n`), name);
    assertStrictEquals(text.includes(`value of ${name}\n`), harmless, name);
  }
  for (const line of formatBootEnv(() => undefined).trim().split("\n")) {
    assertMatch(line, /^# \w+ is not set$/);
  }
});

Deno.test("writeBootWorlds() writes each world once, and again after a change", async () => {
  await withApp({}, async ({ store }) => {
    const text = async (name: string) => new TextDecoder().decode((await store.read(name))?.body);
    await writeBootWorlds(store, () => undefined);
    assertEquals([store.stat("boot/env")?.version, store.stat("boot/plugins")?.version], [1, 1]);
    assertEquals(await text("boot/plugins"), "");
    await writeBootWorlds(store, () => undefined);
    assertEquals(store.stat("boot/env")?.version, 1);
    const body = new TextEncoder().encode("export {}");
    const put = { ext: "ts", meta: [], by: "T2", body, state: "pending" };
    await store.put({ name: "lib/gpu", ...put });
    await store.put({ name: "lib/db", ...put });
    await store.transition({ name: "lib/gpu", to: "active", by: "T3" });
    await writeBootWorlds(store, (name) => name === "ELASTIK_PORT" ? "80" : undefined);
    assertEquals(await text("boot/plugins"), "db pending\ngpu active\n");
    assertMatch(await text("boot/env"), /^ELASTIK_PORT=80$/m);
    assertEquals((await store.log("boot/env", { limit: 1 }))[0]?.id, 2);
  });
});
