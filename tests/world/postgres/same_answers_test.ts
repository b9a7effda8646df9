/** Seeded random changes, made in both engines: every answer of the two stores must be the same. */

import { assert, assertEquals } from "../../support/assert.ts";
import { ClusterStores } from "../../support/cluster_stores.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { isRestricted, openSqlite } from "../../support/query_store.ts";
import { createRandom } from "../../support/random.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { fillRandomly } from "../../testdata/random_store.ts";
import type { ChangeQuery } from "../../../lib/world/changes.ts";
import type { Store, World, WorldEntry } from "../../../lib/world/store.ts";

const server = sharedServer();
const LOWER = { "home/a": "lower text of a", "usr/share/z": "lower alpha", "usr/lib/l": "alpha" };
const ALL = [{ name: "", part: "below", restricted: true }] as const;

/** Members of payloads with ids and times that differ by chance. */
function withoutChance(payload: unknown): unknown {
  return { ...Object(payload), trash: undefined };
}

function toFacts({ name, version, ext, meta, state, body, sha256, layer }: World) {
  return { name, version, ext, meta, state, length: body.length, sha256, layer };
}

function entryFacts({ name, version, ext, len, state, layer, by, head }: WorldEntry) {
  return { name, version, ext, len, state, layer, by, head };
}

/** Everything that a store answers about its worlds. */
async function answersOf(store: Store): Promise<Record<string, unknown>> {
  const worlds = await store.walk("");
  const each: Record<string, unknown> = {};
  for (const entry of worlds) {
    const { name } = entry;
    const read = await store.read(name);
    const versions: unknown[] = [];
    for (let version = 0; version <= entry.version + 1; version++) {
      versions.push(await store.readAt(name, version).then(toFacts, ({ code }) => code));
    }
    const log = await store.log(name, { limit: 1000 });
    const { named: _named, ...audit } = await store.audit(name);
    each[name] = {
      entry: entryFacts(entry),
      read: read === undefined ? undefined : toFacts(read),
      versions,
      log: log.map(({ id, type, payload }) => [id, type, withoutChance(payload)]),
      audit,
    };
  }
  const changes = async (query: Partial<ChangeQuery>) => {
    const page = await store.changes({ within: ALL, order: "oldest", limit: 1000, ...query });
    // Of several worlds that change in one transaction, each engine has its own order.
    return page.events.map(({ name, also, id, type, payload }) =>
      JSON.stringify([name, also, id, type, withoutChance(payload)])
    ).sort();
  };
  const trash = await store.listTrash({ within: ALL, limit: 1000 });
  const search = (text: string, restricted: boolean) =>
    store.search({
      within: [{ name: "", part: "below", restricted }],
      original: restricted,
      isolated: false,
      text,
      limit: 1000,
    });
  return {
    each,
    count: store.count(),
    changes: await changes({}),
    newest: await changes({ order: "newest", by: "cap:/home/*" }),
    // Two that were deleted in the same millisecond are in the order of random ids.
    trash: trash.entries.map(({ name, version, by, ext }) =>
      JSON.stringify([name, version, by, ext])
    )
      .sort(),
    marks: (await store.list("home")).map(({ name, dir }) => [name, dir]),
    alpha: await search("ALPHA", true),
    beta: await search("beta", false),
  };
}

for (const seed of [101]) {
  postgresTest(
    `PostgresStore answers as SqliteStore after random changes, seed ${seed}`,
    () =>
      withTempFolder(async (data) => {
        const options = { lower: LOWER, isRestricted, history: { versions: 5, bytes: 200_000 } };
        await using stores = await ClusterStores.create(server());
        const cluster = await stores.open(options);
        const sqlite = await openSqlite(data, options);
        try {
          for (const store of [sqlite, cluster]) await fillRandomly(store, createRandom(seed), 150);
          // A search may miss what is younger than two seconds.
          const end = performance.now() + 2_100;
          while (performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
          const expected = await answersOf(sqlite);
          assert(Object.keys(Object(expected.each)).length > 4, "the sample is too small");
          assertEquals(await answersOf(cluster), expected, `seed ${seed}`);
        } finally {
          await sqlite.close();
        }
      }),
  );
}
