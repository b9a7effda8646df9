import { assertEquals } from "../../support/assert.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { finishMoves } from "../../../lib/world/file/finish_moves.ts";
import { type MoveIntent, NameLedger } from "../../../lib/world/file/name_ledger.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { SAMPLE_KEY, sampleSetup } from "../../testdata/sample_world.ts";
import { putJob, removeWithoutMove, testWriter, trashIds } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NOW = "2026-02-01T00:00:00.000Z";

/** The state that a crash left, and the worlds after the recovery. */
async function recover(
  move: Partial<MoveIntent>,
  crash: (data: string) => void,
  key = SAMPLE_KEY,
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
