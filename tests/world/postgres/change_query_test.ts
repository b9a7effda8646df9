import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { openSqlite, QUERY_KEY, withDatabase, withImport } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { fillBatches } from "../../support/random_batches.ts";
import { fillRandomly } from "../../testdata/random_store.ts";
import { CursorCodec } from "../../../lib/world/change_cursor.ts";
import type { ChangePage, ChangeQuery, IndexedEvent, Within } from "../../../lib/world/changes.ts";
import { ChangeQueries } from "../../../lib/world/postgres/change_query.ts";
import type { QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import { LongJobs } from "../../../lib/world/store/long_jobs.ts";

const server = sharedServer();
const jobs = new LongJobs({ running: 8, waiting: 8, waitingPerClient: 8 });

function queriesOf(sessions: QuerySessions, retired: readonly string[] = []): ChangeQueries {
  return new ChangeQueries({
    read: sessions,
    write: sessions,
    publish: () => sessions.use((session) => session.query("SELECT elastik.publish_1(false)", [])),
    codec: new CursorCodec(QUERY_KEY, retired),
    jobs,
  });
}

type Changes = (query: ChangeQuery) => Promise<ChangePage>;

/** Reads all pages of a query; cursors differ between the engines. */
async function readAll(
  changes: Changes,
  query: ChangeQuery,
): Promise<Omit<IndexedEvent, "cursor">[]> {
  const found: Omit<IndexedEvent, "cursor">[] = [];
  for (let from = query.from;;) {
    const page = await changes({ ...query, ...(from === undefined ? {} : { from }) });
    assert(page.events.length <= query.limit, "the page is longer than its limit");
    for (const { cursor: _cursor, ...event } of page.events) found.push(event);
    if (!page.more) return found;
    from = page.cursor;
  }
}

postgresTest("ChangeQueries gives the events of the index of SqliteStore, in its order", () => {
  const seed = 23;
  const random = createRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  return withImport(server(), (store) => fillRandomly(store, random, 150), async (fixture) => {
    const { data, sessions } = fixture;
    // Created again from the chains, the index has the order of an import.
    for (const end of ["", "-wal", "-shm"]) {
      await Deno.remove(`${data}/.changes.db${end}`).catch(() => {});
    }
    const store = await openSqlite(data);
    try {
      const queries = queriesOf(sessions);
      const all = await readAll((query) => store.changes(query), {
        within: [{ name: "", part: "below", restricted: true }],
        order: "oldest",
        limit: 1000,
      });
      assert(all.length > 80, "the sample is too small");
      for (let at = 0; at < 60; at++) {
        const within: Within[] = [];
        while (within.length === 0 || random() < 0.3) {
          within.push({
            name: pick([
              "",
              "home",
              "home/a",
              "home/a/b",
              "home/x/1",
              "etc",
              "etc/secret",
              "home/no",
            ]),
            part: pick(["exact", "below", "tree"] as const),
            restricted: random() < 0.5,
          });
        }
        const query: ChangeQuery = {
          within,
          order: pick(["oldest", "newest"] as const),
          limit: pick([1, 3, 50, 1000]),
          ...(random() < 0.3 ? { by: pick(["T2", "cap:/home/a/*", "cap:/home/*", "none"]) } : {}),
          ...(random() < 0.4 ? { since: pick(all).timestamp } : {}),
        };
        const expected = await readAll((part) => store.changes(part), query);
        const found = await readAll((part) => queries.changes(part), query);
        assertEquals(found, expected, `seed ${seed}: ${JSON.stringify(query)}`);
      }
    } finally {
      await store.close();
    }
  });
});

const ALL = [{ name: "", part: "below", restricted: true }] as const;

postgresTest(
  "ChangeQueries.changes() continues at a cursor and refuses one of a lost run",
  () =>
    withImport(
      server(),
      (store) => fillRandomly(store, createRandom(1), 20),
      async ({ sessions }) => {
        const queries = queriesOf(sessions);
        const page = await queries.changes({ within: ALL, order: "oldest", limit: 5 });
        assertEquals([page.events.length, page.more], [5, true]);
        const rest = await queries.changes({
          within: ALL,
          order: "oldest",
          limit: 1000,
          from: page.cursor,
        });
        const back = await queries.changes({
          within: ALL,
          order: "newest",
          limit: 1000,
          from: page.cursor,
        });
        assertEquals(
          back.events.map(({ cursor }) => cursor),
          [
            ...page.events.slice(0, 4).map(({ cursor }) => cursor).reverse(),
          ],
        );
        const codec = new CursorCodec(QUERY_KEY);
        const end = codec.parse(rest.cursor);
        assert(end !== undefined, "the cursor has no position");
        for (
          const from of [
            codec.format({ ...end, run: "ffffffff" }),
            codec.format({ ...end, seq: end.seq + 1 }),
            new CursorCodec("another key").format(end),
            "no cursor",
          ]
        ) {
          await assertRejects(queries.changes({ within: ALL, order: "oldest", limit: 1, from }), {
            code: "gone",
          });
        }
        // A new run begins after it: both stay valid.
        await sessions.use((session) =>
          session.query("INSERT INTO elastik.runs (first, run) VALUES ($1, '00000abc')", [
            end.seq + 1,
          ])
        );
        const after = await queries.changes({
          within: ALL,
          order: "oldest",
          limit: 1,
          from: rest.cursor,
        });
        assertEquals([after.events, after.cursor, after.more], [[], rest.cursor, false]);
      },
    ),
);

postgresTest(
  "ChangeQueries.changes() gives each event of long batches once in pages, from any position",
  () =>
    withDatabase(server(), async (sessions) => {
      const random = createRandom(5);
      const queries = queriesOf(sessions);
      const codec = new CursorCodec(QUERY_KEY);
      const events = await sessions.use((session) =>
        fillBatches(session, random, () => session.query("SELECT elastik.index_1(2)", []))
      );
      const newest = await sessions.use((session) =>
        session.query("SELECT seq, (SELECT run FROM elastik.runs) AS run FROM elastik.feed", [])
      );
      const [last, run] = [Number(newest[0]?.seq), String(newest[0]?.run)];
      const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
      const names = [
        "",
        "home",
        "home/a",
        "home/a/b",
        "home/a/b/1",
        "home/x",
        "etc",
        "etc/a",
        "etc/2",
      ];
      for (const limit of [1, 2, 3, 7, 500]) {
        for (const order of ["oldest", "newest"] as const) {
          for (let round = 0; round < 6; round++) {
            const within = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
              name: pick(names),
              part: pick(["exact", "below", "tree"] as const),
              restricted: random() < 0.5,
            }));
            const lists = within.flatMap(({ name, part, restricted }) => [
              ...(part === "below" ? [] : [`e${name}`]),
              ...(part === "exact" ? [] : [`a${name}`, ...(restricted ? [`r${name}`] : [])]),
            ]);
            const since = random() < 0.3 ? pick(events).at : undefined;
            const isInclusive = order === "oldest" && random() < 0.5;
            const seqs = events.filter((event) =>
              lists.some((list) => event.lists.has(list)) && event.at >= (since ?? "")
            ).map(({ seq }) => seq);
            // Pages of one event need a position near the end, to be few.
            const ahead = limit * 12;
            const end = pick(order === "oldest" ? seqs.slice(-ahead) : seqs.slice(0, ahead)) ?? 3;
            const from = Math.min(pick([end, end - 1, end + 1]), last);
            const expected = seqs.filter((seq) =>
              order === "oldest" ? seq > from || isInclusive && seq === from : seq < from
            );
            const page = await readAllSeqs(queries, codec, {
              ...{ within, order, limit, from: codec.format({ seq: from, run }) },
              ...(since === undefined ? {} : { since }),
              ...(isInclusive ? { isInclusive } : {}),
            });
            const message = JSON.stringify({ within, order, limit, from, since, isInclusive });
            assertEquals(page, order === "oldest" ? expected : expected.reverse(), message);
          }
        }
      }
    }),
);

/** Reads all pages of a query, and returns the numbers of the events. */
async function readAllSeqs(
  queries: ChangeQueries,
  codec: CursorCodec,
  query: ChangeQuery,
): Promise<(number | undefined)[]> {
  const found: (number | undefined)[] = [];
  const { isInclusive: _, ...next } = query;
  for (let part = query;;) {
    const page = await queries.changes(part);
    assert(page.events.length <= query.limit, "the page is longer than its limit");
    assert(
      !page.more || page.events.length === query.limit,
      "a page that is not the last is short",
    );
    found.push(...page.events.map(({ cursor }) => codec.parse(cursor)?.seq));
    if (!page.more) return found;
    part = { ...next, from: page.cursor };
  }
}

postgresTest(
  "ChangeQueries.changes() returns the position before the first change without a match",
  () =>
    withImport(
      server(),
      (store) => fillRandomly(store, createRandom(1), 20),
      async ({ sessions }) => {
        const queries = queriesOf(sessions);
        const codec = new CursorCodec(QUERY_KEY);
        for (const order of ["oldest", "newest"] as const) {
          const within = [{ name: "home/none", part: "tree", restricted: false }] as const;
          const page = await queries.changes({ within, order, limit: 5 });
          const start = codec.format({ seq: 0, run: "00000000" });
          assertEquals(page, { events: [], cursor: start, more: false });
        }
      },
    ),
);

postgresTest("ChangeQueries.keyed() finds the events of an idempotency key", () => {
  const idem = `${"k".repeat(22)}.${"c".repeat(22)}`;
  return withImport(
    server(),
    async (store) => {
      const body = new TextEncoder().encode("x");
      for (const name of ["home/a", "home/b"]) {
        await store.put({ name, body, ext: "txt", meta: [], by: "T2", idem });
      }
      await store.put({ name: "home/c", body, ext: "txt", meta: [], by: "T2" });
    },
    async ({ data, sessions }) => {
      const queries = queriesOf(sessions);
      const store = await openSqlite(data);
      try {
        const key = "k".repeat(22);
        const expected = await store.keyed(key, "home");
        assertEquals(expected.map(({ name }) => name), ["home/a", "home/b"]);
        assertEquals(await queries.keyed(key), expected);
        assertEquals(await queries.keyed("K".repeat(22)), []);
      } finally {
        await store.close();
      }
    },
  );
});
