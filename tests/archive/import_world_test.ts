import { assert, assertEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { type IncomingWorld, WorldImporter } from "../../lib/archive/import_world.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { MARK_DELETED } from "../../lib/world/file/sql.ts";
import { verifyWorld } from "../../lib/world/file/verify_world.ts";
import { putJob, testWriter, transitionJob } from "../testdata/test_writer.ts";
import { fillData, fillOriginal, KEY, NOW, OTHER_KEY } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";

function read(data: string, folder: string, options: { from?: string; to?: string } = {}) {
  const { from = KEY, to = KEY } = options;
  const db = new DatabaseSync(`${data}/${folder}/universe.db`);
  try {
    return new WorldImporter({
      sourceKey: from,
      targetKey: to,
      v5Key: undefined,
      keepActive: to === KEY,
      now: NOW,
    }).read(db, folder);
  } finally {
    db.close();
  }
}

function placed(found: ReturnType<typeof read>): IncomingWorld {
  if ("kind" in found) throw new Error(found.reason);
  return found;
}

function faultsOf({ name, image }: IncomingWorld, key: string): unknown {
  const plain = image.slice();
  plain[18] = plain[19] = 1;
  const db = new DatabaseSync(":memory:");
  db.deserialize(plain);
  try {
    return verifyWorld(db, name, createChainSigner(key)).faults;
  } finally {
    db.close();
  }
}

Deno.test("WorldImporter re-signs for another key, including earlier versions", () =>
  withTempFolder((data) => {
    fillData(data);
    const same = placed(read(data, "home%2Fa"));
    assertEquals([same.name, same.faults, faultsOf(same, KEY)], ["home/a", [], []]);
    const resigned = placed(read(data, "home%2Fa", { to: OTHER_KEY }));
    assertEquals([resigned.faults, faultsOf(resigned, OTHER_KEY)], [[], []]);
    assert(JSON.stringify(faultsOf(resigned, KEY)) !== "[]");
  }));

Deno.test("WorldImporter demotes a plugin of another server and records that in the chain", () =>
  withTempFolder((data) => {
    fillData(data, KEY, [putJob("lib/p", "source", { state: "pending" })]);
    const writer = testWriter(data, { key: KEY });
    writer.apply([transitionJob("lib/p", "active")]);
    writer.close();
    const same = placed(read(data, "lib%2Fp"));
    assertEquals([same.active, same.wasActive], [true, true]);
    const resigned = placed(read(data, "lib%2Fp", { to: OTHER_KEY }));
    assertEquals([resigned.active, resigned.wasActive, faultsOf(resigned, OTHER_KEY)], [
      false,
      true,
      [],
    ]);
    // With a wrong key the chain cannot be re-signed, but the plugin is demoted too.
    const foreign = placed(read(data, "lib%2Fp", { from: "wrong", to: OTHER_KEY }));
    assertEquals([foreign.active, foreign.faults[0]?.event], [false, 1]);
  }));

Deno.test("WorldImporter explains why a world is skipped", () =>
  withTempFolder((data) => {
    fillData(data);
    fillOriginal(data, [{ folder: "never", body: "", version: 0, writes: 0 }]);
    const rows: readonly [string, string][] = [["never", "empty"]];
    Deno.renameSync(`${data}/home%2Fa`, `${data}/home%2f a`);
    const marked = new DatabaseSync(`${data}/etc%2Fconf/universe.db`);
    marked.exec(MARK_DELETED);
    marked.close();
    for (
      const [folder, why] of [...rows, ["home%2f a", "name"], ["etc%2Fconf", "deleted"]] as const
    ) {
      const found = read(data, folder);
      assertEquals("kind" in found && found.kind, why, folder);
    }
  }));
