import { assert, assertEquals } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { until } from "../../support/query_store.ts";
import { WriteNode } from "../../support/write_node.ts";
import type { QuerySession, QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import { PostgresSearch } from "../../../lib/world/postgres/search_store.ts";
import { createSessionPool } from "../../../lib/world/postgres/session_pool.ts";

const server = sharedServer();
const SEARCH = {
  within: [{ name: "", part: "below", restricted: true }],
  original: true,
  isolated: false,
  limit: 10,
} as const;

/** The searches of some nodes over one database, and the steps that change the tables of the search. */
interface Fixture {
  readonly node: WriteNode;
  readonly session: QuerySession;
  readonly searches: readonly PostgresSearch[];
  readonly steps: () => number;
}

async function withSearches(count: number, use: (fixture: Fixture) => Promise<void>) {
  await using database = await PostgresDatabase.create(server());
  await using node = new WriteNode(database, "n1");
  const pool = createSessionPool(() => database.open(), 4);
  let steps = 0;
  const sessions: QuerySessions = {
    use: (run) =>
      pool.use((session) =>
        run({
          query(text, values, deadlineMs) {
            if (text.startsWith("UPDATE elastik.search_state")) steps += 1;
            return session.query(text, values, deadlineMs);
          },
        })
      ),
  };
  const searches = Array.from({ length: count }, () =>
    new PostgresSearch({
      ...{ read: sessions, write: sessions },
      publish: () =>
        sessions.use((session) => session.query("SELECT elastik.publish_1(false)", [])),
      stat: (name) => ({
        ...{ name, version: 1, ext: "txt", len: 1, state: "", updatedAt: "", layer: "upper" },
        ...{ by: "", head: 1, headAt: "" },
      }),
      lower: new Map(),
      isRestricted: () => false,
      redact: (world) => world,
      limits: { running: 8, waiting: 8, waitingPerClient: 8 },
      log: (line) => console.error(line),
      unicode: "15.1",
    }));
  for (const search of searches) search.start(0);
  try {
    await use({ node, session: await database.open(), searches, steps: () => steps });
  } finally {
    await Promise.all(searches.map((search) => search.stop()));
    pool.close();
  }
}

postgresTest(
  "PostgresSearch indexes a world that changes all the time once in a while only",
  () =>
    withSearches(3, async ({ node, session, searches, steps }) => {
      await node.put("home/x", "text 0");
      await session.query("SELECT elastik.publish_1(false)", []);
      await until(() => steps() > 0 && searches.every(({ counts }) => counts.pending === 0));
      const before = steps();
      const startedAt = performance.now();
      let changes = 0;
      while (performance.now() - startedAt < 3_000 || changes < 100) {
        await node.put("home/x", `text ${++changes}`);
        await session.query("SELECT elastik.publish_1(false)", []);
      }
      // A change waits for a second before a step, and one change at most is under way during a step.
      const allowed = 2 * (performance.now() - startedAt) / 1_000 + 3;
      const made = steps() - before;
      assert(made <= allowed, `${made} steps for ${changes} changes; at most ${allowed}`);
      // Without a search, too, the tables have the last change in the end.
      await until(async () => {
        const [row] = await session.query(
          "SELECT convert_from(text, 'UTF8') AS text FROM elastik.search_open_pieces",
          [],
        );
        return row?.text === `text ${changes}`;
      });
    }),
);

postgresTest(
  "PostgresSearch finds every change that was acknowledged before the search",
  () =>
    withSearches(2, async ({ node, searches }) => {
      for (let at = 1; at <= 10; at++) {
        await node.put(`home/${at % 3}`, `alpha ${at}`);
        const search = searches[at % 2];
        const page = await search?.search({ ...SEARCH, text: `alpha ${at}` }, {});
        assertEquals(page?.hits.map(({ name }) => name), [`home/${at % 3}`]);
      }
    }),
);

postgresTest(
  "PostgresSearch works off what waits for longer, also if the clock was ahead",
  () =>
    withSearches(1, async ({ node, session, searches, steps }) => {
      await until(() => searches[0]?.counts.pending === 0);
      for (const change of ["- interval '1 hour'", "+ interval '1 hour'"]) {
        const before = steps();
        const names = Array.from({ length: 600 }, (_, n) => `home/${n}`);
        await Promise.all(names.map((name) => node.put(name, `text ${change}`)));
        await session.query(`UPDATE elastik.batches SET at = at ${change} WHERE first IS NULL`, []);
        await session.query("SELECT elastik.publish_1(false)", []);
        await until(async () => {
          const [row] = await session.query(
            "SELECT count(*) AS count FROM elastik.search_open_pieces WHERE folded = $1",
            [`text ${change}`],
          );
          return row?.count === 600;
        });
        assert(steps() - before >= 3, "three steps have so many names");
      }
    }),
);
