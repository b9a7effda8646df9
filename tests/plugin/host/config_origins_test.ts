import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { ConfigOrigins, ConfigPaths } from "../../../lib/plugin/host/config_origins.ts";
import { MAX_CONFIG_ORIGINS } from "../../../lib/limits.ts";
import type { ChainEvent, Change } from "../../../lib/world/store.ts";
import { ChangeHub } from "../../../lib/world/store/change_hub.ts";

/** A store of which only the changes and the newest events exist. */
class Changes {
  readonly #hub = new ChangeHub((error) => {
    throw error;
  });
  op = "put";

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#hub.watch(name, listener);
  }

  log(): Promise<readonly ChainEvent[]> {
    const type = this.op === "append" ? "stage_appended" : "stage_written";
    const payload = { op: this.op };
    return Promise.resolve([{ id: 1, timestamp: "", type, payload, hmac: "", prev_hmac: "" }]);
  }

  change(by: string, op = "put", name = "etc/x", isAfterGap = false): void {
    this.op = op;
    const gap = isAfterGap ? { isAfterGap } as const : {};
    const kind = op === "delete" ? "delete" : "update";
    this.#hub.publish({ kind, name, version: 1, by, ...gap });
  }
}

Deno.test("ConfigOrigins.isChosenByOperator() is true only if T3 chose the whole content", async () => {
  const rows: [changes: [by: string, op?: string][], wasTrusted: boolean, expected: boolean][] = [
    [[], true, false],
    [[["T3"]], true, true],
    [[["user:ada", "append"]], true, true],
    [[["T3", "append"]], false, false],
    [[["T3"]], false, true],
    [[["plugin:p"]], true, false],
    [[["T2"]], true, false],
    [[["cap:/etc"]], true, false],
    [[["T3"], ["plugin:p"]], true, false],
    [[["plugin:p"], ["T3", "append"]], true, false],
    [[["plugin:p"], ["T3", "patch"]], true, false],
    [[["plugin:p"], ["T3", "append"], ["T3"]], true, true],
    [[["plugin:p"], ["T3", "delete"]], true, true],
    [[["T3"], ["plugin:p", "delete"]], true, false],
  ];
  for (const [changes, wasTrusted, expected] of rows) {
    const store = new Changes();
    const origins = new ConfigOrigins(store);
    for (const [by, op] of changes) store.change(by, op);
    const found = await origins.isChosenByOperator("/etc/x", wasTrusted);
    assertStrictEquals(found, expected, JSON.stringify([changes, wasTrusted]));
    origins.close();
  }
});

Deno.test("ConfigOrigins.isChosenByOperator() trusts no change of T3 that others may precede, unless T3 replaced the content", async () => {
  const rows: [before: [by: string, op: string][], last: [by: string, op: string], boolean][] = [
    [[], ["T3", "append"], false],
    [[["T3", "put"]], ["T3", "append"], false],
    [[["T3", "put"]], ["T3", "put"], true],
    // The last writer is not the caller of the deletion.
    [[["T3", "put"]], ["T3", "delete"], false],
    [[["T3", "put"]], ["plugin:p", "put"], false],
  ];
  for (const [before, [by, op], expected] of rows) {
    const store = new Changes();
    const origins = new ConfigOrigins(store);
    for (const [writer, how] of before) store.change(writer, how);
    store.change(by, op, "etc/x", true);
    const found = await origins.isChosenByOperator("/etc/x", true);
    assertStrictEquals(found, expected, JSON.stringify([before, by, op]));
    origins.close();
  }
});

Deno.test("ConfigOrigins forgets the oldest of more worlds than it remembers, and never trusts a forgotten one", async () => {
  const store = new Changes();
  const origins = new ConfigOrigins(store);
  store.change("T3");
  for (let at = 0; at < MAX_CONFIG_ORIGINS; at++) store.change("T3", "put", `var/${at}`);
  assertStrictEquals(await origins.isChosenByOperator("/etc/x", true), false);
  assertStrictEquals(await origins.isChosenByOperator("/var/0", true), true);
  assertStrictEquals(origins.lastChange("/etc/x"), 0);
  assertStrictEquals(origins.lastChange("/var/0"), 2);
  origins.close();
});

Deno.test("ConfigPaths.covers() is true for a config world, and for paths above and below it", async () => {
  const paths = new ConfigPaths();
  paths.add("/etc/app/conf");
  const others = ["/etc/app/conf.", "/etc/app/conf ", "/etc/app/conf\u200b", "/etc/app/con\u017f"];
  assertEquals(others.map((path) => paths.covers(path)), [true, true, true, false]);
  for (const path of ["/etc/app/conf", "/ETC/App/conf", "/etc/app", "/etc", "/etc/app/conf/x"]) {
    assertEquals(paths.covers(path), true, path);
  }
  for (const path of ["/etc/app/conf2", "/etc/ap", "/home/x", "/usr"]) {
    assertEquals(paths.covers(path), false, path);
  }
  const coversAll = () => ["/usr", "/var/x", "/etc/y", "/home/x"].map((path) => paths.covers(path));
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const starts = [first, second].map(({ promise }) => paths.whileUnknown(() => promise));
  assertEquals(coversAll(), [true, true, true, false]);
  first.resolve();
  await starts[0];
  assertEquals([paths.isUnknown, ...coversAll()], [true, true, true, true, false]);
  second.resolve();
  await starts[1];
  assertEquals([paths.isUnknown, ...coversAll()], [false, false, false, false, false]);
});
