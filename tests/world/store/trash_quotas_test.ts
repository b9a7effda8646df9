import { TrashQuotas } from "../../../lib/world/store/trash_quotas.ts";
import { parseQuotaList, type QuotaList } from "../../../lib/world/quota_list.ts";
import { assert, assertEquals } from "../../support/assert.ts";

function parse(text: string): QuotaList {
  const list = parseQuotaList(new TextEncoder().encode(text));
  assert(!("fault" in list));
  return list;
}

const world = (id: string, name: string, bytes: number, by = "T2") => ({ id, name, by, bytes });

/** Waits for the microtasks of a load. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("TrashQuotas counts each world once, also while the trash is being read", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const quotas = new TrashQuotas({
    async *readAll() {
      yield [world("1", "home/q/a", 5), world("2", "home/b", 7)];
      await promise;
      yield [world("3", "home/q/c", 11), world("4", "home/q/d", 13), world("6", "home/q/e", 19)];
    },
    log: () => {},
  });
  const list = parse("prefix:/home/q trash:1KiB\nuser:ada trash:9\nprefix:/home bytes:1");
  const [prefix, user, other] = [...list.values()];
  assert(prefix !== undefined && user !== undefined && other !== undefined);
  const used = () => [quotas.used(prefix), quotas.used(user), quotas.used(other)];
  quotas.recordAdded(world("0", "home/q/early", 1));
  quotas.setList(list);
  await settled();
  assertEquals(used(), [5, 0, 0]);
  // The rest of the trash has been read before these changes, or after them.
  quotas.recordAdded(world("3", "home/q/c", 11));
  quotas.recordTaken({ id: "4", name: "home/q/d" });
  quotas.recordExpunged("6");
  quotas.recordAdded(world("5", "var/lib/x", 17), { name: "home/q/x", by: "user:ada" });
  resolve();
  await settled();
  assertEquals(used(), [5 + 11 + 17, 17, 0]);
  quotas.recordTaken({ id: "5", name: "var/lib/x" });
  quotas.recordTaken({ id: "5", name: "var/lib/x" });
  assertEquals(used(), [16, 0, 0]);
  quotas.recordAdded(world("3", "home/q/c/d", 23));
  quotas.recordExpunged("3");
  quotas.recordExpunged("3");
  assertEquals(used(), [5, 0, 0]);
  quotas.setList(new Map());
  assertEquals(used(), [0, 0, 0]);
});

Deno.test("TrashQuotas.recordUnowned() counts a world when its owner is known, if it is still in the trash", () => {
  const quotas = new TrashQuotas({ async *readAll() {}, log: () => {} });
  quotas.recordUnowned(world("0", "var/lib/x", 1))({ name: "home/q/x", by: "T2" });
  const list = parse("prefix:/home/q trash:1KiB");
  const [rule] = [...list.values()];
  assert(rule !== undefined);
  quotas.setList(list);
  const owner = { name: "home/q/x", by: "T2" };
  const counts = Array.from(
    { length: 4 },
    (_, i) => quotas.recordUnowned(world(`${i + 1}`, "var/lib/x", 1 << i)),
  );
  assertEquals(quotas.used(rule), 0);
  quotas.recordTaken({ id: "2", name: "var/lib/x" });
  quotas.recordExpunged("3");
  for (const count of counts) count(owner);
  assertEquals(quotas.used(rule), 1 + 8);
  // It is counted once.
  for (const count of counts) count(owner);
  quotas.recordUnowned(world("1", "var/lib/x", 1))(owner);
  assertEquals(quotas.used(rule), 1 + 8);
  const count = quotas.recordUnowned(world("5", "var/lib/x", 16));
  quotas.setList(list);
  count(owner);
  assertEquals(quotas.used(rule), 0);
});

Deno.test("TrashQuotas.readAgain() reads the trash once more, also if it is being read", async () => {
  let reads = 0;
  let gate = Promise.resolve();
  let trash = [world("1", "home/q/a", 5), world("2", "home/q/b", 7)];
  const quotas = new TrashQuotas({
    async *readAll() {
      reads++;
      const now = trash;
      await gate;
      yield now;
    },
    log: () => {},
  });
  quotas.readAgain();
  assertEquals(reads, 0);
  const list = parse("prefix:/home/q trash:1KiB");
  const used = () => [...list.values()].map((rule) => quotas.used(rule));
  quotas.setList(list);
  await settled();
  assertEquals([used(), reads], [[12], 1]);
  trash = [world("2", "home/q/b", 7)];
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  quotas.readAgain();
  await settled();
  // It changes during this read, so this read does not count.
  trash = [world("3", "home/q/c", 11)];
  quotas.readAgain();
  quotas.readAgain();
  resolve();
  await settled();
  assertEquals([used(), reads], [[11], 3]);
});

Deno.test("TrashQuotas reports a trash that cannot be read, and goes with what it has", async () => {
  const log: string[] = [];
  const quotas = new TrashQuotas({
    async *readAll() {
      yield [world("1", "home/q/a", 5)];
      await Promise.reject(new Error("no disk"));
    },
    log: (line) => log.push(line),
  });
  const list = parse("prefix:/home/q trash:1KiB");
  quotas.setList(list);
  await settled();
  assertEquals([...list.values()].map((rule) => quotas.used(rule)), [5]);
  assertEquals(log, ["cannot add up the trash for quotas: Error: no disk"]);
});
