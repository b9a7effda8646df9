import { assertEquals, assertRejects, errorWith } from "../../support/assert.ts";
import { CursorCodec, type CursorPosition } from "../../../lib/world/change_cursor.ts";
import {
  ChangeFeed,
  type FeedSnapshot,
  type FeedSource,
  type HeadSink,
  type RoundKind,
} from "../../../lib/world/postgres/change_feed.ts";
import { ClusterState } from "../../../lib/world/postgres/cluster_state.ts";
import type { FeedEventRow, HeadRow, OwnStep } from "../../../lib/world/postgres/feed_row.ts";
import { Lease } from "../../../lib/world/postgres/lease.ts";

const AT = "2026-01-01T00:00:00.000Z";
const RUN = "0000000a";

/** A world that does not exist any more. */
const lost: HeadRow = {
  ...{ world: 9, name: "", version: 1, ext: "txt", len: 1, state: "", updatedAt: AT, by: "T2" },
  ...{ event: 1, hmac: "9.1", at: AT },
};

/** A database with what was published, and what was committed and is not published. */
class Database implements FeedSource {
  timeline = 1;
  rows: FeedEventRow[] = [];
  waiting: Omit<FeedEventRow, "seq" | "run">[] = [];
  run = RUN;
  /** Kinds of the calls of `readRows`. */
  readonly calls: RoundKind[] = [];
  /** Runs before each answer of `readRows`. */
  beforeAnswer: () => void | Promise<void> = () => {};

  /** Commits a change of a world by another node. */
  commit(world: number, id: number, name: string, kind: FeedEventRow["kind"] = "update") {
    const event = { id, timestamp: AT, type: "x", payload: "{}", hmac: `${world}.${id}` };
    const content = { by: "T2", version: id, ext: "txt", state: "", len: 1 };
    this.waiting.push({ kind, world, name, event, ...content });
  }

  publish(): void {
    for (const row of this.waiting.splice(0)) {
      this.rows.push({ ...row, seq: this.rows.length + 1, run: this.run });
    }
  }

  async readRows(after: number, limit: number, kind: RoundKind): Promise<readonly FeedEventRow[]> {
    this.calls.push(kind);
    if (kind !== "follow") this.publish();
    const found = this.rows.slice(after, after + limit);
    await this.beforeAnswer();
    return found;
  }

  /** Runs before the last worlds of `readAll` are taken. */
  beforeLastHeads: () => Promise<void> = () => Promise.resolve();

  async readAll(take: HeadSink): Promise<FeedSnapshot> {
    this.publish();
    const last = this.rows.at(-1);
    const position = last === undefined ? { seq: 0, run: "00000000" } : last;
    // What a try has read before it failed; its worlds have other names now.
    take([{ ...lost, name: "home/lost" }], true);
    const heads = this.heads();
    take(heads.slice(0, 1), true);
    await this.beforeLastHeads();
    take(heads.slice(1), false);
    return { position, marks: [], authority: 0 };
  }

  readHeads(worlds: readonly number[]): Promise<readonly HeadRow[]> {
    return Promise.resolve(this.heads().filter(({ world }) => worlds.includes(world)));
  }

  hasPosition({ seq, run }: CursorPosition): Promise<boolean> {
    return Promise.resolve(seq === 0 || this.rows[seq - 1]?.run === run);
  }

  heads(): HeadRow[] {
    const heads = new Map<number, HeadRow>();
    for (const { kind, world, name, event, by, version, ext, state, len } of this.rows) {
      if (kind === "delete") heads.delete(world);
      else {
        const { id, hmac, timestamp: at } = event;
        const row = { world, name, version, ext, state, len, by, updatedAt: at, hmac, at };
        heads.set(world, { ...row, event: id });
      }
    }
    return [...heads.values()];
  }
}

interface Following {
  readonly db: Database;
  readonly state: ClusterState;
  readonly feed: ChangeFeed;
  readonly lease: Lease;
  readonly now: { monotonic: number; wall: number };
  readonly told: string[];
  readonly log: string[];
}

async function withFeed(
  use: (following: Following) => Promise<void>,
  pauseMs = 0,
  loadedPauseMs = 0,
): Promise<void> {
  const db = new Database();
  const log: string[] = [];
  const now = { monotonic: 0, wall: 0 };
  const state = new ClusterState({
    lower: new Map(),
    cacheBytes: 0,
    codec: new CursorCodec("key"),
    log: (line) => log.push(line),
  });
  const lease = new Lease({ monotonic: () => now.monotonic, wall: () => now.wall }, 2_000);
  // Rounds run only when a test asks for them.
  const never = { pollMs: 1e9, renewalMs: 1e9 };
  const feed = new ChangeFeed({
    source: db,
    state,
    lease,
    pauseMs,
    loadedPauseMs,
    ...never,
    log: (line) => log.push(line),
  });
  const told: string[] = [];
  state.hub.watch("/", ({ kind, name, version }) => told.push(`${kind} ${name} ${version}`));
  try {
    await use({ db, state, feed, lease, now, told, log });
  } finally {
    await feed.stop();
  }
}

/** An own creation or update that was acknowledged. */
function own(world: number, event: number, name: string): OwnStep {
  const head = { world, event, first: event, name, version: event, hmac: `${world}.${event}` };
  return {
    ...head,
    kind: "update",
    ext: "txt",
    len: 1,
    state: "",
    updatedAt: AT,
    by: "T2",
    at: AT,
  };
}

Deno.test("ChangeFeed loads all worlds at the start and follows from there", async () => {
  await withFeed(async ({ db, state, feed, lease, told }) => {
    db.commit(1, 1, "home/a");
    db.commit(1, 2, "home/a");
    await feed.start();
    assertEquals(state.catalog.upper("home/a")?.version, 2);
    assertEquals([...state.catalog.uppers()].length, 1);
    assertEquals(told, []);
    assertEquals(lease.isHeld, true);
    db.commit(2, 1, "home/b");
    await feed.round("follow");
    assertEquals(told, [], "what is not published is not followed");
    await feed.round("publish");
    assertEquals(told, ["update home/b 1"]);
  });
});

Deno.test("ChangeFeed applies no change while it reads the worlds at the start", async () => {
  await withFeed(async ({ db, state, feed }) => {
    db.commit(1, 1, "home/a");
    db.commit(2, 1, "home/b");
    db.beforeLastHeads = async () => {
      // Another node puts a new world in the place of one that is still to be taken.
      db.commit(2, 2, "home/b", "delete");
      db.commit(3, 1, "home/b");
      feed.wake("publish");
      await new Promise((resume) => setTimeout(resume, 5));
      assertEquals(db.calls, []);
    };
    await feed.start();
    assertEquals(state.headOf("home/b")?.world, 3);
    db.commit(3, 2, "home/b");
    await feed.round("publish");
    assertEquals(state.catalog.upper("home/b")?.version, 2);
  });
});

Deno.test("ChangeFeed reads pages until it is at the end", async () => {
  await withFeed(async ({ db, state, feed, told }) => {
    await feed.start();
    for (let id = 1; id <= 2_500; id++) db.commit(1, id, "home/a");
    db.calls.length = 0;
    await feed.round("publish");
    assertEquals(told.length, 2_500);
    assertEquals(state.position.seq, 2_500);
    assertEquals(db.calls, ["publish", "follow", "follow"]);
  });
});

Deno.test("ChangeFeed shares a round between the callers that came before it began", async () => {
  await withFeed(async ({ db, feed, told }) => {
    await feed.start();
    db.calls.length = 0;
    const running = Promise.withResolvers<void>();
    const isReading = Promise.withResolvers<void>();
    db.beforeAnswer = () => {
      isReading.resolve();
      return running.promise;
    };
    const first = feed.round("follow");
    await isReading.promise;
    // The round that runs has read already: these callers need another one.
    db.commit(1, 1, "home/a");
    const rest = [feed.round("follow"), feed.round("refresh"), feed.round("publish")];
    running.resolve();
    await first;
    assertEquals(told, []);
    await Promise.all(rest);
    assertEquals(told, ["update home/a 1"]);
    assertEquals(db.calls, ["follow", "refresh"]);
  });
});

Deno.test("ChangeFeed follows what is announced, unless the round that runs brings it", async () => {
  await withFeed(async ({ db, state, feed }) => {
    await feed.start();
    db.calls.length = 0;
    db.commit(1, 1, "home/a");
    db.beforeAnswer = () => feed.announce(1);
    await feed.round("publish");
    feed.announce(1);
    db.beforeAnswer = () => {};
    await feed.round("follow");
    assertEquals(db.calls, ["publish", "follow"], "the publisher gets its own announcement");
    // Two batches of another node: the second one is published while a round runs.
    db.commit(1, 2, "home/a");
    db.publish();
    const isFollowed = Promise.withResolvers<void>();
    db.beforeAnswer = () => {
      if (db.rows.length === 3) return isFollowed.resolve();
      db.commit(1, 3, "home/a");
      db.publish();
      feed.announce(3);
    };
    feed.announce(2);
    await isFollowed.promise;
    await feed.stop();
    assertEquals(state.position.seq, 3);
    assertEquals(db.calls.length, 4);
  });
});

Deno.test("ChangeFeed pauses before a round that no caller waits for", async () => {
  await withFeed(async ({ db, feed, told }) => {
    await feed.start();
    db.calls.length = 0;
    db.commit(1, 1, "home/a");
    feed.wake("publish");
    feed.wake("follow");
    db.commit(2, 1, "home/b");
    await feed.round("follow");
    assertEquals(told, ["update home/a 1", "update home/b 1"]);
    assertEquals(db.calls, ["publish"], "the round does what the others wait for");
  }, 1e6);
});

Deno.test("ChangeFeed pauses longer after a round that brought many rows", async () => {
  await withFeed(
    async ({ db, feed }) => {
      await feed.start();
      db.commit(1, 1, "home/a");
      await feed.round("publish");
      db.calls.length = 0;
      await new Promise((resolve) => setTimeout(resolve, 5));
      feed.wake();
      await Promise.resolve();
      assertEquals(db.calls, ["follow"], "a millisecond for one row");
      await feed.round("publish");
      for (let event = 2; event < 60_000; event++) db.commit(1, event, "home/a");
      await feed.round("publish");
      db.calls.length = 0;
      feed.wake();
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(db.calls, [], "a minute for 60,000 rows");
    },
    0,
    Infinity,
  );
});

Deno.test("ChangeFeed renews the lease only with a replicated commit, from when it was sent", async () => {
  await withFeed(async ({ db, feed, lease, now }) => {
    await feed.start();
    now.monotonic = now.wall = 1_900;
    await feed.round("publish");
    assertEquals(lease.age, 1_900);
    db.beforeAnswer = () => {
      now.monotonic = now.wall = 2_500;
    };
    await feed.round("refresh");
    assertEquals(lease.age, 600);
  });
});

Deno.test("ChangeFeed reports a fault once and continues after it", async () => {
  await withFeed(async ({ db, feed, told, log }) => {
    await feed.start();
    db.beforeAnswer = () => {
      throw new Error("no server answers");
    };
    await assertRejects(() => feed.round("refresh"), errorWith(Error, "no server answers"));
    await assertRejects(() => feed.round("refresh"), errorWith(Error, "no server answers"));
    assertEquals(log.length, 1);
    assertEquals(feed.fault instanceof Error, true);
    db.beforeAnswer = () => {};
    db.commit(1, 1, "home/a");
    await feed.round("publish");
    assertEquals(told, ["update home/a 1"]);
    assertEquals([log.length, feed.fault], [2, undefined]);
  });
});

Deno.test("ChangeFeed continues on a new timeline without a gap", async () => {
  await withFeed(async ({ db, state, feed, told, log }) => {
    await feed.start();
    db.commit(1, 1, "home/a");
    await feed.round("publish");
    db.commit(1, 2, "home/a");
    db.commit(1, 3, "home/a");
    db.timeline = 2;
    db.run = "0000000b";
    await feed.round("follow");
    assertEquals(told, ["update home/a 1", "update home/a 2", "update home/a 3"]);
    assertEquals(state.position, { seq: 3, run: "0000000b" });
    assertEquals(log, []);
  });
});

Deno.test("ChangeFeed tells what an own change was that the database has lost", async () => {
  await withFeed(async ({ db, state, feed, told, log }) => {
    await feed.start();
    db.commit(1, 1, "home/a");
    await feed.round("publish");
    // Acknowledged by the old primary, and not replicated.
    state.applyOwn([own(1, 2, "home/a")]);
    state.applyOwn([own(2, 1, "home/b")]);
    told.length = 0;
    db.timeline = 2;
    await feed.round("follow");
    assertEquals(told, ["delete home/b 1", "update home/a 1"]);
    assertEquals(state.unconfirmed, 0);
    assertEquals(log, [
      "the database has lost changes that it had confirmed to this node, of 2 worlds (/home/a, " +
      "/home/b); they are read again",
    ]);
  });
});

Deno.test("ChangeFeed reads all worlds again if published changes were lost", async () => {
  await withFeed(async ({ db, state, feed, told, log }) => {
    await feed.start();
    db.commit(1, 1, "home/a");
    db.commit(2, 1, "home/b");
    await feed.round("publish");
    told.length = 0;
    // The standby that was promoted has only the first one, and another node wrote since.
    db.rows.pop();
    db.timeline = 2;
    db.run = "0000000b";
    db.commit(3, 1, "home/c");
    db.publish();
    await feed.round("follow");
    assertEquals(told, ["delete home/b 1", "update home/c 1"]);
    assertEquals(state.position.run, "0000000b");
    assertEquals(log.length, 1);
  });
});

Deno.test("ChangeFeed drops the rows of a primary that was replaced during the read", async () => {
  await withFeed(async ({ db, feed, told }) => {
    await feed.start();
    db.commit(1, 1, "home/a");
    let isFirst = true;
    db.beforeAnswer = () => {
      if (!isFirst) return;
      isFirst = false;
      // The row was visible on the old primary only.
      db.timeline = 2;
      db.rows.pop();
    };
    await feed.round("publish");
    assertEquals(told, []);
  });
});
