/**
 * Converts a world of elastik v5 and earlier. Content, metadata and version stay. Every event of
 * its chain becomes the payload of an event `event_imported`, unchanged, so that the old key can
 * still verify it. Then `world_imported` records the check of the old chain, and `stage_written`
 * signs the content with the new key. No imported code runs: the source of a plugin becomes
 * `pending`.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { sha256Hex } from "../base/hash.ts";
import { type ChainSigner, GENESIS, toEventRow } from "../world/event_chain.ts";
import { isValidExt } from "../world/media_type.ts";
import { filterMeta, stringifyMeta } from "../world/metadata.ts";
import { namespaceOf } from "../world/name.ts";
import * as sql from "../world/file/sql.ts";
import { toBytes } from "../world/file/read_stage.ts";
import { writtenPayload } from "../world/change/change_events.ts";
import type { StageRow } from "../world/change/editable_world.ts";
import { V5Chain, type V5ChainResult } from "./v5_chain.ts";
import type { V5Name } from "./v5_name.ts";

// The columns differ between v5 versions, so all are selected and the existing ones are used.
const STAGE = "SELECT * FROM stage_meta WHERE id = 1";
const EVENTS = "SELECT * FROM events ORDER BY id";
/** The `by` of the events that an import writes. */
export const IMPORT_ACTOR = "import";

/** How a world is converted. */
export interface CopyV5WorldOptions {
  readonly name: V5Name;
  /** Key that signed the old chain, if known. */
  readonly key: string | undefined;
  /** Signs the new chain. */
  readonly signer: ChainSigner;
  /** Current time, RFC 3339 in UTC with milliseconds. */
  readonly now: string;
}

/**
 * Checks whether a database contains a v5 world: its chain does not start with the genesis value.
 */
export function isV5World(db: DatabaseSync): boolean {
  const first = db.prepare("SELECT prev_hmac FROM events ORDER BY id LIMIT 1").get();
  return first === undefined || first.prev_hmac !== GENESIS;
}

/**
 * Writes the converted world into an empty database.
 *
 * @param from the v5 database
 * @param to an empty database
 * @param options name, keys and time
 * @returns the check of the old chain; undefined if the world was never written, and nothing was
 * created
 */
export function copyV5World(
  from: DatabaseSync,
  to: DatabaseSync,
  { name, key, signer, now }: CopyV5WorldOptions,
): V5ChainResult | undefined {
  const found = from.prepare(STAGE).get() ?? {};
  const body = toBytes(found.stage_html);
  const chain = new V5Chain(key);
  const events = new EventLog(to, signer, now, name.name);
  to.exec(sql.CREATE_WORLD);
  to.exec("BEGIN");
  for (const row of from.prepare(EVENTS).iterate()) {
    const event = toEventRow(row);
    chain.add(event);
    const { id, timestamp, event_type: type, payload, hmac, prev_hmac } = event;
    events.add("event_imported", {
      id,
      timestamp,
      type,
      payload,
      hmac,
      prev_hmac,
      by: IMPORT_ACTOR,
    });
  }
  const sha256 = sha256Hex(body);
  const result = chain.result(sha256);
  const version = Math.max(1, wholeNumber(found.version));
  if (result.events === 0 && body.length === 0 && wholeNumber(found.version) === 0) {
    return undefined;
  }
  const row: StageRow = {
    version,
    updatedAt: timeOf(found.updated_at) ?? now,
    ext: extOf(found, name.name),
    headers: stringifyMeta(filterMeta(parseJson(found.headers))),
    state: namespaceOf(name.name) === "lib" ? "pending" : "",
    len: body.length,
  };
  const stage = [body, version, row.updatedAt, row.ext, row.headers, row.state] as const;
  to.prepare(sql.INSERT_STAGE).run(...stage);
  events.add("world_imported", {
    from: "elastik v5",
    name: name.original,
    // As the first event of the chain it names the world as it is called now.
    ...(result.events === 0 ? { original_name: name.original } : {}),
    ...result,
    by: IMPORT_ACTOR,
  });
  events.add("stage_written", writtenPayload(row, sha256, { by: IMPORT_ACTOR }));
  to.exec("COMMIT");
  return result;
}

/** Appends events to a new chain. */
class EventLog {
  #insert: StatementSync | undefined;
  readonly #db: DatabaseSync;
  readonly #signer: ChainSigner;
  readonly #now: string;
  #id = 0;
  #head = GENESIS;

  /** @param name name of the world, which the first event records */
  constructor(db: DatabaseSync, signer: ChainSigner, now: string, readonly name: string) {
    this.#db = db;
    this.#signer = signer;
    this.#now = now;
  }

  add(type: string, fields: Readonly<Record<string, unknown>>): void {
    const payload = JSON.stringify(this.#id === 0 ? { ...fields, name: this.name } : fields);
    const hmac = this.#signer(this.#head, this.#now, type, payload);
    this.#id += 1;
    this.#insert ??= this.#db.prepare(sql.INSERT_EVENT);
    this.#insert.run(this.#id, this.#now, type, payload, hmac, this.#head);
    this.#head = hmac;
  }
}

function wholeNumber(value: unknown): number {
  const number = Number(value);
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}

/** Converts `2026-04-01 12:00:00` (UTC) to RFC 3339; undefined if it is not a time. */
function timeOf(value: unknown): string | undefined {
  const text = String(value).replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/, "$1T$2Z");
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

/** The extension, which earlier versions called type. Their `plain` is `txt` here. */
function extOf(found: Readonly<Record<string, unknown>>, name: string): string {
  const ext = String(found.ext ?? found.type ?? "").toLowerCase();
  if (ext !== "plain" && ext !== "" && isValidExt(ext)) return ext;
  return namespaceOf(name) === "lib" ? "py" : "txt";
}

function parseJson(value: unknown): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return []; // not JSON: the world has no metadata
  }
}
