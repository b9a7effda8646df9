import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { openSqlite, until, withImport } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { fillRandomly } from "../../testdata/random_store.ts";
import { createLowerLayer } from "../../../lib/world/lower_layer.ts";
import type { Within } from "../../../lib/world/changes.ts";
import type { QuerySessions } from "../../../lib/world/postgres/query_sessions.ts";
import {
  PostgresSearch,
  type PostgresSearchOptions,
} from "../../../lib/world/postgres/search_store.ts";
import type { SearchPage, SearchQuery } from "../../../lib/world/search.ts";
import type { Store, World, WorldEntry } from "../../../lib/world/store.ts";

const server = sharedServer();
const encoder = new TextEncoder();
const LOWER = { "usr/lib/lower": "alpha of the lower layer", "home/a": "covered alpha" };
const ENTRY: WorldEntry = {
  name: "",
  version: 1,
  ext: "txt",
  len: 1,
  state: "",
  updatedAt: "",
  layer: "upper",
  by: "",
  head: 1,
  headAt: "",
};

/** Hides lines with a secret, as the server does in some worlds. */
const redaction = {
  isRedacted: (name: string) => name.startsWith("home/d"),
  redact(world: World): World {
    if (!world.name.startsWith("home/d")) return world;
    const text = new TextDecoder().decode(world.body).replaceAll("Beta", "****");
    return { ...world, body: encoder.encode(text) };
  },
};

function searchOf(
  sessions: QuerySessions,
  more: Partial<PostgresSearchOptions> = {},
): PostgresSearch {
  return new PostgresSearch({
    read: sessions,
    write: sessions,
    publish: () => sessions.use((session) => session.query("SELECT elastik.publish_1(false)", [])),
    stat: (name) => ({ ...ENTRY, name }),
    lower: createLowerLayer(LOWER, "2026-01-01T00:00:00.000Z"),
    isRestricted: (name) => name.startsWith("etc/"),
    redact: redaction.redact,
    limits: { running: 8, waiting: 8, waitingPerClient: 8 },
    log: (line) => console.error(line),
    unicode: "15.1",
    ...more,
  });
}

async function withSearch(
  sessions: QuerySessions,
  use: (search: PostgresSearch) => Promise<void>,
  more: Partial<PostgresSearchOptions> = {},
): Promise<void> {
  const search = searchOf(sessions, more);
  search.start(0);
  try {
    // A search may miss what is younger than two seconds.
    await until(async () => {
      const [row] = await sessions.use((session) =>
        session.query(
          "SELECT s.seq >= f.seq AS is_done FROM elastik.search_state s, elastik.feed f",
          [],
        )
      );
      return row?.is_done === true;
    });
    await use(search);
  } finally {
    await search.stop();
  }
}

type Search = (query: SearchQuery) => Promise<SearchPage>;

/** Reads all pages of a search. */
async function readAll(search: Search, query: SearchQuery): Promise<SearchPage> {
  const hits: SearchPage["hits"][number][] = [];
  for (let after = query.after;;) {
    const page = await search({ ...query, ...(after === undefined ? {} : { after }) });
    hits.push(...page.hits);
    assert(page.hits.length <= query.limit, "the page is longer than its limit");
    after = page.hits.at(-1);
    if (!page.more || after === undefined) return { ...page, hits };
  }
}

const EVERYTHING: readonly Within[] = [{ name: "", part: "below", restricted: true }];

function put(store: Store, name: string, text: string) {
  return store.put({ name, body: encoder.encode(text), ext: "txt", meta: [], by: "T2" });
}

async function fillTexts(store: Store, seed: number): Promise<void> {
  await fillRandomly(store, createRandom(seed), 80);
  await put(store, "home/bom", "\ufeffAlpha first\r\nsecond ALPHA\rthird\n");
  await put(store, "home/nul", "alpha\0beta \0\0 end");
  // A line that is cut into several pieces, and many lines in several pieces.
  await put(store, "home/wide", `${"wide ".repeat(8000)}needle ${"wide ".repeat(2000)}needle`);
  await put(store, "home/many", `row with a Needle ${"and more ".repeat(20)}\n`.repeat(150));
  await put(store, "etc/many", "secret needle\n".repeat(5));
  await store.put({
    name: "home/bytes",
    body: new Uint8Array([0xff, 0xfe, 97, 108, 112, 104, 97]),
    ext: "bin",
    meta: [],
    by: "T2",
  });
}

async function compare(isIndexed: boolean, seed: number): Promise<void> {
  const random = createRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const options = { lower: LOWER, redaction };
  await withImport(server(), (store) => fillTexts(store, seed), async ({ data, sessions }) => {
    if (!isIndexed) {
      await sessions.use((session) =>
        session.query("DROP INDEX elastik.search_open_grams, elastik.search_restricted_grams", [])
      );
    }
    const store = await openSqlite(data, options);
    try {
      await withSearch(sessions, async (search) => {
        for (let at = 0; at < 30; at++) {
          const within: Within[] = [];
          while (within.length === 0 || random() < 0.3) {
            within.push({
              name: pick(["", "home", "home/a", "home/d", "home/many", "etc", "usr", "home/none"]),
              part: pick(["exact", "below", "tree"] as const),
              restricted: random() < 0.5,
            });
          }
          const query: SearchQuery = {
            within,
            original: random() < 0.5,
            isolated: random() < 0.5,
            text: pick([
              ...[
                "alpha",
                "BETA",
                "strasse",
                "ß",
                "οδοσ",
                "x",
                "100%",
                "a_b",
                "\\d",
                "文",
                "😀",
                "ne",
              ],
              ...["needle", "alpha\0b", "\0", "wide wide", "%", "__", "no such text", "本語の"],
            ]),
            limit: pick([5, 50, 1000]),
          };
          const expected = await readAll((part) => store.search(part), query);
          const found = await readAll((part) => search.search(part, {}), query);
          assertEquals(found, expected, `seed ${seed}: ${JSON.stringify(query)}`);
        }
      });
    } finally {
      await store.close();
    }
  }, options);
}

postgresTest(
  "PostgresSearch finds what SqliteStore finds, with the trigram index",
  () => compare(true, 41),
);

postgresTest(
  "PostgresSearch finds what SqliteStore finds, without the trigram index",
  () => compare(false, 43),
);

postgresTest(
  "PostgresSearch gives the hits of few worlds also when the search is shared",
  () =>
    withImport(
      server(),
      async (store) => {
        for (let at = 0; at < 150; at++) {
          await put(store, `home/${at}`, `row ${at}\nneedle ${at % 7}`);
        }
      },
      ({ sessions }) =>
        withSearch(sessions, async (search) => {
          const query = { original: true, isolated: false, limit: 1000 };
          for (const text of ["needle 3", "ro", "needle"]) {
            const all = await search.search({ ...query, within: EVERYTHING, text }, {});
            assertEquals(all.isShared, true);
            const each: SearchPage["hits"][number][] = [];
            for (let at = 0; at < 150; at++) {
              const within: Within[] = [{ name: `home/${at}`, part: "exact", restricted: false }];
              const page = await search.search({ ...query, within, text }, {});
              assertEquals(page.isShared, false);
              each.push(...page.hits);
            }
            each.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.line - b.line);
            assertEquals(all.hits, each, text);
          }
        }),
    ),
);

postgresTest(
  "PostgresSearch follows changes on one node at a time, and each node finds them",
  () =>
    withImport(server(), (store) => put(store, "home/x", "alpha one"), async ({ sessions }) => {
      await withSearch(sessions, (a) =>
        withSearch(sessions, async (b) => {
          const query = {
            within: EVERYTHING,
            original: true,
            isolated: false,
            text: "alpha",
            limit: 10,
          };
          const versionsOf = async (search: PostgresSearch) =>
            (await search.search(query, {})).hits.filter(({ name }) => name === "home/x")
              .map(({ version, line }) => [version, line]);
          assertEquals([await versionsOf(a), await versionsOf(b)], [[[1, 1]], [[1, 1]]]);
          // A change as another node commits it.
          await sessions.use(async (session) => {
            const [batch] = await session.query(
              "INSERT INTO elastik.batches (size, at) VALUES (1, now() - interval '2 seconds') RETURNING id",
              [],
            );
            await session.query(
              `UPDATE elastik.worlds SET version = 2, body = $1, len = $2, updated_at = 'later'
             WHERE name = 'home/x'`,
              [encoder.encode("one\nALPHA"), 9],
            );
            await session.query(
              `INSERT INTO elastik.events SELECT world, 2, timestamp, event_type, payload, hmac, prev_hmac,
             $1, 1, 'update', name, also, by, 2, ext, state, len FROM elastik.events WHERE id = 1`,
              [Number(batch?.id)],
            );
          });
          for (const search of [a, b]) {
            search.recordChange();
            assertEquals(await versionsOf(search), [[2, 2]]);
          }
        }));
    }),
);

postgresTest(
  "PostgresSearch names worlds that are too long, and forgets those that end",
  () =>
    withImport(
      server(),
      async (store) => {
        const body = encoder.encode("needle ".repeat(2_000_000));
        await store.put({ name: "home/long", body, ext: "txt", meta: [], by: "T2" });
        await store.append({ name: "home/long", body, ext: "txt", by: "T2" });
        await put(store, "home/gone", "needle");
      },
      ({ sessions }) =>
        withSearch(sessions, async (search) => {
          const query = {
            within: EVERYTHING,
            original: true,
            isolated: false,
            text: "needle",
            limit: 10,
          };
          const page = await search.search(query, {});
          assertEquals([page.tooLong, page.hits.map(({ name }) => name)], [["home/long"], [
            "home/gone",
          ]]);
          // A world whose chain another key signed ends without an event.
          await sessions.use(async (session) => {
            await session.query("DELETE FROM elastik.worlds WHERE name = 'home/gone'", []);
            await session.query(
              "INSERT INTO elastik.batches (size, kind, name, state) VALUES (1, 'gone', 'home/gone', '1')",
              [],
            );
          });
          await until(async () => (await search.search(query, {})).hits.length === 0);
          await until(() => search.counts.pending === 0);
        }, { stat: (name) => name === "home/hidden" ? undefined : { ...ENTRY, name } }),
    ),
);

postgresTest(
  "PostgresSearch leaves out worlds with damaged rows, and finds all others",
  () =>
    withImport(
      server(),
      async (store) => {
        for (const name of ["home/x", "home/version", "home/length"]) {
          await put(store, name, "alpha");
        }
      },
      async ({ sessions }) => {
        await sessions.use(async (session) => {
          for (const [column, name] of [["version", "home/version"], ["len", "home/length"]]) {
            await session.query(
              `UPDATE elastik.worlds SET ${column} = 9223372036854775807 WHERE name = $1`,
              [name ?? ""],
            );
          }
        });
        await withSearch(sessions, async (search) => {
          const query = { within: EVERYTHING, original: true, isolated: false, limit: 10 };
          const { hits } = await search.search({ ...query, text: "alpha" }, {});
          assertEquals(hits.map(({ name }) => name), ["home/a", "home/x", "usr/lib/lower"]);
        });
      },
    ),
);

postgresTest(
  "PostgresSearch fills its tables again with a newer Unicode, not with an older one",
  () =>
    withImport(server(), (store) => put(store, "home/x", "alpha"), async ({ sessions }) => {
      const query = {
        within: EVERYTHING,
        original: true,
        isolated: false,
        text: "alpha",
        limit: 10,
      };
      const unicodeOf = async () => {
        const [row] = await sessions.use((session) =>
          session.query("SELECT unicode FROM elastik.search_state", [])
        );
        return row?.unicode;
      };
      for (const [unicode, expected] of [["15.1", "15.1"], ["16.0", "16.0"], ["15.1", "16.0"]]) {
        await withSearch(sessions, async (search) => {
          const { hits } = await search.search(query, {});
          assertEquals(hits.map(({ name }) => name), ["home/a", "home/x", "usr/lib/lower"]);
          assertEquals(await unicodeOf(), expected);
        }, { unicode: unicode ?? "" });
      }
    }),
);

postgresTest(
  "PostgresSearch.search() stops with its caller, and refuses after the end",
  () =>
    withImport(server(), (store) => put(store, "home/x", "alpha"), async ({ sessions }) => {
      const search = searchOf(sessions);
      search.start(0);
      const query = {
        within: EVERYTHING,
        original: true,
        isolated: false,
        text: "alpha",
        limit: 10,
      };
      const signal = AbortSignal.abort(new Error("gone"));
      await assertRejects(search.search(query, { signal }), { message: "gone" });
      await search.search(query, {});
      await search.stop();
      await assertRejects(search.search(query, {}), { code: "closed" });
    }),
);
