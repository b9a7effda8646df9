/**
 * Reads a world as it was at a time, from its events and its kept versions. A chain up to one of its
 * events is valid in itself, so a copy that is cut there verifies. The source is never changed.
 */

import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../base/hash.ts";
import { CHAIN_START, type ChainSigner, stepChain, toEventRow } from "../world/event_chain.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import * as sql from "../world/file/sql.ts";
import { readStage, readStageBody, rowsOf, toBytes } from "../world/file/read_stage.ts";
import { toMediaType } from "../world/media_type.ts";
import { parseMeta } from "../world/metadata.ts";
import type { Meta } from "../world/store.ts";
import { toFileImage } from "./export_data.ts";

/** A world at a time. */
export interface WorldAt {
  /** Name that it had then. */
  readonly name: string;
  readonly version: number;
  readonly ext: string;
  /** `X-Meta-*` pairs, as the file has them. */
  readonly headers: string;
  /** The valid ones of these pairs. */
  readonly meta: Meta;
  readonly mediaType: string;
  readonly state: string;
  /** RFC 3339 time of its last change then. */
  readonly updatedAt: string;
  /** Id of its last event then. */
  readonly lastEvent: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Why there is no world: it did not exist then, or what it was is not kept. */
export type NoWorldAt = { readonly absent: true } | { readonly fault: string };

/** Events that are read at a time. */
const EVENTS_PER_QUERY = 500;
const ALL_VERSIONS = Number.MAX_SAFE_INTEGER;

/**
 * Reads a world as it was at a time.
 *
 * @param db the open world
 * @param name name of its folder, for a chain that does not record a name
 * @param at RFC 3339 time in UTC with milliseconds; the latest state if undefined
 * @param sign signer with the key of its chain
 * @throws what SQLite throws if it cannot read the file
 */
export function readWorldAt(
  db: DatabaseSync,
  name: string,
  at: string | undefined,
  sign: ChainSigner,
): WorldAt | NoWorldAt {
  let chain = CHAIN_START;
  let lastType = "";
  events: for (;;) {
    const rows = db.prepare(sql.EVENTS_AFTER).all(chain.lastId, EVENTS_PER_QUERY);
    for (const row of rows) {
      const event = toEventRow(row);
      if (at !== undefined && event.timestamp > at) break events;
      chain = stepChain(chain, event, sign);
      lastType = event.event_type;
    }
    if (rows.length < EVENTS_PER_QUERY) break;
  }
  if (chain.events === 0 || lastType === "world_deleted") return { absent: true };
  if (chain.brokenAt !== undefined && at !== undefined) {
    return { fault: `its chain is broken at event ${chain.brokenAt}: ${chain.reason}` };
  }
  const stage = readStage(rowsOf(db)) ?? {};
  const version = at === undefined ? Number(stage.version) : chain.version ?? Number(stage.version);
  const kept = version === Number(stage.version) ? stage : readKept(db, version);
  if (kept === undefined) {
    return { fault: `version ${version}, which it had then, is no longer kept` };
  }
  const body = toBytes(kept.stage_html);
  if (chain.bodySha256 !== undefined && sha256Hex(body) !== chain.bodySha256) {
    return { fault: `version ${version} does not have the bytes that its chain records` };
  }
  return {
    name: at === undefined ? name : chain.name ?? name,
    version,
    ext: String(kept.ext),
    headers: String(kept.headers),
    meta: parseMeta(String(kept.headers)),
    mediaType: toMediaType(String(kept.ext)),
    // A plugin that was approved later was not approved then.
    state: chain.state ??
      String(db.prepare(sql.STATE_BEFORE_NEXT).get(chain.lastId)?.state ?? kept.state),
    updatedAt: String(kept.updated_at),
    lastEvent: chain.lastId,
    body,
  };
}

/** An earlier version in the form of the current row. */
function readKept(db: DatabaseSync, version: number): Record<string, unknown> | undefined {
  if (db.prepare(sql.HAS_HISTORY).get() === undefined) return undefined;
  const row = db.prepare(sql.SELECT_VERSION).get(version);
  if (row === undefined) return undefined;
  const full = db.prepare(sql.SELECT_FULL_CONTENT).get(version)?.bytes ?? readStageBody(rowsOf(db));
  return { ...row, stage_html: toBytes(full).slice(0, Number(row.len)) };
}

/**
 * Creates the file of a world as it was at a time: with its events and versions until then.
 *
 * @param db the world that {@link readWorldAt} has read
 */
export function imageOfWorldAt(db: DatabaseSync, world: WorldAt): Uint8Array<ArrayBuffer> {
  const { body, version, updatedAt, ext, headers, state, lastEvent } = world;
  const cut = new DatabaseSync(":memory:");
  const to = new DatabaseSync(":memory:");
  try {
    copyWorld(db, cut, { versions: ALL_VERSIONS });
    cut.exec("BEGIN");
    cut.prepare(sql.CUT_EVENTS).run(lastEvent);
    cut.prepare(sql.REPLACE_STAGE).run(body, version, updatedAt, ext, headers, state);
    if (cut.prepare(sql.HAS_HISTORY).get() !== undefined) {
      cut.prepare(sql.CUT_VERSIONS).run(version);
      cut.prepare(sql.DROP_UNREFERENCED_CONTENT).all();
    }
    cut.exec("COMMIT");
    // Row by row, so that the pages of later bytes are not in the file. VACUUM attaches a database, which
    // Deno forbids without all permissions (2.9.6).
    copyWorld(cut, to, { versions: ALL_VERSIONS });
    return toFileImage(to);
  } finally {
    cut.close();
    to.close();
  }
}
