/** What must be true of the tables of the PostgreSQL store at any time. */

import { assert, assertEquals } from "./assert.ts";
import {
  CHAIN_START,
  createChainSigner,
  stepChain,
  toEventRow,
} from "../../lib/world/event_chain.ts";
import type { Session } from "../../lib/world/postgres/session.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { concatBytes } from "../../lib/base/concat_bytes.ts";
import { readBytes } from "../../lib/world/postgres/records.ts";

/** Reads the bytes of a row of `worlds` or `versions` that has some. */
export async function readBytesOf(
  session: Session,
  row: Readonly<Record<string, unknown>>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (row.content === null) return readBytes(row, "body").subarray(0, Number(row.len));
  const chunks = await session.query(
    "SELECT bytes FROM elastik.content WHERE id = $1 ORDER BY at",
    [Number(row.content)],
  );
  return concatBytes(chunks.map((chunk) => readBytes(chunk, "bytes"))).subarray(0, Number(row.len));
}

/**
 * Checks every world: its chain verifies, its row is what the chain says, its bytes have their hash, each
 * version is made once for each name, and the ledger of names agrees with the worlds.
 *
 * @returns the versions that the events of each name made, in order
 */
export async function checkChains(session: Session, key: string): Promise<Map<string, number[]>> {
  const sign = createChainSigner(key);
  const worlds = await session.query("SELECT * FROM elastik.worlds ORDER BY id");
  const made = new Map<string, number[]>();
  const claimed = new Map<string, number[]>();
  for (const world of worlds) {
    const events = await session.query(
      "SELECT *, payload::json ->> 'version_after' AS made FROM elastik.events WHERE world = $1 ORDER BY id",
      [Number(world.id)],
    );
    let state = CHAIN_START;
    for (const event of events) {
      state = stepChain(state, toEventRow(event), sign);
      if (event.made === null) continue;
      // Two events of a restore under another name are about one version.
      const versions = made.get(String(event.name)) ?? [];
      const version = Number(event.made);
      if (event.event_type !== "world_restored" || versions.at(-1) !== version) {
        made.set(String(event.name), [...versions, version]);
      }
      claimed.set(String(event.name), made.get(String(event.name)) ?? []);
    }
    const at = `world ${world.id} ${world.name ?? world.trashed_name}`;
    assertEquals(state.brokenAt, undefined, `${at}: ${state.reason}`);
    assertEquals([state.lastId, state.head], [world.event_id, world.event_hmac], at);
    assertEquals([state.version, state.bodySha256], [world.version, world.sha256], at);
    const bytes = await readBytesOf(session, world);
    assertEquals([bytes.length, sha256Hex(bytes)], [world.len, world.sha256], at);
    await checkVersions(session, world, at);
  }
  for (const [name, versions] of made) {
    const sorted = [...versions].sort((a, b) => a - b);
    assertEquals(new Set(sorted).size, sorted.length, `${name} has a version twice: ${sorted}`);
  }
  const wrong = await session.query(
    "SELECT n.name FROM elastik.names n FULL JOIN elastik.worlds w ON w.id = n.world " +
      "WHERE w.name IS DISTINCT FROM n.name AND (n.world IS NOT NULL OR w.name IS NOT NULL)",
  );
  assertEquals(wrong.map(({ name }) => name), [], "names without their worlds");
  return claimed;
}

async function checkVersions(
  session: Session,
  world: Readonly<Record<string, unknown>>,
  at: string,
): Promise<void> {
  const versions = await session.query(
    "SELECT * FROM elastik.versions WHERE world = $1 ORDER BY version DESC",
    [Number(world.id)],
  );
  let next = await readBytesOf(session, world);
  for (const version of versions) {
    assert(Number(version.version) < Number(world.version), at);
    if (version.kind === "full") {
      next = await readBytesOf(session, version);
      assertEquals(sha256Hex(next), version.sha256, `${at}, version ${version.version}`);
    }
    assert(next.length >= Number(version.len), `${at}, version ${version.version}`);
  }
}
