/** Reads worlds and names for the write path, with all that a change of them needs. */

import { headFault } from "../audit_result.ts";
import { DamagedRows } from "../damaged_rows.ts";
import { type ChainSigner, isSignedBy, toEventRow } from "../event_chain.ts";
import { needsBody } from "./draft_jobs.ts";
import { readContent } from "./content.ts";
import {
  type NameRow,
  readNumber,
  readString,
  toWorldRow,
  UNUSED_NAME,
  WORLD_COLUMNS,
  type WorldRow,
} from "./records.ts";
import type { PgRow, Session } from "./session.ts";
import type { CachedName, CachedWorld, StoreJob, Unit } from "./stage_batch.ts";

const HEAD_COLUMNS = `e.id AS head_id, e.event_type AS head_type, e.payload AS head_payload,
    e.hmac AS head_hmac, e.prev_hmac AS head_prev`;
/** The newest event of the chain, which is not the one that a damaged row names. */
const HEAD_JOIN = `LEFT JOIN LATERAL (SELECT * FROM elastik.events
    WHERE world = w.id ORDER BY id DESC LIMIT 1) e ON true`;
const SELECT_NAMES = `SELECT x.name AS of, n.version AS last_version, n.updated_at AS last_updated,
    n.trash AS last_trash, n.world AS holder, ${WORLD_COLUMNS}, ${HEAD_COLUMNS}
  FROM unnest($1::text[]) AS x(name) LEFT JOIN elastik.names n ON n.name = x.name
  LEFT JOIN elastik.worlds w ON w.id = n.world ${HEAD_JOIN}`;
const SELECT_TRASHED = `SELECT ${WORLD_COLUMNS}, ${HEAD_COLUMNS} FROM elastik.worlds w ${HEAD_JOIN}
  WHERE w.trash = $1 AND w.trashed_name = $2`;
/** Events that are checked at each end of a chain whose newest event is not valid. */
const EVENTS_PER_END = 16;
const SELECT_ENDS = `(SELECT id, timestamp, event_type, payload, hmac, prev_hmac FROM elastik.events
    WHERE world = $1 ORDER BY id LIMIT ${EVENTS_PER_END})
  UNION ALL (SELECT id, timestamp, event_type, payload, hmac, prev_hmac FROM elastik.events
    WHERE world = $1 ORDER BY id DESC LIMIT ${EVENTS_PER_END})`;

/**
 * Reads names, with their worlds as they are at one moment.
 *
 * @throws {StoreError} `damaged` with the name whose rows no change can be worked out on
 */
export async function loadNames(
  session: Session,
  names: readonly string[],
  sign: ChainSigner,
): Promise<Map<string, CachedName>> {
  const rows = await session.query(SELECT_NAMES, [names]);
  const found = new Map<string, CachedName>();
  for (const row of rows) {
    const of = readString(row, "of");
    if (row.holder !== null && row.name !== of) {
      throw damaged(of, "its world has another name, or none");
    }
    const { last, head } = readRows(row, of);
    const world = head && await toCachedWorld(session, row, head, { name: of, sign });
    found.set(of, { last, ...(world === undefined ? {} : { world }) });
  }
  return found;
}

/** Reads the columns of a name and of its world. @throws {StoreError} `damaged` */
function readRows(row: PgRow, of: string): { last: NameRow; head: WorldRow | undefined } {
  try {
    const last = row.last_version === null ? UNUSED_NAME : {
      version: readNumber(row, "last_version"),
      updatedAt: readString(row, "last_updated"),
      trash: readString(row, "last_trash"),
    };
    return { last, head: row.id === null ? undefined : toWorldRow(row) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw damaged(of, error.message);
  }
}

function damaged(name: string, fault: string): DamagedRows {
  return new DamagedRows(`use the rows of ${name}`, fault, name);
}

/** Reads the world that a restore names, in the trash. */
export async function loadTrashed(
  session: Session,
  trash: string,
  name: string,
  sign: ChainSigner,
): Promise<CachedWorld | undefined> {
  const [row] = await session.query(SELECT_TRASHED, [trash, name]);
  if (row === undefined) return undefined;
  return await toCachedWorld(session, row, toWorldRow(row), { name, sign });
}

async function toCachedWorld(
  session: Session,
  row: PgRow,
  world: WorldRow,
  { name, sign }: { readonly name: string; readonly sign: ChainSigner },
): Promise<CachedWorld> {
  const head = toEventRow({
    id: row.head_id,
    timestamp: world.eventAt,
    event_type: row.head_type,
    payload: row.head_payload,
    hmac: row.head_hmac,
    prev_hmac: row.head_prev,
  });
  // The next event would follow one that is not the newest, and break the chain for good.
  const fault = row.head_id === null
    ? undefined
    : headFault({ id: world.eventId, hmac: world.eventHmac }, head);
  if (fault !== undefined) throw damaged(name, fault);
  if ([sign, ...sign.retired ?? []].some((known) => isSignedBy(head, known))) return { row: world };
  // An altered event: the key is that of the chain if it signed another event at its ends.
  const ends = await session.query(SELECT_ENDS, [world.id]);
  return { row: world, hasOtherKey: !ends.some((end) => isSignedBy(toEventRow(end), sign)) };
}

/** Adds the long bytes that the jobs of a unit need. */
export async function loadBytes(
  session: Session,
  { jobs }: Unit,
  known: Map<string, CachedName>,
): Promise<void> {
  for (const job of jobs) {
    const name = sourceOf(job);
    const found = known.get(name);
    const world = found?.world;
    if (found === undefined || world === undefined || !lacksBytes(job, known)) continue;
    known.set(name, { ...found, world: await withBytes(session, name, world) });
  }
}

/** Returns a world in the trash with its long bytes, if the restore of it needs them. */
export async function loadTrashedBytes(
  session: Session,
  job: StoreJob,
  world: CachedWorld,
): Promise<CachedWorld> {
  const { content, len } = world.row;
  if (content === undefined || !needsBody(job, { len, hasHash: false })) return world;
  return await withBytes(session, job.name, world);
}

async function withBytes(
  session: Session,
  name: string,
  world: CachedWorld,
): Promise<CachedWorld> {
  const { content, len } = world.row;
  if (content === undefined) return world;
  return { ...world, loaded: await readContent(session, content, len, name) };
}

/** The name of the world whose bytes a job can need. */
function sourceOf(job: StoreJob): string {
  return job.kind === "rename" ? job.from : job.name;
}

/** Whether a job needs long bytes of a world that are not in memory. */
export function lacksBytes(job: StoreJob, known: ReadonlyMap<string, CachedName>): boolean {
  const world = known.get(sourceOf(job))?.world;
  if (world?.row.content === undefined || world.loaded !== undefined) return false;
  const isReplacing = job.kind === "rename" && known.get(job.name)?.world !== undefined;
  return needsBody(job, { len: world.row.len, hasHash: world.hash !== undefined }, isReplacing);
}
