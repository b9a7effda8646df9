import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { convertV5Name } from "../../lib/archive/v5_name.ts";
import { copyV5World, isV5World } from "../../lib/archive/v5_world.ts";
import { createChainSigner, toEventRow } from "../../lib/world/event_chain.ts";
import { SELECT_STAGE } from "../../lib/world/file/sql.ts";
import { verifyWorld } from "../../lib/world/file/verify_world.ts";
import { fillOriginal, KEY, NOW, type Original } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SEAL = createChainSigner(KEY);

function copied(folder: string, world: Original, key?: string, change = "") {
  fillOriginal(folder, [world], key);
  const from = new DatabaseSync(`${folder}/${world.folder}/universe.db`);
  from.exec(change);
  const to = new DatabaseSync(":memory:");
  assert(isV5World(from));
  const name = convertV5Name(world.folder);
  const verdict = copyV5World(from, to, { name, key, signer: SEAL, now: NOW });
  const row = verdict === undefined ? undefined : to.prepare(SELECT_STAGE).get();
  const events = verdict === undefined
    ? []
    : to.prepare("SELECT * FROM events ORDER BY id").all().map((found) => toEventRow(found));
  const check = verdict === undefined ? undefined : verifyWorld(to, name.name, SEAL);
  const old = from.prepare("SELECT * FROM events ORDER BY id").all().map((found) =>
    toEventRow(found)
  );
  from.close();
  if (verdict !== undefined) assertEquals(isV5World(to), false);
  to.close();
  return { verdict, row, events, check, old };
}

Deno.test("copyV5World() keeps content, version, time and metadata, and the result verifies", () =>
  withTempFolder((folder) => {
    const body = "grüße, 帮我";
    const { verdict, row, events, check, old } = copied(folder, {
      folder: "findings%2Fx",
      body,
      ext: "md",
      headers:
        '[["x-meta-author","codex"],["x-accel-redirect","/etc/passwd"],["X-Meta-Bad","a\\nb"]]',
      writes: 3,
    }, "secret");
    assertEquals([verdict?.chain, verdict?.body], ["holds", "holds"]);
    assertEquals(check, { faults: [], isDeleted: false, isNamed: true });
    assertEquals(
      new TextDecoder().decode(row?.stage_html instanceof Uint8Array ? row.stage_html : undefined),
      body,
    );
    const { version, ext, headers, state, updated_at } = row ?? {};
    assertEquals([version, ext, headers, state, updated_at], [
      3,
      "md",
      '[["x-meta-author","codex"]]',
      "",
      "2026-04-01T12:00:00.000Z",
    ]);
    assertEquals(events.map((event) => event.event_type), [
      ...old.map(() => "event_imported"),
      "world_imported",
      "stage_written",
    ]);
    // The old chain can still be verified with the old key.
    const found = events.slice(0, 3).map((event) => JSON.parse(event.payload));
    assertEquals(
      found.map(({ id, timestamp, type, payload, hmac, prev_hmac }) =>
        toEventRow({ id, timestamp, event_type: type, payload, hmac, prev_hmac })
      ),
      old,
    );
    const imported = JSON.parse(events[3]?.payload ?? "");
    assertEquals(imported, {
      from: "elastik v5",
      name: "findings/x",
      events: 3,
      head: old[2]?.hmac,
      chain: "holds",
      body: "holds",
      by: "import",
    });
  }));

Deno.test("copyV5World() imports a plugin as pending, whatever its state was", () =>
  withTempFolder((folder) => {
    const { row, check } = copied(folder, {
      folder: "lib%2Fgpu",
      body: "import os\nROUTES = {}\n",
      state: "active",
    });
    assertEquals([row?.state, row?.ext], ["pending", "py"]);
    assertEquals(check?.faults, []);
  }));

Deno.test("copyV5World() records a broken chain and changed content, and the result verifies", () =>
  withTempFolder((folder) => {
    const changed = copied(
      folder,
      { folder: "a", body: "x" },
      "k",
      "UPDATE stage_meta SET stage_html = 'y'; UPDATE events SET payload = '{}' WHERE id = 1",
    );
    assertEquals([changed.verdict?.chain, changed.verdict?.broken_at, changed.verdict?.body], [
      "broken",
      1,
      "differs",
    ]);
    assertEquals(changed.check?.faults, []);
    assertMatch(
      changed.events.at(-2)?.payload ?? "",
      /"chain":"broken","broken_at":1,"body":"differs"/,
    );
  }));

Deno.test("copyV5World() skips a world that was never written, and keeps one without events", () =>
  withTempFolder((folder) => {
    assertEquals(
      copied(folder, { folder: "a", body: "", version: 0, writes: 0 }).verdict,
      undefined,
    );
    const silent = copied(folder, { folder: "b", body: "by hand", version: 0, writes: 0 });
    assertEquals([silent.verdict?.chain, silent.row?.version, silent.check?.faults], [
      "empty",
      1,
      [],
    ]);
  }));

Deno.test("copyV5World() accepts older columns and replaces invalid values", () =>
  withTempFolder((folder) => {
    const rows: readonly [string, string, string][] = [
      [
        "ALTER TABLE stage_meta DROP COLUMN headers; ALTER TABLE stage_meta DROP COLUMN state",
        "txt",
        "1",
      ],
      [
        "ALTER TABLE stage_meta RENAME COLUMN ext TO type; UPDATE stage_meta SET type = 'html'",
        "html",
        "2",
      ],
      [
        "UPDATE stage_meta SET ext = '../../x', headers = 'no json', updated_at = 'once'",
        "txt",
        "3",
      ],
    ];
    for (const [change, ext, name] of rows) {
      const { row, check } = copied(folder, { folder: name, body: "x" }, undefined, change);
      assertEquals([row?.ext, row?.headers, check?.faults], [ext, "[]", []], change);
      if (name === "3") assertEquals(row?.updated_at, NOW);
    }
  }));
