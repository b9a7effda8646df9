import { assertEquals } from "../../support/assert.ts";
import { CursorCodec } from "../../../lib/world/change_cursor.ts";
import { createLowerLayer } from "../../../lib/world/lower_layer.ts";
import type { Change, Published, World } from "../../../lib/world/store.ts";
import { ClusterState } from "../../../lib/world/postgres/cluster_state.ts";
import type {
  FeedEventRow,
  HeadRow,
  OwnStep,
  StepKind,
} from "../../../lib/world/postgres/feed_row.ts";

const RUN = "0000000a";
const AT = "2026-01-01T00:00:00.000Z";
const codec = new CursorCodec("key");

/** A state with what its watchers and followers were told. */
function createState(lower: Readonly<Record<string, string>> = {}) {
  const trashed: string[] = [];
  const left: string[] = [];
  const marks: string[] = [];
  let locks = 0;
  let unknown = 0;
  const state = new ClusterState({
    lower: createLowerLayer(lower, AT),
    cacheBytes: 1024 * 1024,
    codec,
    onTrashed: ({ name, trash = "" }) => trashed.push(`${name} ${trash}`),
    onRestored: ({ id, name }) => left.push(`${name} ${id}`),
    onExpunged: (id) => left.push(id),
    onMark: (name, present) => marks.push(`${name} ${present}`),
    onLocks: () => locks++,
    onTrashUnknown: () => unknown++,
    log: () => {},
  });
  const told: string[] = [];
  const bodies: (World | undefined)[] = [];
  state.hub.watch("/", (change) => {
    told.push(textOf(change));
    bodies.push(change.world);
  });
  const followed: string[] = [];
  state.followers.add("/", ({ name, cursor, change }: Published) => {
    const seq = codec.parse(cursor)?.seq;
    followed.push(`${seq} ${change === undefined ? `note ${name}` : textOf(change)}`);
  });
  const counts = { locks: () => locks, unknown: () => unknown };
  return { state, told, bodies, followed, trashed, left, marks, ...counts };
}

function textOf({ kind, name, version }: Change): string {
  return `${kind} ${name} ${version}`;
}

/** The steps of worlds and their rows, as a database would number them. */
class History {
  seq = 0;

  row(kind: StepKind, world: number, id: number, name: string, more: Partial<FeedEventRow> = {}) {
    const event = { id, timestamp: AT, type: "x", payload: "{}", hmac: `${world}.${id}` };
    const version = id;
    const fixed = { seq: ++this.seq, run: RUN, kind, world, name, event };
    const row: FeedEventRow = {
      ...fixed,
      by: "T2",
      version,
      ext: "txt",
      state: "",
      len: 1,
      ...more,
    };
    return row;
  }
}

function own(kind: StepKind, world: number, event: number, name: string, more = {}): OwnStep {
  return {
    ...headOf(world, event, name),
    kind,
    first: event,
    ...more,
  };
}

function headOf(world: number, event: number, name: string): HeadRow {
  return {
    world,
    event,
    name,
    version: event,
    ext: "txt",
    len: 1,
    state: "",
    updatedAt: AT,
    by: "T2",
    hmac: `${world}.${event}`,
    at: AT,
  };
}

function worldOf(name: string, version: number, text: string): World {
  return {
    name,
    version,
    ext: "txt",
    meta: [],
    state: "",
    updatedAt: AT,
    body: new TextEncoder().encode(text),
    sha256: "",
    layer: "upper",
  };
}

Deno.test("ClusterState tells rows of other nodes in their order", () => {
  const { state, told, followed } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("note", 1, 2, "home/a", { version: 1 }));
  state.applyRow(db.row("update", 1, 3, "home/a", { version: 2 }));
  state.applyRow(db.row("delete", 1, 4, "home/a", { version: 2 }));
  assertEquals(told, ["update home/a 1", "update home/a 2", "delete home/a 2"]);
  assertEquals(followed, [
    "1 update home/a 1",
    "2 note home/a",
    "3 update home/a 2",
    "4 delete home/a 2",
  ]);
  assertEquals(state.catalog.upper("home/a"), undefined);
  assertEquals(state.position, { seq: 4, run: RUN });
});

Deno.test("ClusterState tells an own step at its acknowledgment, and followers with its row", () => {
  const { state, told, bodies, followed } = createState();
  const content = worldOf("home/a", 1, "one");
  assertEquals(state.applyOwn([own("update", 1, 1, "home/a", { content })]), true);
  assertEquals(told, ["update home/a 1"]);
  assertEquals(bodies, [content]);
  assertEquals(state.cache.get("home/a"), content);
  assertEquals(followed, []);
  state.applyRow(new History().row("update", 1, 1, "home/a"));
  assertEquals(told, ["update home/a 1"]);
  assertEquals(followed, ["1 update home/a 1"]);
  assertEquals(state.unconfirmed, 0);
  assertEquals(state.cache.get("home/a"), content);
});

Deno.test("ClusterState applies own steps with several events as one", () => {
  const { state, told, followed } = createState();
  const db = new History();
  state.applyOwn([own("update", 1, 2, "lib/a", { first: 1, version: 1 })]);
  state.applyRow(db.row("note", 1, 1, "lib/a", { version: 1 }));
  state.applyRow(db.row("update", 1, 2, "lib/a", { version: 1 }));
  assertEquals(told, ["update lib/a 1"]);
  assertEquals(followed, ["1 note lib/a", "2 update lib/a 1"]);
});

Deno.test("ClusterState keeps an own step back until the steps before it have come", () => {
  const { state, told, bodies, followed } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  const content = worldOf("home/a", 3, "three");
  assertEquals(state.applyOwn([own("update", 1, 3, "home/a", { content })]), false);
  assertEquals(state.catalog.upper("home/a")?.version, 1);
  assertEquals(told, ["update home/a 1"]);
  state.applyRow(db.row("update", 1, 2, "home/a"));
  state.applyRow(db.row("update", 1, 3, "home/a"));
  assertEquals(told, ["update home/a 1", "update home/a 2", "update home/a 3"]);
  assertEquals(bodies.at(-1), content);
  assertEquals(state.cache.get("home/a"), content);
  assertEquals(followed.length, 3);
});

Deno.test("ClusterState adds the content of an own step whose row came first", () => {
  const { state, told } = createState();
  state.applyRow(new History().row("update", 1, 1, "home/a"));
  const content = worldOf("home/a", 1, "one");
  assertEquals(state.applyOwn([own("update", 1, 1, "home/a", { content })]), true);
  assertEquals(told, ["update home/a 1"]);
  assertEquals(state.cache.get("home/a"), content);
  assertEquals(state.unconfirmed, 0);
});

Deno.test("ClusterState waits for the row of a creation under a name that was used before", () => {
  const { state, told } = createState();
  const db = new History();
  const step = own("update", 2, 1, "home/a", { version: 5 });
  assertEquals(state.applyOwn([step]), false);
  state.applyRow(db.row("update", 1, 1, "home/a", { version: 4 }));
  state.applyRow(db.row("delete", 1, 2, "home/a", { version: 4 }));
  state.applyRow(db.row("update", 2, 1, "home/a", { version: 5 }));
  assertEquals(told, ["update home/a 4", "delete home/a 4", "update home/a 5"]);
  assertEquals(state.headOf("home/a"), { world: 2, event: 1, proof: 2 });
});

Deno.test("ClusterState does not apply an own creation while another world has the name", () => {
  const { state } = createState();
  state.applyRow(new History().row("update", 1, 1, "home/a"));
  assertEquals(state.applyOwn([own("update", 2, 1, "home/a", { version: 1 })]), false);
  assertEquals(state.headOf("home/a")?.world, 1);
});

Deno.test("ClusterState skips rows of a world that ended before the state was loaded", () => {
  const { state, told } = createState();
  const db = new History();
  db.seq = 10;
  state.load([headOf(2, 1, "home/a")], [], { seq: 10, run: RUN });
  state.applyRow(db.row("update", 1, 3, "home/a"));
  state.applyRow(db.row("delete", 1, 4, "home/a"));
  state.applyRow(db.row("update", 2, 1, "home/a"));
  assertEquals(state.headOf("home/a"), { world: 2, event: 1, proof: 2 });
  assertEquals(state.catalog.upper("home/a")?.version, 1);
  assertEquals(told, []);
});

Deno.test("ClusterState moves the head of a world with a note and tells no watcher", () => {
  const { state, told } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  const before = state.catalog.revision;
  state.applyRow(db.row("note", 1, 2, "home/a", { version: 1 }));
  assertEquals(state.catalog.revision, before);
  assertEquals(state.catalog.upper("home/a")?.head, 2);
  assertEquals(state.headOf("home/a")?.event, 2);
  assertEquals(told, ["update home/a 1"]);
});

Deno.test("ClusterState keeps the content of a world when another node notes an event", () => {
  const { state } = createState();
  const db = new History();
  const content = worldOf("home/a", 1, "one");
  state.applyOwn([own("update", 1, 1, "home/a", { content })]);
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("note", 1, 2, "home/a", { version: 1 }));
  assertEquals(state.cache.get("home/a"), content);
  state.applyRow(db.row("update", 1, 3, "home/a", { version: 2 }));
  assertEquals(state.cache.get("home/a"), undefined);
});

Deno.test("ClusterState tells a move as update of the new name and delete of the old one", () => {
  const { state, told, followed } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  const listed: boolean[] = [];
  state.hub.watch("/", () => listed.push(state.catalog.get("home/a") === undefined));
  state.applyRow(db.row("move", 1, 2, "home/b", { also: "home/a" }));
  assertEquals(told.slice(1), ["update home/b 2", "delete home/a 1"]);
  assertEquals(followed.slice(1), ["2 update home/b 2", "2 delete home/a 1"]);
  assertEquals(listed, [true, true], "no watcher sees the world under both names");
  assertEquals(state.headOf("home/a"), undefined);
  assertEquals(state.headOf("home/b")?.world, 1);
});

Deno.test("ClusterState applies an own deletion at once, and a move with its row", () => {
  const { state, told } = createState();
  const db = new History();
  state.applyOwn([own("update", 1, 1, "home/a")]);
  state.applyRow(db.row("update", 1, 1, "home/a"));
  const content = worldOf("home/b", 2, "one");
  const move = own("move", 1, 2, "home/b", { also: "home/a", content });
  assertEquals(state.applyOwn([move]), false);
  state.applyRow(db.row("move", 1, 2, "home/b", { also: "home/a" }));
  assertEquals(state.cache.get("home/b"), content);
  assertEquals(state.applyOwn([own("delete", 1, 3, "home/b", { version: 2, trash: "t" })]), true);
  assertEquals(told, ["update home/a 1", "update home/b 2", "delete home/a 1", "delete home/b 2"]);
  state.applyRow(db.row("delete", 1, 3, "home/b", { version: 2 }));
  assertEquals(told.length, 4);
  assertEquals(state.unconfirmed, 0);
});

Deno.test("ClusterState shows the lower-layer world again after a deletion, with a later time", () => {
  const { state, told, bodies, trashed } = createState({ "usr/a.txt": "lower" });
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "usr/a.txt"));
  const payload = `{"trash":"t1"}`;
  const event = { id: 2, timestamp: "2026-01-01T00:00:05.000Z", type: "x", payload, hmac: "h" };
  state.applyRow(db.row("delete", 1, 2, "usr/a.txt", { event }));
  assertEquals(told, ["update usr/a.txt 1", "update usr/a.txt 0"]);
  assertEquals(new TextDecoder().decode(bodies[1]?.body), "lower");
  assertEquals(state.catalog.get("usr/a.txt")?.updatedAt, "2026-01-01T00:00:06.000Z");
  assertEquals(state.lower.get("usr/a.txt")?.updatedAt, "2026-01-01T00:00:06.000Z");
  assertEquals(trashed, ["usr/a.txt t1"]);
});

Deno.test("ClusterState takes a restored world from its row", () => {
  const { state, told } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("delete", 1, 2, "home/a", { version: 1 }));
  const step = own("restore", 1, 4, "home/b", { first: 3, version: 2 });
  assertEquals(state.applyOwn([step]), false, "memory has forgotten the chain");
  state.applyRow(db.row("note", 1, 3, "home/b", { version: 2, also: "home/a" }));
  state.applyRow(db.row("restore", 1, 4, "home/b", { version: 2 }));
  assertEquals(told.at(-1), "update home/b 2");
  assertEquals(state.headOf("home/b"), { world: 1, event: 4, proof: 1 });
});

Deno.test("ClusterState.compare() tells whether an answer of the database is late", () => {
  const { state } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("update", 1, 2, "home/a"));
  assertEquals(state.compare("home/a", { world: 1, event: 1 }), "older");
  assertEquals(state.compare("home/a", { world: 1, event: 2 }), "same");
  assertEquals(state.compare("home/a", { world: 1, event: 3 }), "newer");
  assertEquals(state.compare("home/a", { world: 2, event: 1 }), "newer");
  state.applyRow(db.row("move", 1, 3, "home/b", { also: "home/a" }));
  assertEquals(state.compare("home/a", { world: 1, event: 2 }), "older");
});

Deno.test("ClusterState.keep() adds only what memory knows as the newest", () => {
  const { state } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("update", 1, 2, "home/a"));
  state.keep(worldOf("home/a", 1, "one"), { world: 1, event: 1 });
  assertEquals(state.cache.get("home/a"), undefined);
  const newest = worldOf("home/a", 2, "two");
  state.keep(newest, { world: 1, event: 2 });
  assertEquals(state.cache.get("home/a"), newest);
});

Deno.test("ClusterState applies marks and tells of locks", () => {
  const { state, marks, locks } = createState();
  const notice = { run: RUN, name: "home/c" };
  state.applyRow({ ...notice, seq: 1, kind: "mark", state: "true" });
  assertEquals(state.catalog.isCollection("home/c"), true);
  state.applyRow({ ...notice, seq: 2, kind: "mark", state: "false" });
  assertEquals(state.catalog.isCollection("home/c"), false);
  state.applyRow({ seq: 3, run: RUN, kind: "locks", name: "", state: "" });
  assertEquals(marks, ["home/c true", "home/c false"]);
  assertEquals(locks(), 1);
  assertEquals(state.position.seq, 3);
});

Deno.test("ClusterState says that the trash is not known after a deletion without an event and after a loss", () => {
  const { state, told, trashed, unknown } = createState();
  state.applyOwn([own("update", 1, 1, "home/a"), own("update", 2, 1, "home/b")]);
  told.length = 0;
  const gone = { run: RUN, kind: "gone", name: "home/a" } as const;
  state.applyRow({ ...gone, seq: 1, state: "9" });
  assertEquals([told, unknown()], [[], 0]);
  state.applyRow({ ...gone, seq: 2, state: "1" });
  assertEquals([told, trashed, unknown()], [["delete home/a 1"], [], 1]);
  state.replace([headOf(2, 1, "home/b")], { seq: 7, run: RUN });
  assertEquals(unknown(), 2);
});

Deno.test("ClusterState.replace() tells each difference and keeps what is the same", () => {
  const { state, told, followed } = createState();
  const same = worldOf("home/same", 1, "same");
  state.applyOwn([own("update", 1, 1, "home/same", { content: same })]);
  state.applyOwn([own("update", 2, 1, "home/gone")]);
  state.applyOwn([own("update", 3, 1, "home/older")]);
  state.applyOwn([own("update", 3, 2, "home/older")]);
  told.length = 0;
  const heads = [headOf(1, 1, "home/same"), headOf(3, 1, "home/older"), headOf(4, 1, "home/new")];
  state.replace(heads, { seq: 7, run: "0000000b" });
  assertEquals(told, ["delete home/gone 1", "update home/older 1", "update home/new 1"]);
  assertEquals(followed, told.map((text) => `7 ${text}`));
  assertEquals(state.cache.get("home/same"), same);
  assertEquals(state.unconfirmed, 0);
});

Deno.test("ClusterState.replace() says that other changes may precede what it tells", () => {
  const { state } = createState();
  const gaps: string[] = [];
  state.hub.watch("/", ({ name, isAfterGap }) => void gaps.push(`${name} ${isAfterGap === true}`));
  state.applyOwn([own("update", 1, 1, "etc/gone")]);
  state.applyOwn([own("update", 2, 1, "etc/other")]);
  state.replace([{ ...headOf(2, 1, "etc/other"), hmac: "other" }], { seq: 7, run: RUN });
  assertEquals(gaps, ["etc/gone false", "etc/other false", "etc/gone true", "etc/other true"]);
});

Deno.test("ClusterState.replace() sees another event with the same id", () => {
  const { state, told } = createState();
  state.applyOwn([own("update", 1, 1, "home/a", { content: worldOf("home/a", 1, "lost") })]);
  state.replace([{ ...headOf(1, 1, "home/a"), hmac: "other" }], { seq: 1, run: RUN });
  assertEquals(told, ["update home/a 1", "update home/a 1"]);
  assertEquals(state.cache.get("home/a"), undefined);
});

Deno.test("ClusterState.dropLost() returns the own steps whose rows have not come", () => {
  const { state, told } = createState();
  const db = new History();
  state.applyOwn([own("update", 1, 1, "home/a")]);
  state.applyOwn([own("update", 2, 1, "home/b")]);
  const waiting = state.listUnconfirmed();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  const lost = state.dropLost(waiting);
  assertEquals(lost.map(({ name }) => name), ["home/b"]);
  state.replace([], state.position, new Set([2]));
  assertEquals(told.at(-1), "delete home/b 1");
  assertEquals(state.catalog.upper("home/a")?.version, 1);
});

Deno.test("ClusterState reports what left the trash: what was restored, and what was deleted for good", () => {
  const { state, left } = createState();
  const history = new History();
  const restored = (name: string, payload: string) => {
    const row = history.row("note", 1, history.seq + 1, name);
    state.applyRow({ ...row, event: { ...row.event, type: "world_restored", payload } });
  };
  restored("home/a", '{"trash":"t1"}');
  restored("home/b", '{"from":"/home/a","trash":"t2"}');
  // The content of the event was deleted with its world.
  restored("home/c", "{}");
  state.applyRow({ seq: ++history.seq, run: RUN, kind: "expunged", name: "", state: "t3" });
  assertEquals(left, ["home/a t1", "home/a t2", "t3"]);
});

Deno.test("ClusterState has no lost step after rows that came before the acknowledgments", () => {
  const { state, told } = createState();
  const db = new History();
  const content = worldOf("home/a", 1, "1");
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("update", 1, 2, "home/a"));
  state.applyRow(db.row("delete", 1, 3, "home/a", { version: 2 }));
  const before = told.length;
  for (
    const step of [
      own("update", 1, 1, "home/a", { content }),
      own("update", 1, 2, "home/a"),
      own("delete", 1, 3, "home/a", { version: 2 }),
    ]
  ) assertEquals(state.applyOwn([step]), true, step.kind);
  assertEquals([state.unconfirmed, told.length], [0, before]);
  assertEquals([state.catalog.upper("home/a"), state.cache.get("home/a")], [undefined, undefined]);
  // A restore continues the chain.
  state.applyRow(db.row("restore", 1, 4, "home/a", { version: 4 }));
  assertEquals(state.applyOwn([own("restore", 1, 4, "home/a")]), true);
  assertEquals([state.unconfirmed, state.catalog.upper("home/a")?.version], [0, 4]);
});

Deno.test("ClusterState knows nothing of a world that the database has lost with its deletion", () => {
  const { state } = createState();
  const db = new History();
  state.applyRow(db.row("update", 1, 1, "home/a"));
  state.applyRow(db.row("delete", 1, 2, "home/a", { version: 1 }));
  state.replace([], state.position, new Set([1]));
  // After the loss, the numbers of worlds and events are used again.
  const content = worldOf("home/b", 1, "1");
  assertEquals(state.applyOwn([own("update", 1, 1, "home/b", { content })]), true);
  assertEquals(state.catalog.upper("home/b")?.version, 1);
});
