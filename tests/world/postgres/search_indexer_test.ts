import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { PostgresDatabase } from "../../support/postgres_database.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { createRandom } from "../../support/random.ts";
import { WriteNode } from "../../support/write_node.ts";
import { createLowerLayer } from "../../../lib/world/lower_layer.ts";
import type { QuerySession, QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import { SearchIndexer } from "../../../lib/world/postgres/search_indexer.ts";
import { createSessionPool } from "../../../lib/world/postgres/session_pool.ts";

const server = sharedServer();

/** A database with a node that writes, and what an indexer sends to it. */
interface Fixture {
  readonly database: PostgresDatabase;
  readonly node: WriteNode;
  readonly session: QuerySession;
  /** The statements of all indexers since the last look. */
  readonly sent: string[];
  /** Called before each statement of an indexer. */
  onQuery: (text: string) => Promise<unknown> | void;
  open(lower?: Readonly<Record<string, string>>): SearchIndexer;
}

async function withIndexer(use: (fixture: Fixture) => Promise<void>): Promise<void> {
  await using database = await PostgresDatabase.create(server());
  await using node = new WriteNode(database, "n1");
  const pool = createSessionPool(() => database.open(), 2);
  const sent: string[] = [];
  const write: QuerySessions = {
    use: (run) =>
      pool.use((session) =>
        run({
          async query(text, values, deadlineMs) {
            sent.push(text);
            const hook = fixture.onQuery(text);
            if (hook !== undefined) await hook;
            return await session.query(text, values, deadlineMs);
          },
        })
      ),
  };
  const fixture: Fixture = {
    ...{ database, node, sent, session: await database.open() },
    onQuery: () => {},
    open: (lower = {}) =>
      new SearchIndexer({
        write,
        lower: createLowerLayer(lower, "2026-01-01T00:00:00.000Z"),
        isRestricted: (name) => name.startsWith("etc/"),
        redact: (world) => world,
        unicode: "15.1",
      }),
  };
  try {
    await use(fixture);
  } finally {
    pool.close();
  }
}

async function publish({ session }: Fixture): Promise<void> {
  await session.query("SELECT elastik.publish_1(false)", []);
}

/** Makes steps until all is done, and returns their number. */
async function finish(indexer: SearchIndexer): Promise<number> {
  let steps = 0;
  while (await indexer.step() !== "done") steps += 1;
  return steps;
}

/** The texts in a set by name, each joined from its pieces in their order. */
async function textsOf({ session }: Fixture, set = "open"): Promise<Record<string, string>> {
  const rows = await session.query(
    `SELECT w.name, coalesce(string_agg(convert_from(p.text, 'UTF8'), '' ORDER BY p.id), '') AS text
     FROM elastik.search_${set}_worlds w LEFT JOIN elastik.search_${set}_pieces p ON p.world = w.id
     GROUP BY w.name ORDER BY w.name`,
    [],
  );
  return Object.fromEntries(rows.map(({ name, text }) => [String(name), String(text)]));
}

async function piecesOf({ session }: Fixture, name: string): Promise<number[]> {
  const rows = await session.query(
    `SELECT p.id FROM elastik.search_open_worlds w JOIN elastik.search_open_pieces p ON p.world = w.id
     WHERE w.name = $1 ORDER BY p.line, p.col`,
    [name],
  );
  return rows.map(({ id }) => Number(id));
}

const nameOf = (n: number) => `home/${String(n).padStart(3, "0")}`;
const namesTo = (count: number) => Array.from({ length: count }, (_, n) => nameOf(n));

/** Lines with a text, of about so many characters. */
const linesOf = (text: string, chars: number) =>
  `${text} and more\n`.repeat(Math.ceil(chars / (text.length + 10)));

postgresTest(
  "SearchIndexer.step() sends as many statements for 50 names as for 5",
  () =>
    withIndexer(async (fixture) => {
      const { node, sent } = fixture;
      const indexer = fixture.open();
      await finish(indexer);
      /** Statements of the step for some worlds that changed. */
      const count = async (names: readonly string[], text: string) => {
        await Promise.all(names.map((name) => node.put(name, `${text} of ${name}`)));
        await publish(fixture);
        sent.length = 0;
        assertEquals(await indexer.step(), "more");
        return sent.length;
      };
      const added = [await count(namesTo(5), "one"), await count(namesTo(55).slice(5), "one")];
      assertEquals(added[1], added[0], "for new worlds");
      const changed = [await count(namesTo(5), "two"), await count(namesTo(50), "three")];
      assertEquals(changed[1], changed[0], "for changed worlds");
      assert(Math.max(...added, ...changed) <= 16, `too many statements: ${changed}`);
      const texts = await textsOf(fixture);
      assertEquals(
        texts,
        Object.fromEntries(
          namesTo(55).map((name, n) => [name, `${n < 50 ? "three" : "one"} of ${name}`]),
        ),
      );
    }),
);

postgresTest(
  "SearchIndexer.step() indexes the other worlds if rows of some are damaged",
  () =>
    withIndexer(async (fixture) => {
      const { node, session } = fixture;
      const indexer = fixture.open();
      await Promise.all(namesTo(50).map((name) => node.put(name, `alpha of ${name}`)));
      await publish(fixture);
      await finish(indexer);
      await Promise.all(namesTo(50).map((name) => node.put(name, `beta of ${name}`)));
      const damages = [
        "version = 9223372036854775807",
        "len = 9223372036854775807",
        "len = -5",
        "content = 9223372036854775807, body = NULL",
        // There are no such chunks: as for a version that was dropped, a later change must come.
        "content = 4711, body = NULL",
      ];
      for (const [n, damage] of damages.entries()) {
        await session.query(`UPDATE elastik.worlds SET ${damage} WHERE name = $1`, [
          nameOf(n * 10),
        ]);
      }
      // The text does not depend on these columns.
      await session.query(
        "UPDATE elastik.worlds SET headers = '[[', state = 'x' WHERE name = $1",
        [nameOf(49)],
      );
      await publish(fixture);
      await finish(indexer);
      const expected = Object.fromEntries(namesTo(50).map((name) => [name, `beta of ${name}`]));
      for (const n of [0, 10, 20, 30]) delete expected[nameOf(n)];
      expected[nameOf(40)] = `alpha of ${nameOf(40)}`;
      assertEquals(await textsOf(fixture), expected);
    }),
);

postgresTest(
  "SearchIndexer.step() skips a world that vanishes during the step",
  () =>
    withIndexer(async (fixture) => {
      const { node, session } = fixture;
      const indexer = fixture.open();
      await Promise.all(namesTo(3).map((name) => node.put(name, `alpha of ${name}`)));
      await publish(fixture);
      fixture.onQuery = (text) => {
        if (!text.includes("headers")) return;
        return session.query("DELETE FROM elastik.worlds WHERE name = $1", [nameOf(1)]);
      };
      await finish(indexer);
      assertEquals(await textsOf(fixture), {
        [nameOf(0)]: `alpha of ${nameOf(0)}`,
        [nameOf(2)]: `alpha of ${nameOf(2)}`,
      });
    }),
);

postgresTest(
  "SearchIndexer keeps the pieces of the beginning of a text that is unchanged",
  () =>
    withIndexer(async (fixture) => {
      const { node } = fixture;
      const indexer = fixture.open();
      const names = namesTo(3);
      const old = names.map((name) => linesOf(name, 100_000));
      await Promise.all(names.map((name, at) => node.put(name, old[at] ?? "")));
      await publish(fixture);
      await finish(indexer);
      const before = await Promise.all(names.map((name) => piecesOf(fixture, name)));
      // The first world grows, of the second one the middle changes, and the third one becomes short.
      const middle = `${old[1]?.slice(0, 50_000)}!${old[1]?.slice(50_000)}`;
      await node.append(names[0] ?? "", linesOf("added", 50_000));
      await node.put(names[1] ?? "", middle);
      await node.put(names[2] ?? "", old[2]?.slice(0, 10) ?? "");
      await publish(fixture);
      await finish(indexer);
      assertEquals(await textsOf(fixture), {
        [names[0] ?? ""]: `${old[0]}${linesOf("added", 50_000)}`,
        [names[1] ?? ""]: middle,
        [names[2] ?? ""]: old[2]?.slice(0, 10) ?? "",
      });
      const after = await Promise.all(names.map((name) => piecesOf(fixture, name)));
      for (const ids of after) {
        assertEquals(ids, ids.toSorted((a, b) => a - b), "the ids are in the order of the text");
      }
      const kept = after.map((ids, at) => ids.filter((id) => before[at]?.includes(id)).length);
      assertEquals(kept, [(before[0]?.length ?? 0) - 1, Math.floor(50_000 / 16_384), 0]);
      assertEquals(after.map((ids, at) => ids.slice(0, kept[at])), [
        before[0]?.slice(0, kept[0]),
        before[1]?.slice(0, kept[1]),
        [],
      ]);
    }),
);

postgresTest(
  "SearchIndexer reads the chunks of several worlds with one statement, but not of a long one",
  () =>
    withIndexer(async (fixture) => {
      const { node, sent } = fixture;
      const indexer = fixture.open();
      await finish(indexer);
      const lengths = [9_000, 20_000, 300_000, 40_000, 5_000_000, 10];
      const texts: Record<string, string> = {};
      for (const [n, length] of lengths.entries()) {
        texts[nameOf(n)] = linesOf(`Wörter ${n}`, length);
        await node.put(nameOf(n), texts[nameOf(n)] ?? "");
      }
      // An append makes a chunk longer, or adds one.
      for (const n of [0, 2, 5]) {
        await node.append(nameOf(n), linesOf("more", 1_000));
        texts[nameOf(n)] += linesOf("more", 1_000);
      }
      await publish(fixture);
      sent.length = 0;
      assertEquals(await indexer.step(), "more");
      assertEquals(Object.keys(await textsOf(fixture)).length, 5, "up to the long world");
      const reads = sent.filter((text) => text.includes("elastik.content"));
      assertEquals([reads.length, new Set(reads).size], [3, 2], "20 chunks need two statements");
      await finish(indexer);
      assertEquals(await textsOf(fixture), texts);
    }),
);

postgresTest(
  "SearchIndexer reads the names of a window once, and another node continues",
  () =>
    withIndexer(async (fixture) => {
      const { node, sent, session } = fixture;
      const random = createRandom(17);
      const indexers = [fixture.open(), fixture.open()];
      for (const indexer of indexers) await finish(indexer);
      for (const [round, pick] of [() => 0, () => Math.floor(random() * 2)].entries()) {
        await Promise.all(namesTo(900).map((name) => node.put(name, `${round} of ${name}`)));
        await node.put("etc/x", `${round}`);
        await publish(fixture);
        sent.length = 0;
        let steps = 0;
        while (await indexers[pick()]?.step() !== "done") steps += 1;
        assert(steps >= 4, `${steps} steps`);
        if (round === 0) {
          assertEquals(sent.filter((text) => text.includes("elastik.events")).length, 1);
        }
        assertEquals(
          await textsOf(fixture),
          Object.fromEntries(namesTo(900).map((name) => [name, `${round} of ${name}`])),
        );
        assertEquals(await textsOf(fixture, "restricted"), { "etc/x": `${round}` });
      }
      // A step that fails changes nothing, and the next one does its work.
      await Promise.all(namesTo(600).map((name) => node.put(name, `last of ${name}`)));
      await publish(fixture);
      const [first] = indexers;
      assert(first !== undefined);
      assertEquals(await first.step(), "more");
      fixture.onQuery = (text) => {
        if (text.startsWith("UPDATE elastik.search_state")) throw new Error("no more");
      };
      await assertRejects(() => first.step(), { message: "no more" });
      fixture.onQuery = () => {};
      await finish(first);
      const [row] = await session.query(
        `SELECT count(*) AS count FROM elastik.search_open_pieces WHERE folded LIKE 'last of%'`,
        [],
      );
      assertEquals(row?.count, 600);
    }),
);

postgresTest(
  "SearchIndexer adds a lower layer that is longer than one step",
  () =>
    withIndexer(async (fixture) => {
      const { node } = fixture;
      const lower: Record<string, string> = {};
      for (let n = 0; n < 5; n++) lower[`usr/${n}`] = linesOf(`lower ${n}`, 600_000);
      // A world that covers one of the lower layer.
      await node.put("usr/1", linesOf("upper", 1_100_000));
      await publish(fixture);
      const indexer = fixture.open(lower);
      assertEquals([await indexer.step(), indexer.hasLower], ["more", false]);
      await finish(indexer);
      assertEquals(indexer.hasLower, true);
      const expected: Record<string, string> = { ...lower, "usr/1": linesOf("upper", 1_100_000) };
      assertEquals(await textsOf(fixture), expected);
      // Those of another release are removed.
      await finish(fixture.open({ "usr/2": lower["usr/2"] ?? "" }));
      assertEquals(Object.keys(await textsOf(fixture)), ["usr/1", "usr/2"]);
    }),
);

postgresTest(
  "SearchIndexer.step() makes no step for a position that another node has left",
  () =>
    withIndexer(async (fixture) => {
      const { node, session } = fixture;
      const indexers = [fixture.open(), fixture.open()];
      for (const indexer of indexers) await finish(indexer);
      const seqOf = async () => {
        const [row] = await session.query("SELECT seq FROM elastik.search_state", []);
        return Number(row?.seq);
      };
      await node.put("home/x", "one");
      await publish(fixture);
      const seen = await seqOf();
      assertEquals(await indexers[0]?.step(seen), "more");
      await node.put("home/x", "two");
      await publish(fixture);
      assertEquals(await indexers[1]?.step(seen), "busy");
      assertEquals(await textsOf(fixture), { "home/x": "one" });
      assertEquals(await indexers[1]?.step(await seqOf()), "more");
      assertEquals(await textsOf(fixture), { "home/x": "two" });
    }),
);
