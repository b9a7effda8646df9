/**
 * Readers of streams that continue at a node that is behind. Each round, a reader leaves one node and
 * continues at the other one, which has not followed the newest changes yet.
 */

import { LOCAL } from "../../lib/auth/authenticate.ts";
import type { Pieces } from "../../lib/http/pieces.ts";
import { CollectionFeed } from "../../lib/routes/stream/collection_feed.ts";
import { WorldFeed } from "../../lib/routes/stream/world_feed.ts";
import type { Store } from "../../lib/world/store.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ClusterStores } from "../support/cluster_stores.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";

const server = sharedServer();
const ROUNDS = 12;
const decoder = new TextDecoder();

interface Event {
  readonly kind: string;
  readonly id: string;
  readonly data: unknown;
}

function toEvent(pieces: Pieces): Event {
  const text = pieces.map((piece) => decoder.decode(piece)).join("");
  const [, kind = "", id = "", data = ""] = /^event: (\w+)\nid: (.*)\ndata: (.*)\n/.exec(text) ??
    [];
  return { kind, id, data: JSON.parse(data) };
}

function put(store: Store, name: string, body: string) {
  const bytes = new TextEncoder().encode(body);
  return store.put({ name, ext: "txt", meta: [], by: "T2", body: bytes });
}

/** Runs a test with two nodes that look for changes of each other at intervals only. */
async function withNodes(test: (nodes: readonly [Store, Store]) => Promise<void>): Promise<void> {
  await using stores = await ClusterStores.create(server());
  const a = await stores.open({ feed: "poll" });
  await test([a, await stores.open({ feed: "poll" })]);
}

/** Waits until a condition holds; the runner ends a test that waits forever. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resume) => setTimeout(resume, 1));
}

postgresTest(
  "a stream of a world has each version once, in order, at any node",
  () =>
    withNodes(async ([a, b]) => {
      await put(a, "home/x", "1");
      await b.refresh();
      const events: Event[] = [];
      let last: string | null = null;
      for (let round = 1; round <= ROUNDS; round++) {
        const [reading, writing] = round % 2 === 0 ? [a, b] : [b, a];
        const feed = new WorldFeed({
          store: reading,
          caller: LOCAL,
          name: "home/x",
          send: (pieces) => events.push(toEvent(pieces)) > 0,
          onError: () => assert(false, "the stream ended"),
        }, last);
        await feed.start();
        for (const part of ["a", "b", "c"]) await put(writing, "home/x", `${round} ${part}`);
        const newest = String(1 + 3 * round);
        // A reader that leaves early has less than the node that it comes from.
        const goal = round % 3 === 0 ? String(3 * round) : newest;
        await until(() => Number(events.at(-1)?.id) >= Number(goal));
        feed.stop();
        last = events.at(-1)?.id ?? null;
      }
      assertEquals(
        events.map(({ kind, id }) => `${kind} ${id}`),
        Array.from({ length: Number(last) }, (_, i) => `update ${i + 1}`),
      );
    }),
);

postgresTest(
  "a stream of a collection never goes back, and ends with every world",
  () =>
    withNodes(async ([a, b]) => {
      const [steady, fleeting] = ["home/c/steady", "home/c/fleeting"];
      const places = ["home/c/left", "home/c/right"] as const;
      await put(a, steady, "1");
      await put(a, places[0], "1");
      await b.refresh();
      /** What the reader has, and the newest version that it had of each world. */
      const worlds = new Map<string, number>();
      const newest = new Map<string, number>();
      const take = ({ kind, data }: Event) => {
        if (kind === "list") {
          const rows = data as { name: string; version: number }[]; // the listing, see stream_test.ts
          worlds.clear();
          for (const { name, version } of rows) worlds.set(name, version);
          return;
        }
        const { name, version } = data as { name: string; version: number }; // an event, see stream_test.ts
        assert(version >= (newest.get(name) ?? 0), `${kind} ${name} ${version}`);
        newest.set(name, version);
        if (kind === "delete") worlds.delete(name);
        else worlds.set(name, version);
      };
      let last: string | null = null;
      for (let round = 1; round <= ROUNDS; round++) {
        const [reading, writing] = round % 2 === 0 ? [a, b] : [b, a];
        // The node that the reader comes to has not seen this.
        const { version } = await put(writing, steady, `${round}`);
        const made = await put(writing, fleeting, "made");
        const [from, to] = round % 2 === 0 ? [places[1], places[0]] : places;
        const moved = await writing.rename({ name: from, to, ext: "txt", by: "T2" });
        const feed = new CollectionFeed({
          store: reading,
          caller: LOCAL,
          name: "home/c",
          brief: true,
          deep: true,
          contents: false,
          send: (pieces) => {
            const event = toEvent(pieces);
            last = event.id;
            take(event);
            return true;
          },
          onError: () => assert(false, "the stream ended"),
        }, last);
        await feed.start();
        const expected = new Map([[steady, version], [fleeting, made.version], [
          to,
          moved.version,
        ]]);
        await until(() =>
          worlds.size === expected.size &&
          [...expected].every(([name, v]) => worlds.get(name) === v)
        );
        await writing.remove({ name: fleeting, by: "T2" });
        const { version: end } = await put(writing, steady, `${round} again`);
        await until(() => worlds.get(steady) === end && !worlds.has(fleeting));
        feed.stop();
      }
    }),
);
