import { assertEquals, assertRejects } from "../../support/assert.ts";
import { CursorCodec } from "../../../lib/world/change_cursor.ts";
import { ClusterState } from "../../../lib/world/postgres/cluster_state.ts";
import type { HeadRow } from "../../../lib/world/postgres/feed_row.ts";
import type { StoredWorld } from "../../../lib/world/postgres/reads.ts";
import { WorldLoader } from "../../../lib/world/postgres/world_loader.ts";

const AT = "2026-01-01T00:00:00.000Z";

function headOf(world: number, event: number): HeadRow {
  const fixed = { ext: "txt", len: 1, state: "", updatedAt: AT, by: "T2", at: AT };
  return { ...fixed, world, event, name: "home/a", version: event, hmac: `${world}.${event}` };
}

function stored(world: number, event: number): StoredWorld {
  const body = new TextEncoder().encode(`${event}`);
  const row = { ext: "txt", headers: "[]", state: "", updatedAt: AT, body, sha256: "" };
  return { ...row, version: event, world, event, eventHmac: `${world}.${event}` };
}

/** A loader over a state with one world, and what the database answers. */
function createLoader(answers: readonly (() => StoredWorld | undefined)[], onRound = () => {}) {
  const state = new ClusterState({
    lower: new Map(),
    cacheBytes: 1024 * 1024,
    codec: new CursorCodec("key"),
    log: () => {},
  });
  const tell = (heads: readonly HeadRow[]) => state.replace(heads, { seq: 1, run: "0000000a" });
  tell([headOf(1, 1)]);
  let reads = 0;
  let rounds = 0;
  const loader = new WorldLoader({
    state,
    feed: {
      round: () => {
        rounds++;
        onRound();
        return Promise.resolve();
      },
    },
    read: async () => {
      await Promise.resolve();
      return answers[reads++]?.();
    },
  });
  return { loader, state, tell, counts: () => ({ reads, rounds }) };
}

Deno.test("WorldLoader keeps what is as new as memory", async () => {
  const { loader, state, counts } = createLoader([() => stored(1, 1)]);
  assertEquals((await loader.load("home/a"))?.version, 1);
  assertEquals(state.cache.get("home/a")?.version, 1);
  assertEquals(counts(), { reads: 1, rounds: 0 });
});

Deno.test("WorldLoader shares a read until the world changes", async () => {
  const { loader, tell, counts } = createLoader([() => stored(1, 1), () => stored(1, 2)]);
  const first = [loader.load("home/a"), loader.load("home/a")];
  tell([headOf(1, 2)]);
  const second = loader.load("home/a");
  const versions = await Promise.all([...first, second]);
  assertEquals(versions.map((world) => world?.version), [1, 1, 2]);
  assertEquals(counts().reads, 2);
});

Deno.test("WorldLoader returns a late answer to its reader, and does not keep it", async () => {
  const loading = createLoader([() => {
    loading.tell([headOf(1, 2)]);
    return stored(1, 1);
  }]);
  assertEquals((await loading.loader.load("home/a"))?.version, 1);
  assertEquals(loading.state.cache.get("home/a"), undefined);
});

Deno.test("WorldLoader follows the feed before it returns what memory does not know", async () => {
  const loading = createLoader([() => stored(1, 2)], () => loading.tell([headOf(1, 2)]));
  assertEquals((await loading.loader.load("home/a"))?.version, 2);
  assertEquals(loading.state.catalog.upper("home/a")?.version, 2);
  assertEquals(loading.state.cache.get("home/a")?.version, 2);
  assertEquals(loading.counts().rounds, 1);
});

Deno.test("WorldLoader returns undefined for a world that another node has deleted", async () => {
  const loading = createLoader([() => undefined], () => loading.tell([]));
  assertEquals(await loading.loader.load("home/a"), undefined);
  assertEquals(loading.counts(), { reads: 1, rounds: 1 });
});

Deno.test("WorldLoader returns the answer of the database also if the feed cannot be followed", async () => {
  const loading = createLoader([() => stored(1, 2)], () => {
    throw new Error("no server answers");
  });
  assertEquals((await loading.loader.load("home/a"))?.version, 2);
});

Deno.test("WorldLoader reports a world whose row is not in the database as damaged", async () => {
  const { loader } = createLoader([]);
  await assertRejects(
    loader.load("home/a"),
    (error: Error) => "code" in error && error.code === "damaged" && /no row/.test(error.message),
  );
});

Deno.test("WorldLoader does not know that a row is missing without the changes of other nodes", async () => {
  const lost = createLoader([], () => {
    throw new Error("no server answers");
  });
  await assertRejects(
    lost.loader.load("home/a"),
    (error: Error) =>
      "code" in error && error.code === "busy" && /cannot be followed/.test(error.message),
  );
  let event = 1;
  const changing = createLoader([], () => changing.tell([headOf(1, ++event)]));
  await assertRejects(
    changing.loader.load("home/a"),
    (error: Error) => "code" in error && error.code === "busy",
  );
});
