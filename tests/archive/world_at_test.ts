import { assert, assertEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { imageOfWorldAt, readWorldAt } from "../../lib/archive/world_at.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { verifyWorld } from "../../lib/world/file/verify_world.ts";
import {
  appendJob,
  putJob,
  removeJob,
  testWriter,
  transitionJob,
} from "../testdata/test_writer.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { KEY } from "./fixtures.ts";

const sign = createChainSigner(KEY);

/** Applies one job after the other, and passes the open world with the time of each event. */
async function withWorld(
  jobs: Parameters<ReturnType<typeof testWriter>["apply"]>[0],
  use: (db: DatabaseSync, times: readonly string[]) => void,
  setup: Parameters<typeof testWriter>[1] = {},
): Promise<void> {
  await withTempFolder((data) => {
    const writer = testWriter(data, { key: KEY, ...setup });
    for (const job of jobs) writer.apply([job]);
    writer.close();
    const path = [...Deno.readDirSync(data)].find(({ name }) => name.startsWith("home"))?.name;
    const trash = [...Deno.readDirSync(`${data}/.trash`)].find((entry) => entry.isDirectory)?.name;
    const folder = path ?? `.trash/${trash}/home%2Fx`;
    const db = new DatabaseSync(`${data}/${folder}/universe.db`);
    try {
      const rows = db.prepare("SELECT timestamp FROM events ORDER BY id").all();
      use(db, rows.map(({ timestamp }) => String(timestamp)));
    } finally {
      db.close();
    }
  });
}

function textAt(db: DatabaseSync, at: string | undefined): string {
  const found = readWorldAt(db, "home/x", at, sign);
  if ("fault" in found) return found.fault;
  if ("absent" in found) return "absent";
  return `${found.version} ${found.ext} ${new TextDecoder().decode(found.body)}`;
}

const WRITES = [
  putJob("home/x", "one", { meta: [["x-meta-a", "1"]] }),
  appendJob("home/x", " two"),
  putJob("home/x", "three", { ext: "md", meta: [["x-meta-a", "2"]] }),
  appendJob("home/x", " four"),
];

Deno.test("readWorldAt() returns each version at the time of its event, and nothing before", () =>
  withWorld(WRITES, (db, times) => {
    assertEquals(times.length, 4);
    const texts = ["1 txt one", "2 txt one two", "3 md three", "4 md three four"];
    times.forEach((at, i) => assertEquals(textAt(db, at), texts[i], at));
    assertEquals(textAt(db, "2025-12-31T23:59:59.999Z"), "absent");
    assertEquals(textAt(db, undefined), texts[3]);
    assertEquals(textAt(db, "2099-01-01T00:00:00.000Z"), texts[3]);
    const first = readWorldAt(db, "home/x", times[0], sign);
    assert("name" in first, JSON.stringify(first));
    assertEquals([first.name, first.meta, first.mediaType], [
      "home/x",
      [["x-meta-a", "1"]],
      "text/plain; charset=utf-8",
    ]);
  }));

Deno.test("imageOfWorldAt() is a world that verifies, without any later byte", () =>
  withWorld(WRITES, (db, times) => {
    for (const [i, at] of times.entries()) {
      const world = readWorldAt(db, "home/x", at, sign);
      assert("name" in world, at);
      const image = imageOfWorldAt(db, world);
      db.exec("ROLLBACK");
      const text = new TextDecoder("latin1").decode(image);
      assertEquals(text.includes("three"), i >= 2, at);
      const copy = new DatabaseSync(":memory:");
      image[18] = image[19] = 1;
      copy.deserialize(image);
      assertEquals(verifyWorld(copy, "home/x", sign).faults, [], at);
      assertEquals(copy.prepare("SELECT count(*) AS n FROM events").get()?.n, i + 1);
      copy.close();
    }
  }));

Deno.test("readWorldAt() follows the state of a plugin", () =>
  withWorld([putJob("home/x", "a"), transitionJob("home/x", "active")], (db, times) => {
    const states = times.map((at) => {
      const world = readWorldAt(db, "home/x", at, sign);
      return "name" in world ? world.state : "";
    });
    assertEquals(states, ["", "active"]);
  }));

Deno.test("readWorldAt() has no world after its deletion", () =>
  withWorld([putJob("home/x", "a"), removeJob("home/x")], (db, times) => {
    assertEquals(times.map((at) => textAt(db, at)), ["1 txt a", "absent"]);
    assertEquals(textAt(db, undefined), "absent");
  }));

Deno.test("readWorldAt() says that a version is not kept, or that the chain is broken", async () => {
  await withWorld(WRITES, (db, times) => {
    assertEquals(textAt(db, times[0]), "version 1, which it had then, is no longer kept");
    assertEquals(textAt(db, times[3]), "4 md three four");
  }, { history: { versions: 0, bytes: 0 } });
  await withWorld(WRITES, (db, times) => {
    db.exec("UPDATE events SET payload = replace(payload, 'T2', 'T3') WHERE id = 2");
    assertEquals(textAt(db, times[0]), "1 txt one");
    assert(textAt(db, times[2]).startsWith("its chain is broken at event 2"), textAt(db, times[2]));
    assertEquals(textAt(db, undefined), "4 md three four", "the latest content is still restored");
  });
});
