/** `publish_1`, `follow_1` and the lists of changes, on a real server. */

import { assert, assertEquals } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { createRandom } from "../../support/random.ts";
import { fillBatches, insertBatch } from "../../support/random_batches.ts";
import type { Session } from "../../../lib/world/postgres/session.ts";

const server = sharedServer();

/** Inserts a batch as apply_1 does: events of the names, each of a world of its own. */
async function commit(session: Session, names: readonly string[], at = 1, size = names.length) {
  const time = `2026-01-01T00:00:0${at}.000Z`;
  const [batch] = await session.query(
    "INSERT INTO elastik.batches (size, latest) VALUES ($1, $2) RETURNING id",
    [size, time],
  );
  for (const [i, name] of names.entries()) {
    await session.query(
      "INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac, prev_hmac, batch, n, " +
        "kind, name, also, by, version, ext, state, len, restricted, also_restricted) SELECT $1, " +
        "coalesce(max(id), 0) + 1, $2, 'stage_written', '{}', 'h', 'p', $3, $4, 'update', $5, $6, " +
        "'T2', 1, 'txt', '', 3, $7, false FROM elastik.events WHERE world = $1",
      [
        ...[i + 1, time, Number(batch?.id), i + 1, name.split(" ")[0] ?? ""],
        ...[name.split(" ")[1] ?? null, name.startsWith("etc/")],
      ],
    );
  }
}

async function publish(session: Session, force = false): Promise<unknown> {
  return (await session.query("SELECT elastik.publish_1($1) AS seq", [force]))[0]?.seq;
}

/** What follows a number, as short texts. */
async function follow(session: Session, after: number, limit = 1000): Promise<string[]> {
  const rows = await session.query("SELECT * FROM elastik.follow_1($1, $2)", [after, limit]);
  return rows.map(({ seq, kind, name }) => `${seq} ${kind} ${name}`);
}

async function test(run: (database: PostgresDatabase, session: Session) => Promise<void>) {
  await using database = await PostgresDatabase.create(server());
  await run(database, await database.open());
}

postgresTest(
  "publish_1 numbers the events of all committed batches in order",
  () =>
    test(async (_, session) => {
      assertEquals(await publish(session), 0);
      await commit(session, ["home/a", "home/b"]);
      await session.query("SELECT elastik.mark_1('home/c', true, NULL, NULL)");
      await commit(session, ["home/d"]);
      assertEquals(await follow(session, 0), []);
      assertEquals(await publish(session), 4);
      const all = ["1 update home/a", "2 update home/b", "3 mark home/c", "4 update home/d"];
      assertEquals(await follow(session, 0), all);
      assertEquals(await follow(session, 1, 2), all.slice(1, 3));
      assertEquals(await publish(session), 4);
    }),
);

postgresTest(
  "publish_1 gives no number twice if places of a batch are empty",
  () =>
    test(async (_, session) => {
      await commit(session, ["home/a"], 1, 3);
      await commit(session, ["home/b"]);
      await publish(session);
      assertEquals(await follow(session, 0), ["1 update home/a", "4 update home/b"]);
      assertEquals(await follow(session, 2), ["4 update home/b"]);
    }),
);

postgresTest(
  "publish_1 publishes a batch that commits late after those before it",
  () =>
    test(async (database, session) => {
      const late = await database.open();
      await late.query("BEGIN");
      await commit(late, ["home/late"], 2);
      await session.query("UPDATE elastik.feed SET seq = 0"); // any statement in between
      await session.query(
        "INSERT INTO elastik.batches (size, kind, name, state) VALUES (1, 'mark', 'home/m', 'true')",
      );
      assertEquals(await publish(session), 1);
      await late.query("COMMIT");
      assertEquals(await publish(session), 2);
      assertEquals(await follow(session, 0), ["1 mark home/m", "2 update home/late"]);
    }),
);

postgresTest(
  "publish_1 makes concurrent publishers wait for each other",
  () =>
    test(async (database, session) => {
      const others = await Promise.all([database.open(), database.open(), database.open()]);
      for (let round = 0; round < 10; round++) {
        await commit(session, ["home/a", "home/b"]);
        await Promise.all([session, ...others].map((other) => publish(other, round % 2 === 0)));
      }
      const rows = await session.query("SELECT seq FROM elastik.changes ORDER BY seq");
      assertEquals(rows.map(({ seq }) => seq), Array.from({ length: 20 }, (_, i) => i + 1));
    }),
);

postgresTest(
  "publish_1 commits if it is forced, also with nothing to publish",
  () =>
    test(async (_, session) => {
      const position = async () =>
        (await session.query("SELECT pg_current_wal_lsn()::text AS at"))[0]?.at;
      const before = await position();
      await publish(session, true);
      assertEquals(before === await position(), false);
    }),
);

postgresTest("publish_1 begins a new run on another timeline", () =>
  test(async (_, session) => {
    await commit(session, ["home/a"]);
    await publish(session);
    await session.query(
      "UPDATE elastik.machine SET timeline = 77; DELETE FROM elastik.runs WHERE first > 1",
    );
    await session.query("UPDATE elastik.runs SET first = 0, run = '00000001'");
    await commit(session, ["home/b"]);
    await publish(session);
    const runs = await session.query("SELECT seq, run FROM elastik.follow_1(0, 10)");
    assertEquals(runs[0]?.run, "00000001");
    assertEquals(/^[0-9a-f]{8}$/.test(String(runs[1]?.run)) && runs[1]?.run !== "00000001", true);
    const [machine] = await session.query("SELECT timeline FROM elastik.machine");
    assertEquals(machine?.timeline, 1);
  }));

postgresTest("publish_1 keeps the latest time up to each batch", () =>
  test(async (_, session) => {
    await commit(session, ["home/a"], 5);
    await commit(session, ["home/b"], 3);
    await publish(session);
    await commit(session, ["home/c"], 4);
    await publish(session);
    const rows = await session.query("SELECT latest FROM elastik.batches ORDER BY first");
    assertEquals(rows.map(({ latest }) => String(latest).slice(18, 19)), ["5", "5", "5"]);
  }));

postgresTest(
  "events_at_1 and seq_of_1 find events by number and place",
  () =>
    test(async (_, session) => {
      await commit(session, ["home/a", "home/b"], 1, 3);
      await commit(session, ["home/c"]);
      await publish(session);
      const rows = await session.query("SELECT seq, name FROM elastik.events_at_1('{4,3,2,9}')");
      assertEquals(rows.map(({ seq, name }) => `${seq} ${name}`), ["2 home/b", "4 home/c"]);
      const [found] = await session.query("SELECT elastik.seq_of_1(2, 1) AS seq");
      assertEquals(found?.seq, 4);
    }),
);

postgresTest(
  "index_1 lists changes by collection and by name, restricted ones apart",
  () =>
    test(async (_, session) => {
      await commit(session, ["home/x/a", "home/b home/x/c", "etc/shadow home/b"]);
      await publish(session);
      await commit(session, ["home/x/a"]);
      await publish(session);
      const lists = async () => {
        const rows = await session.query(
          "SELECT p.key, array_to_string(ARRAY(SELECT elastik.listed_1(p.id, 0, false, 100)), ',') " +
            "AS seqs FROM elastik.paths p ORDER BY p.key",
        );
        return rows.map(({ key, seqs }) => `${key}:${seqs}`);
      };
      const index = async () => (await session.query("SELECT elastik.index_1(1) AS more"))[0]?.more;
      assertEquals(await index(), true);
      assertEquals(await lists(), [
        ...["a:1,2,3", "ahome:1,2,3", "ahome/x:1,2", "eetc/shadow:3", "ehome/b:2,3", "ehome/x/a:1"],
        ...["ehome/x/c:2", "r:3", "retc:3"],
      ]);
      assertEquals(await index(), false);
      assertEquals(await index(), false);
      assertEquals((await lists()).slice(0, 3), ["a:1,2,3,4", "ahome:1,2,3,4", "ahome/x:1,2,4"]);
    }),
);

postgresTest(
  "listed_1 returns the next numbers of each list from any position, in both directions",
  async (t) => {
    for (const seed of [1, 2, 3]) {
      await t.step(`seed ${seed}`, () =>
        test(async (_, session) => {
          const random = createRandom(seed);
          const index = async (batches: number) =>
            (await session.query("SELECT elastik.index_1($1) AS more", [batches]))[0]?.more;
          const events = await fillBatches(session, random, () =>
            index(1 + Math.floor(random() * 3)));
          while (await index(7) === true);
          const end = (events.at(-1)?.seq ?? 0) + 5;
          const paths = await session.query("SELECT id, key FROM elastik.paths ORDER BY id");
          const keys = new Set(events.flatMap(({ lists }) => [...lists]));
          assertEquals(
            new Set(paths.map(({ key }) =>
              String(key)
            )),
            keys,
          );
          for (const { id, key } of paths) {
            const seqs = events.filter(({ lists }) => lists.has(String(key))).map(({ seq }) => seq);
            for (const limit of [1, 2, 3, 7, 1000]) {
              const positions = [
                ...[0, seqs[0] ?? 0, seqs.at(-1) ?? 0, end],
                ...Array.from({ length: 12 }, () => Math.floor(random() * end)),
              ];
              const rows = await session.query(
                "SELECT array_to_string(ARRAY(SELECT elastik.listed_1($1, at, false, $3)), ',') AS after, " +
                  "array_to_string(ARRAY(SELECT elastik.listed_1($1, at, true, $3)), ',') AS before " +
                  "FROM unnest($2::bigint[]) WITH ORDINALITY AS x (at, n) ORDER BY n",
                [Number(id), positions, limit],
              );
              assertEquals(
                rows.map(({ after, before }) => [after, before]),
                positions.map((at) => [
                  seqs.filter((seq) => seq > at).slice(0, limit).join(","),
                  seqs.filter((seq) => seq < at).reverse().slice(0, limit).join(","),
                ]),
                `list ${key}, limit ${limit}, positions ${positions}`,
              );
            }
          }
        }));
    }
  },
);

postgresTest(
  "index_1 adds one row to a list for many batches, and no long row",
  () =>
    test(async (_, session) => {
      const index = async () => (await session.query("SELECT elastik.index_1(1000)"))[0];
      const rows = async (key: string) =>
        (await session.query(
          "SELECT first, coalesce(cardinality(places), 1) AS count FROM elastik.below " +
            "WHERE path = (SELECT id FROM elastik.paths WHERE key = $1) ORDER BY first",
          [key],
        )).map(({ first, count }) => [first, count]);
      for (let batch = 0; batch < 20; batch++) await commit(session, ["home/a", `home/b/${batch}`]);
      await publish(session);
      await index();
      assertEquals(await rows("ahome"), [[1, 40]]);
      assertEquals(await rows("ehome/a"), [[1, 20]]);
      assertEquals(await rows("ehome/b/3"), [[8, 1]]);
      const drafts = Array.from({ length: 1_234 }, () => ({ name: "home/c", also: null }));
      await insertBatch(session, { world: 100, at: "2026-01-01T00:00:00.000Z", drafts });
      await publish(session);
      await index();
      assertEquals(await rows("ehome/c"), [[41, 459], [500, 500], [1000, 275]]);
    }),
);

postgresTest(
  "listed_1 reads no more of a long list than it returns",
  () =>
    test(async (_, session) => {
      // One list of 20,000 rows, and so many short ones that the server takes each list for a short one.
      await session.query(
        "INSERT INTO elastik.below (path, first) SELECT 1, n FROM generate_series(1, 20000) n " +
          "UNION ALL SELECT 1 + n, n FROM generate_series(1, 60000) n",
      );
      await session.query("ANALYZE elastik.below");
      const countRead = async () => {
        const [row] = await session.query(
          "SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables " +
            "WHERE relid = 'elastik.below'::regclass",
        );
        return Number(row?.rows);
      };
      await session.query("BEGIN");
      for (const isNewest of [false, true]) {
        for (const limit of [10, 2_000]) {
          const before = await countRead();
          const [found] = await session.query(
            "SELECT count(*) FROM elastik.listed_1(1, 10000, $1, $2)",
            [isNewest, limit],
          );
          assertEquals(found?.count, limit);
          const count = await countRead() - before;
          // The server sorts some rows together.
          assert(count <= limit + 100, `${count} rows were read for ${limit}`);
        }
      }
      await session.query("COMMIT");
    }),
);
