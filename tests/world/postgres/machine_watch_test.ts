import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { CLUSTER_KEY, ClusterStores } from "../../support/cluster_stores.ts";
import { openDatabase } from "../../support/database_session.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { keyCheckOf, readMachine } from "../../../lib/world/postgres/machine.ts";
import { MachineWatch } from "../../../lib/world/postgres/machine_watch.ts";
import {
  changeStoreKey,
  forgetRetiredKey,
  recordRestore,
  StoreRefused,
} from "../../../lib/world/postgres/manage_store.ts";
import type { PgRow, Session } from "../../../lib/world/postgres/session.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";

const server = sharedServer();

/** A store whose facts a test changes, and the node that reads them. */
class Facts {
  key = "own";
  authority = 7;
  epoch = "e";
  searches = 0;
  readonly reasons: string[] = [];
  /** A reading waits for it before it gets its answer. */
  delay: Promise<void> = Promise.resolve();
  reads = 0;
  readonly watch: MachineWatch;

  constructor() {
    const query = async (): Promise<PgRow[]> => {
      this.reads++;
      const row = {
        schema_version: 1,
        key_check: keyCheckOf(this.key),
        retired_keys: "",
        epoch: this.epoch,
        created_at: "c",
        authority: this.authority,
      };
      await this.delay;
      return [row];
    };
    const session: Session = { isOpen: true, inTransaction: false, pid: 0, query, drop() {} };
    const searches = () => this.searches;
    this.watch = new MachineWatch({
      link: {
        ask: (_role, run) => run(session),
        get searches() {
          return searches();
        },
      },
      key: "own",
      onUnusable: (reason) => this.reasons.push(reason),
    });
  }
}

Deno.test("judgedBy() returns no number at which the facts were not read", async () => {
  const { watch, ...facts } = new Facts();
  assertEquals(watch.judgedBy(7), -1);
  await watch.follow(7);
  assertEquals([6, 7, 8].map((authority) => watch.judgedBy(authority)), [6, 7, 7]);
  assertEquals(facts.reasons, []);
});

Deno.test("follow() reads only what is newer, and once for all callers", async () => {
  const facts = new Facts();
  await Promise.all([facts.watch.follow(7), facts.watch.follow(7)]);
  await facts.watch.follow(6);
  assertEquals(facts.reads, 1);
  // A reading that began before the number was raised is not sufficient.
  const { promise, resolve } = Promise.withResolvers<void>();
  facts.searches++;
  facts.delay = promise;
  const early = facts.watch.follow(7);
  facts.authority = 8;
  const late = facts.watch.follow(8);
  resolve();
  await Promise.all([early, late]);
  assertEquals([facts.reads, facts.watch.judgedBy(9)], [3, 8]);
});

Deno.test("judgedBy() returns no number that was read before a search for the primary", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const facts = new Facts();
  facts.delay = promise;
  const reading = facts.watch.follow(7);
  // What answers can be an earlier primary: it is asked again.
  facts.searches++;
  resolve();
  await reading;
  assertEquals([facts.reads, facts.watch.judgedBy(7)], [2, 7]);
  facts.searches++;
  assertEquals(facts.watch.judgedBy(7), -1);
  await facts.watch.follow(7);
  assertEquals([facts.reads, facts.watch.judgedBy(7)], [3, 7]);
});

Deno.test("a restored database refuses every change, also with the numbers that the node knows", async () => {
  const facts = new Facts();
  await facts.watch.follow(7);
  facts.epoch = "f";
  facts.searches++;
  const refused = (error: Error) => error instanceof StoreError && error.code === "unusable";
  await assertRejects(() => facts.watch.follow(7), refused);
  assertEquals(facts.reasons, ["the database was restored while it ran"]);
});

Deno.test("a key that is not the node's refuses every change, and is reported once", async () => {
  const facts = new Facts();
  await facts.watch.follow(7);
  facts.key = "other";
  await facts.watch.follow(7);
  assert(facts.watch.isUsable, "the number was not raised");
  facts.authority = 8;
  const refused = (error: Error) => error instanceof StoreError && error.code === "unusable";
  await assertRejects(() => facts.watch.follow(8), refused);
  await assertRejects(() => facts.watch.follow(9), refused);
  let thrown: unknown;
  try {
    facts.watch.judgedBy(7);
  } catch (error) {
    thrown = error;
  }
  assert(thrown instanceof StoreError && thrown.code === "unusable");
  assertEquals([facts.watch.isUsable, facts.reads], [false, 2]);
  assertEquals(facts.reasons, ["ELASTIK_KEY is not its key; every node needs the same key"]);
});

/**
 * Runs a command that refuses while a node runs, as after 30 s in which the node was suspended. A heartbeat of
 * the node can come in between.
 */
async function runUnseen<T>(owner: Session, command: () => Promise<T>): Promise<T> {
  for (;;) {
    await owner.query("UPDATE elastik.nodes SET seen_at = '-infinity'");
    try {
      return await command();
    } catch (error) {
      if (!(error instanceof StoreRefused)) throw error;
    }
  }
}

postgresTest(
  "a node that a restore does not see changes nothing after it",
  async () => {
    await using stores = await ClusterStores.create(server());
    const reasons: string[] = [];
    const node = await stores.open({ onUnusable: (reason) => void reasons.push(reason) });
    const body = new TextEncoder().encode("x");
    await node.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    const owner = await openDatabase(server(), stores.database);
    await runUnseen(owner, () => recordRestore(owner, CLUSTER_KEY));
    const change = node.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    await assertRejects(change, { code: "unusable" });
    assertEquals(reasons, ["the database was restored while it ran"]);
    owner.drop();
  },
);

postgresTest(
  "a node that rekey does not see changes nothing after it, whatever it was judged by",
  async () => {
    await using stores = await ClusterStores.create(server());
    const reasons: string[] = [];
    const onUnusable = (reason: string) => void reasons.push(reason);
    const node = await stores.open({ onUnusable });
    const put = (name: string) => {
      const body = new TextEncoder().encode("x");
      return node.put({ name, body, ext: "txt", meta: [], by: "T2" });
    };
    await put("home/x");
    await node.markCollection("home/c", true);
    const owner = await openDatabase(server(), stores.database);
    const change = () => changeStoreKey(owner, "next", [CLUSTER_KEY]);
    assertEquals(await runUnseen(owner, change), true);
    const calls = {
      "a world in memory": () => put("home/x"),
      "a new world": () => put("home/y"),
      "a mark": () => node.markCollection("home/d", true),
      "a read of what others did": () => node.refresh(),
    };
    const outcomes = await Promise.allSettled(Object.values(calls).map((call) => call()));
    for (const [at, kind] of Object.keys(calls).entries()) {
      const outcome = outcomes[at];
      const reason: unknown = outcome?.status === "rejected" ? outcome.reason : undefined;
      assert(reason instanceof StoreError && reason.code === "unusable", `${kind}: ${reason}`);
      assertMatch(reason.message, /^Cannot use the store: the store has another key now, and /);
    }
    assertEquals(node.readable, false);
    assertEquals(reasons.length, 1, reasons.join());
    assertMatch(reasons[0] ?? "", /^ELASTIK_KEY is a retired key of it; /);
    const events = await owner.query("SELECT count(*)::int AS count FROM elastik.events");
    assertEquals(events, [{ count: 1 }]);

    // With the new key, changes need one number only.
    const next = await stores.open({ key: "next", retiredKeys: [CLUSTER_KEY], onUnusable });
    const body = new TextEncoder().encode("y");
    await next.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    assertEquals((await next.audit("home/x")).ok, true);
    // A node verifies with the retired keys of its start.
    assertEquals((await readMachine(owner))?.retiredKeys, [toKeyId(CLUSTER_KEY)]);
    await forgetRetiredKey(owner, toKeyId(CLUSTER_KEY));
    await next.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
    assertEquals(reasons.length, 1, reasons.join());
    owner.drop();
  },
);
