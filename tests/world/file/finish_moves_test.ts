import { assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { pathExists } from "../../../lib/world/file/durable_fs.ts";
import { finishDeletions, finishMoves } from "../../../lib/world/file/finish_moves.ts";
import { type MoveIntent, NameLedger, restoreKey } from "../../../lib/world/file/name_ledger.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { SAMPLE_KEY, sampleSetup } from "../../testdata/sample_world.ts";
import {
  outcomeOf,
  putJob,
  removeJob,
  removeWithoutMove,
  testWriter,
  trashIds,
} from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NOW = "2026-02-01T00:00:00.000Z";

/** The state that a crash left, and the worlds after the recovery. */
async function recover(
  move: Partial<MoveIntent>,
  crash: (data: string) => void,
  key = SAMPLE_KEY,
  look: (data: string) => void = () => {},
): Promise<{ changed: number; worlds: Record<string, string>; trash: number }> {
  return await withTempFolder(async (data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/a", "1"), putJob("home/a", "2"), putJob("home/b", "other")]);
    writer.close();
    Deno.renameSync(`${data}/home%2Fb`, `${data}/kept`);
    const ledger = new NameLedger(data);
    const intent = {
      from: "home/a",
      to: "home/b",
      carry: true,
      sourceVersion: 2,
      version: 3,
      by: "T3",
      trash: "bin",
      ...move,
    };
    ledger.beginMove(intent, NOW);
    crash(data);
    const { sync, history } = sampleSetup(data);
    const options = {
      data,
      now: NOW,
      sign: createChainSigner(key),
      sync,
      history,
      onError: (_: MoveIntent, error: unknown) => {
        throw error;
      },
    };
    const changed = finishMoves(ledger, options);
    assertEquals(ledger.moves(), []);
    // A second interruption at the same place: the recovery is idempotent.
    ledger.beginMove(intent, NOW);
    finishMoves(ledger, options);
    ledger.close();
    look(data);
    const reader = new Reader(sampleSetup(data));
    const worlds: Record<string, string> = {};
    for (const name of ["home/a", "home/b"]) {
      const found = reader.read(name);
      if (found === undefined) continue;
      const { ok } = await reader.audit(name) ?? { ok: false };
      worlds[name] = `${new TextDecoder().decode(found.body)} v${found.version} ${ok}`;
    }
    return { changed, worlds, trash: trashIds(data).length };
  });
}

const rename = (data: string) => Deno.renameSync(`${data}/home%2Fa`, `${data}/home%2Fb`);
const keep = (data: string) => Deno.renameSync(`${data}/kept`, `${data}/home%2Fb`);

Deno.test("finishMoves() undoes a rename without its event, and keeps all others", async () => {
  assertEquals(await recover({}, () => {}), {
    changed: 0,
    worlds: { "home/a": "2 v2 true" },
    trash: 0,
  });
  assertEquals(await recover({}, rename), {
    changed: 1,
    worlds: { "home/a": "2 v2 true" },
    trash: 0,
  });
  // A server with another key undoes it too: no event is signed.
  assertEquals((await recover({}, rename, "another key")).worlds, { "home/a": "2 v2 true" });
  // The new version is on disk, so the event would be too; here it is missing, and the chain names /home/a.
  const done = await recover({ version: 2, sourceVersion: 1 }, rename);
  assertEquals([done.changed, done.worlds], [0, { "home/b": "2 v2 false" }]);
});

Deno.test("finishMoves() completes a move of the bytes if the target has them", async () => {
  const before = await recover({ carry: false, version: 3 }, keep);
  assertEquals([before.changed, before.worlds], [0, {
    "home/a": "2 v2 true",
    "home/b": "other v1 true",
  }]);
  const written = await recover({ carry: false, version: 1 }, keep);
  assertEquals(written, { changed: 1, worlds: { "home/b": "other v1 true" }, trash: 1 });
  // The source is marked already: the next access moves it to the trash.
  const marked = await recover({ carry: false, version: 1 }, (data) => {
    keep(data);
    removeWithoutMove(data, "home/a");
  });
  assertEquals([marked.changed, marked.worlds], [0, { "home/b": "other v1 true" }]);
  // A later world of the source's name stays.
  const later = await recover({ carry: false, version: 1, sourceVersion: 1 }, keep);
  assertEquals(Object.keys(later.worlds), ["home/a", "home/b"]);
});

Deno.test("finishMoves() moves a restored world back to the trash without its event, and keeps it with it", async () => {
  const IN_TRASH = ".trash/bin/home%2Fa";
  const restore = {
    from: restoreKey("bin", "home/a"),
    to: "home/c",
    carry: false,
    restore: true as const,
  };
  const isTrashed = (data: string) => existsIn(data, IN_TRASH);
  const trashed = (data: string) => {
    Deno.mkdirSync(`${data}/.trash/bin`);
    Deno.renameSync(`${data}/home%2Fa`, `${data}/${IN_TRASH}`);
  };
  const taken = (data: string) => {
    trashed(data);
    Deno.renameSync(`${data}/${IN_TRASH}`, `${data}/home%2Fc`);
  };
  let places: boolean[] = [];
  const look = (data: string) => {
    places = [isTrashed(data), existsIn(data, "home%2Fc")];
  };
  // Before the folder was moved.
  assertEquals((await recover(restore, trashed, SAMPLE_KEY, look)).changed, 0);
  assertEquals(places, [true, false]);
  // After it, without the event, also if the empty folder of the trash is gone.
  assertEquals((await recover(restore, taken, SAMPLE_KEY, look)).changed, 1);
  assertEquals(places, [true, false]);
  const cleared = (data: string) => {
    taken(data);
    Deno.removeSync(`${data}/.trash/bin`);
  };
  assertEquals((await recover(restore, cleared, SAMPLE_KEY, look)).changed, 1);
  assertEquals(places, [true, false]);
  // With the event the version is higher.
  const done = { ...restore, version: 2, sourceVersion: 1 };
  assertEquals((await recover(done, taken, SAMPLE_KEY, look)).changed, 0);
  assertEquals(places, [false, true]);
  // The id has such a world again: the one in the data folder is a later world.
  const both = (data: string) => {
    taken(data);
    Deno.renameSync(`${data}/kept`, `${data}/${IN_TRASH}`);
  };
  assertEquals((await recover(restore, both, SAMPLE_KEY, look)).changed, 0);
  assertEquals(places, [true, true]);
});

Deno.test("finishDeletions() moves marked worlds to the trash under their ids, and no others", async () => {
  await withTempFolder((data) => {
    const writer = testWriter(data);
    const names = ["home/done", "home/open", "home/undone", "etc/secret"];
    writer.apply(names.map((name) => putJob(name, name)));
    const ids = names.map((name) => {
      const job = removeJob(name, { restricted: name.startsWith("etc") });
      const result = outcomeOf(writer.apply([job]), job);
      return typeof result === "string" ? result : result.trash ?? "";
    });
    writer.close();
    // The state before the folders were moved; the deletion of /home/undone was not committed.
    for (const at of [1, 2, 3]) {
      const folder = names[at]?.replace("/", "%2F") ?? "";
      Deno.renameSync(`${data}/.trash/${ids[at]}/${folder}`, `${data}/${folder}`);
      if (at === 2) continue;
      const db = new DatabaseSync(`${data}/${folder}/universe.db`);
      db.exec("PRAGMA user_version = 1");
      db.close();
    }
    const ledger = new NameLedger(data);
    const { sync, history } = sampleSetup(data);
    const options = { data, now: NOW, sign: createChainSigner(SAMPLE_KEY), sync, history };
    const fail = (_: string, error: unknown) => {
      throw error;
    };
    assertEquals(finishDeletions(ledger, options, fail), 2);
    assertEquals(finishDeletions(ledger, options, fail), 0);
    ledger.close();
    const places = names.map((name, at) => {
      const folder = name.replace("/", "%2F");
      return [existsIn(data, folder), existsIn(data, `.trash/${ids[at]}/${folder}`)];
    });
    assertEquals(places, [[false, true], [false, true], [true, false], [false, true]]);
  });
});

function existsIn(data: string, path: string): boolean {
  return pathExists(`${data}/${path}/universe.db`);
}
