import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { EventReader } from "../../support/event_reader.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
} from "../../support/test_server.ts";

interface Row {
  readonly cursor: string;
  readonly name: string;
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

interface Changes {
  readonly changes: readonly Row[];
  readonly cursor: string;
}

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

function put(server: TestServer, target: string, headers = T2) {
  return server.send({ method: "PUT", target, headers, body: "x" });
}

async function get(server: TestServer, target: string, headers: Record<string, string> = T2) {
  const reply = await server.send({ method: "GET", target, headers });
  return { reply, json: JSON.parse(reply.text) };
}

/** Reads changes until there are some. */
function changesOf(
  server: TestServer,
  target: string,
  count: number,
  headers: Record<string, string> = T2,
): Promise<Changes> {
  return eventually(async () => {
    const { json } = await get(server, target, headers);
    return json.changes?.length >= count ? json : undefined;
  }, `${count} changes of ${target}`);
}

function namesOf(rows: readonly Row[]): string[] {
  return rows.map(({ name, type }) => `${name} ${type}`);
}

const test = suite("/proc/changes and the log of a collection", { env: CLOSED });

test("both read what changed below a prefix, in one order and page by page", async (server) => {
  const { json: { cursor: start } } = await get(server, "/proc/changes/home/a/?after=now");
  for (const name of ["a/1", "b", "a/2", "a/1"]) await put(server, `/home/${name}`);
  const changes = `/proc/changes/home/a/?after=${start}`;
  const all = await changesOf(server, changes, 3);
  assertEquals(namesOf(all.changes), [
    "home/a/1 stage_written",
    "home/a/2 stage_written",
    "home/a/1 stage_written",
  ]);
  assertEquals(all.changes.map(({ payload }) => payload.version_after), [1, 1, 2]);
  const first = await changesOf(server, `${changes}&limit=2`, 2);
  assertStrictEquals(first.cursor, first.changes[1]?.cursor);
  const rest = await changesOf(server, `/proc/changes/home/a/?after=${first.cursor}`, 1);
  assertEquals(rest.changes, all.changes.slice(2));
  const end = await get(server, `/proc/changes/home/a/?after=${rest.cursor}`);
  assertEquals(end.json, { changes: [], cursor: rest.cursor });

  const { reply, json: newest } = await get(server, "/proc/log/home/a/?limit=2");
  assertEquals(newest.map(({ cursor }: Row) => cursor), [
    all.changes[2]?.cursor,
    all.changes[1]?.cursor,
  ]);
  const next = /^<(.*)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1] ?? "";
  const older = await get(server, next);
  assertEquals(older.json.map(({ cursor }: Row) => cursor).slice(0, 1), [all.changes[0]?.cursor]);
  const since = all.changes[2]?.timestamp ?? "";
  const later: Row[] = (await get(server, `/proc/log/home/a/?since=${since}`)).json;
  assert(later.length > 0 && later.every(({ timestamp }) => timestamp >= since));
});

test("a log shows each change that was answered before it was asked", async (server) => {
  for (let at = 0; at < 40; at++) {
    await put(server, `/home/now/${at % 3}`);
    const { json } = await get(server, "/proc/log/home/now/?limit=1");
    assertEquals([json[0].name, json[0].payload.version_after], [
      `home/now/${at % 3}`,
      Math.floor(at / 3) + 1,
    ]);
  }
});

test("?by= selects what a caller and those after it in its chain of names changed", async (server) => {
  const cap = server.capability("/home/c", "rw");
  await put(server, "/home/c/1", bearer(cap));
  await put(server, "/home/c/2");
  await changesOf(server, "/proc/changes/home/c/", 2);
  const by = async (value: string) =>
    namesOf((await get(server, `/proc/log/home/c/?by=${encodeURIComponent(value)}`)).json);
  assertEquals(await by("cap:/home/c"), ["home/c/1 stage_written"]);
  assertEquals(await by("cap:/home/c/*"), ["home/c/1 stage_written"]);
  assertEquals(await by("T2"), ["home/c/2 stage_written"]);
  assertEquals(await by("T"), []);
});

test("a caller sees no name, count or time of what it cannot read", async (server) => {
  const cap = bearer(server.capability("/home/d/own", "r"));
  await put(server, "/home/d/own/1");
  const before = await changesOf(server, "/proc/changes/", 1, cap);
  for (const target of ["/home/d/other", "/var/cache/x", "/boot/y", "/etc/z"]) {
    await put(server, target, T3);
  }
  await changesOf(server, "/proc/changes/home/d/", 2);
  await changesOf(server, "/proc/changes/boot/", 1, T3);
  const after = await get(server, "/proc/changes/", cap);
  assertEquals(after.json, before);
  assertEquals((await get(server, "/proc/changes/?after=now", cap)).json.cursor, before.cursor);
  assertEquals(namesOf((await get(server, "/proc/log/", cap)).json), [
    "home/d/own/1 stage_written",
  ]);
  assertEquals((await get(server, "/proc/log/home/d/", cap)).json.length, 1);
  assertStrictEquals((await get(server, "/proc/log/home/other/", cap)).reply.status, 403);
  assertStrictEquals((await get(server, "/proc/changes/boot/")).reply.status, 403);
  assertStrictEquals((await get(server, "/proc/changes/boot/", T3)).reply.status, 200);
  const hidden = /boot|cache/;
  assert(!hidden.test((await get(server, "/proc/log/")).reply.text));
  assertMatch((await get(server, "/proc/log/", T3)).reply.text, hidden);
});

test("a move shows only the name that the caller can read", async (server) => {
  const source = bearer(server.capability("/home/e/a", "r"));
  const target = bearer(server.capability("/home/e/b", "r"));
  await put(server, "/home/e/b/0");
  await put(server, "/home/e/a/x");
  const headers = { ...T3, destination: "/dav/home/e/b/y" };
  const { status } = await server.send({ method: "MOVE", target: "/dav/home/e/a/x", headers });
  assertStrictEquals(status, 201);
  const atSource = await changesOf(server, "/proc/changes/home/e/a/", 2, source);
  const moved = atSource.changes[1];
  assertEquals([moved?.name, moved?.type], ["home/e/a/x", "world_moved"]);
  assertEquals([moved?.payload.from, moved?.payload.to], ["/home/e/a/x", "***"]);
  assertEquals(moved?.payload.body_sha256_after, "***");
  assertEquals(moved?.payload.len, undefined);
  const atTarget = await changesOf(server, "/proc/changes/home/e/b/", 2, target);
  assertEquals(atTarget.changes[1]?.payload.from, "***");
  assertEquals(atTarget.changes[1]?.payload.to, "/home/e/b/y");
  const whole = await changesOf(server, "/proc/changes/home/e/", 3);
  assertEquals(whole.changes[2]?.payload.from, "/home/e/a/x");
});

test("an unknown cursor is 410, another text too, and a path of a world 404", async (server) => {
  await put(server, "/home/f");
  for (const cursor of ["A".repeat(22), "x", "0"]) {
    const { reply } = await get(server, `/proc/changes/?after=${cursor}`);
    assertEquals([reply.status, /after=now/.test(reply.text)], [410, true]);
    assert(/continue at the cursor \S+: the server does not know it/.test(reply.text), reply.text);
    const log = (await get(server, `/proc/log/home/?before=${cursor}`)).reply;
    assertEquals([log.status, /start without \?before=/.test(log.text)], [410, true]);
  }
  const single = await get(server, "/proc/changes/home/f");
  assertStrictEquals(single.reply.status, 404);
  assertMatch(single.reply.text, /GET \/proc\/changes\/home\/f\/ reads/);
  const short = await get(server, "/proc/log/f/");
  assertStrictEquals(short.reply.status, 404);
  assertMatch(short.reply.text, /\/proc\/log\/home\/f\//);
  for (
    const query of ["limit=0", "limit=1001", "since=yesterday", "wait=61", "from=1", "by=a&by=b"]
  ) {
    const route = query.startsWith("wait") ? "/proc/changes/" : "/proc/log/";
    assertStrictEquals((await get(server, `${route}?${query}`)).reply.status, 400, query);
  }
});

test("?wait= answers with the next change, or with none when the time is over", async (server) => {
  const { json: { cursor } } = await get(server, "/proc/changes/home/g/?after=now");
  const pending = get(server, `/proc/changes/home/g/?after=${cursor}&wait=30`);
  await put(server, "/home/other");
  await put(server, "/home/g/1");
  assertEquals(namesOf((await pending).json.changes), ["home/g/1 stage_written"]);
  const late = await get(server, `/proc/changes/home/g2/?after=${cursor}&wait=1`);
  assertEquals(late.json, { changes: [], cursor });
});

test("?wait= on a world answers when its version differs from the one that the client has", async (server) => {
  await put(server, "/home/h");
  const pending = get(server, "/home/h?wait=30&v=1");
  await put(server, "/home/h");
  assertEquals((await pending).json.version, 2);
  assertEquals((await get(server, "/home/h?wait=30&v=1")).json.version, 2);
  const same = await server.send({ method: "GET", target: "/home/h?wait=1&v=2", headers: T2 });
  assertStrictEquals(same.status, 304);
  const etag = same.headers.get("etag") ?? "";
  const tagged = { ...T2, "if-none-match": etag };
  const tagWait = server.send({ method: "GET", target: "/home/h?wait=30", headers: tagged });
  await put(server, "/home/h");
  assertStrictEquals((await tagWait).status, 200);
  const deleted = server.send({ method: "GET", target: "/home/h?wait=30&v=3", headers: T2 });
  await server.approve("DELETE", "/home/h");
  assertStrictEquals((await deleted).status, 404);
  assertStrictEquals((await get(server, "/home/h?wait=30")).reply.status, 404);
});

test("a collection stream continues from its cursor without a gap or a repetition", async (server) => {
  const url = `http://127.0.0.1:${server.port}/stream/home/i/`;
  const first = await EventReader.open(url, T2);
  assertEquals((await first.next())?.type, "list");
  await put(server, "/home/i/1");
  const seen = await first.next();
  assertEquals(JSON.parse(seen?.data ?? "{}").name, "home/i/1");
  await first.close();
  for (const name of ["2", "3", "2"]) await put(server, `/home/i/${name}`);
  await server.approve("DELETE", "/home/i/1");
  await changesOf(server, "/proc/changes/home/i/", 5);
  const again = await EventReader.open(url, { ...T2, "last-event-id": seen?.lastEventId ?? "" });
  const events = [await again.next(), await again.next(), await again.next()];
  assertEquals(events.map((event) => `${event?.type} ${JSON.parse(event?.data ?? "{}").name}`), [
    "update home/i/3",
    "update home/i/2",
    "delete home/i/1",
  ]);
  await again.close();
  const lost = await EventReader.open(url, { ...T2, "last-event-id": "A".repeat(22) });
  assertEquals((await lost.next())?.type, "list");
  await lost.close();
});
