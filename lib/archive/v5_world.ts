/**
 * A world of the original elastik (v5 and before) as one of ours. Its bytes, metadata and version stay;
 * every event of its chain becomes an event of the new one, as it was found, so that whoever has the old
 * key can still check it; then `world_imported` says what became of that check, and `stage_written` binds
 * the bytes under the new key. Nothing of it runs: a plugin's source comes in as `pending`.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { sha256Hex } from "../base/hash.ts";
import { eventRow, GENESIS, type Seal } from "../world/event_chain.ts";
import { isExt } from "../world/media_type.ts";
import { stringifyMeta, validMeta } from "../world/metadata.ts";
import { namespaceOf } from "../world/name.ts";
import * as sql from "../world/file/sql.ts";
import { asBytes, type StageRow, writtenPayload } from "../world/file/world_file.ts";
import { OriginalChain, type OriginalVerdict } from "./v5_chain.ts";
import type { OriginalName } from "./v5_name.ts";

/** Columns differ between its versions, so all are asked for, and what is there is taken. */
const STAGE = "SELECT * FROM stage_meta WHERE id = 1";
const EVENTS = "SELECT * FROM events ORDER BY id";
/** Who makes these events, as they record it. */
export const IMPORTER = "import";

/** How one is brought in. */
export interface OriginalOptions {
  readonly name: OriginalName;
  /** Signed its chain, if that is known. */
  readonly key: string | undefined;
  /** Signs the new one. */
  readonly seal: Seal;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly now: string;
}

/** Whether a database holds a world of the original: its chain does not begin as ours do. */
export function isOriginal(db: DatabaseSync): boolean {
  const first = db.prepare("SELECT prev_hmac FROM events ORDER BY id LIMIT 1").get();
  return first === undefined || first.prev_hmac !== GENESIS;
}

/**
 * Writes the world into an empty database.
 *
 * @returns the verdict on its own chain; `undefined` when nobody ever wrote to it, and nothing was made
 */
export function copyOriginal(
  from: DatabaseSync,
  to: DatabaseSync,
  { name, key, seal, now }: OriginalOptions,
): OriginalVerdict | undefined {
  const found = from.prepare(STAGE).get() ?? {};
  const body = asBytes(found.stage_html);
  const chain = new OriginalChain(key);
  const events = new EventLog(to, seal, now);
  to.exec(sql.CREATE_WORLD);
  to.exec("BEGIN");
  for (const row of from.prepare(EVENTS).iterate()) {
    const event = eventRow(row);
    chain.step(event);
    const { id, timestamp, event_type: type, payload, hmac, prev_hmac } = event;
    events.add("event_imported", { id, timestamp, type, payload, hmac, prev_hmac, by: IMPORTER });
  }
  const sha256 = sha256Hex(body);
  const verdict = chain.verdict(sha256);
  const version = Math.max(1, wholeNumber(found.version));
  if (verdict.events === 0 && body.length === 0 && wholeNumber(found.version) === 0) {
    return undefined;
  }
  const row: StageRow = {
    version,
    updatedAt: timeOf(found.updated_at) ?? now,
    ext: extOf(found, name.name),
    headers: stringifyMeta(validMeta(parsed(found.headers))),
    state: namespaceOf(name.name) === "lib" ? "pending" : "",
    len: body.length,
  };
  const stage = [body, version, row.updatedAt, row.ext, row.headers, row.state] as const;
  to.prepare(sql.INSERT_STAGE).run(...stage);
  events.add("world_imported", {
    from: "elastik v5",
    name: name.original,
    ...verdict,
    by: IMPORTER,
  });
  events.add("stage_written", writtenPayload(row, sha256, { by: IMPORTER }));
  to.exec("COMMIT");
  return verdict;
}

/** Puts events on a new chain. */
class EventLog {
  #insert: StatementSync | undefined;
  readonly #db: DatabaseSync;
  readonly #seal: Seal;
  readonly #now: string;
  #id = 0;
  #head = GENESIS;

  constructor(db: DatabaseSync, seal: Seal, now: string) {
    this.#db = db;
    this.#seal = seal;
    this.#now = now;
  }

  add(type: string, facts: Readonly<Record<string, unknown>>): void {
    const payload = JSON.stringify(facts);
    const hmac = this.#seal(this.#head, this.#now, type, payload);
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

/** `2026-04-01 12:00:00`, which was UTC, as we write times. */
function timeOf(value: unknown): string | undefined {
  const text = String(value).replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/, "$1T$2Z");
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

/** The extension, which earlier versions called a type, and whose `plain` is our `txt`. */
function extOf(found: Readonly<Record<string, unknown>>, name: string): string {
  const told = String(found.ext ?? found.type ?? "").toLowerCase();
  if (told !== "plain" && told !== "" && isExt(told)) return told;
  return namespaceOf(name) === "lib" ? "py" : "txt";
}

function parsed(value: unknown): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return []; // a column that is no JSON holds no metadata
  }
}
