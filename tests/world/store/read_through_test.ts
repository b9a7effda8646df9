import { assertEquals, assertRejects } from "../../support/assert.ts";
import { Catalog } from "../../../lib/world/store/catalog.ts";
import { ReadThrough } from "../../../lib/world/store/read_through.ts";
import type { ReadResult } from "../../../lib/world/store/worker_messages.ts";
import type { WorldEntry } from "../../../lib/world/store.ts";
import { WorldCache } from "../../../lib/world/store/world_cache.ts";
import { toUpperEntry, toWorld, unindexedEntry } from "../../../lib/world/store/records.ts";

const NAME = "home/x";

function found(version: number): ReadResult {
  const base = { ext: "txt", headers: "[]", state: "", updatedAt: "", sha256: "" };
  return { version, ...base, body: Uint8Array.of(version) };
}

function entry(version: number): WorldEntry {
  const head = { by: "T2", head: 1, headAt: "" };
  return toUpperEntry({
    name: NAME,
    version,
    ext: "txt",
    len: 1,
    state: "",
    updatedAt: "",
    ...head,
  });
}

/** Creates a ReadThrough whose reads return the given versions one after another. */
function createReader(results: (() => ReadResult | undefined)[]) {
  const catalog = new Catalog();
  const cache = new WorldCache(1_000_000, 1_000_000);
  const unknown = new Set<string>();
  let readCount = 0;
  const reads = new ReadThrough({
    catalog,
    cache,
    files: {
      async read() {
        await Promise.resolve();
        const result = results[Math.min(readCount, results.length - 1)];
        readCount += 1;
        return result?.();
      },
    },
    unindexed: unknown,
  });
  async function read(): Promise<number | undefined> {
    const current = catalog.upper(NAME);
    if (current === undefined) return undefined;
    return (await reads.read(NAME, current))?.version;
  }
  return { catalog, cache, unknown, read, readCount: () => readCount };
}

Deno.test("ReadThrough.read() caches the world if it has not changed", async () => {
  const { catalog, cache, read } = createReader([() => found(3)]);
  catalog.set(entry(3));
  assertEquals([await read(), cache.peek(NAME)?.version], [3, 3]);
});

Deno.test("ReadThrough.read() reads once for calls before the next change", async () => {
  const { catalog, read, readCount } = createReader([() => found(3)]);
  catalog.set(entry(3));
  assertEquals([await Promise.all([read(), read(), read()]), readCount()], [[3, 3, 3], 1]);
});

Deno.test("ReadThrough.read() reads again for a call after a change", async () => {
  const { catalog, cache, read, readCount } = createReader([() => found(3), () => found(4)]);
  catalog.set(entry(3));
  const before = read();
  catalog.set(entry(4));
  assertEquals([await Promise.all([before, read()]), readCount()], [[3, 4], 2]);
  assertEquals(cache.peek(NAME)?.version, 4);
});

Deno.test("ReadThrough.read() returns the world that a concurrent write added to the cache", async () => {
  const { catalog, cache, read } = createReader([() => {
    catalog.set(entry(4));
    cache.set(toWorld(NAME, found(4)));
    return found(3);
  }]);
  catalog.set(entry(3));
  assertEquals(await read(), 4);
});

Deno.test("ReadThrough.read() returns a world during continuous writes", async () => {
  const { catalog, cache, read } = createReader([() => {
    const { version = 0 } = catalog.upper(NAME) ?? {};
    catalog.set(entry(version + 1));
    return found(version);
  }]);
  catalog.set(entry(3));
  assertEquals([await read(), cache.peek(NAME)], [3, undefined]);
});

Deno.test("ReadThrough.read() returns a version before its acknowledgement and does not cache it", async () => {
  const { catalog, cache, read } = createReader([() => found(4)]);
  catalog.set(entry(3));
  assertEquals([await read(), cache.peek(NAME)], [4, undefined]);
});

Deno.test("ReadThrough.read() does not cache a world that was removed and created again during the read", async () => {
  const { catalog, cache, read } = createReader([
    () => {
      catalog.remove(NAME);
      catalog.set(entry(1));
      return found(1);
    },
  ]);
  catalog.set(entry(1));
  assertEquals([await read(), cache.peek(NAME)], [1, undefined]);
});

Deno.test("ReadThrough.read() returns undefined for a world that was removed during the read", async () => {
  const { catalog, read } = createReader([() => {
    catalog.remove(NAME);
    return undefined;
  }]);
  catalog.set(entry(3));
  assertEquals(await read(), undefined);
});

Deno.test("ReadThrough.read() reads again if the world was absent during the first read", async () => {
  const { catalog, read } = createReader([
    () => {
      catalog.remove(NAME);
      catalog.set(entry(1));
      return undefined;
    },
    () => found(1),
  ]);
  catalog.set(entry(7));
  assertEquals(await read(), 1);
});

Deno.test("ReadThrough.read() returns undefined for a world that is removed and created all the time", async () => {
  let version = 3;
  const { catalog, read, readCount } = createReader([() => {
    catalog.remove(NAME);
    catalog.set(entry(version += 2));
    return undefined;
  }]);
  catalog.set(entry(version));
  assertEquals([await read(), readCount() <= 5], [undefined, true]);
});

Deno.test("ReadThrough.read() throws busy for a world that older ones replace all the time", async () => {
  const { catalog, read } = createReader([() => {
    catalog.set(entry(4));
    return found(2);
  }]);
  catalog.set(entry(3));
  await assertRejects(read(), { code: "busy" });
});

Deno.test("ReadThrough.read() removes an unindexed world without a file from the catalog", async () => {
  const { catalog, unknown, read } = createReader([() => undefined]);
  catalog.set(unindexedEntry(NAME));
  unknown.add(NAME);
  assertEquals([await read(), catalog.upper(NAME)], [undefined, undefined]);
});

Deno.test("ReadThrough.read() throws damaged if the file is missing or older than the catalog entry", async () => {
  for (const result of [() => undefined, () => found(2)]) {
    const { catalog, read, readCount } = createReader([result]);
    catalog.set(entry(3));
    await assertRejects(read(), { code: "damaged" });
    assertEquals(readCount() <= 5, true);
  }
});
