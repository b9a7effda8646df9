/**
 * A world to break, and the ways to break it: each `.sql` file here does one damage to the museum
 * piece and says in its first lines what a check must find. Damage that SQL cannot do to its own file
 * is in `file_damage.ts`.
 */

import { DatabaseSync } from "node:sqlite";
import type { WorkerSetup } from "../../lib/world/store/worker_messages.ts";
import { Writer } from "../../lib/world/worker/writer.ts";

/** The museum piece's name, folder and file, and the key that signed its chain. */
export const PIECE = "home/museum";
export const PIECE_FILE = "home%2Fmuseum/universe.db";
export const MUSEUM_KEY = "the museum's key";

/** One thing a check must find. */
export interface Finding {
  readonly check: "unreadable" | "chain" | "body" | "history";
  readonly event?: number;
  readonly reason: string;
}

/** One way to break a world. */
export interface Exhibit {
  /** `chains/payload_altered`. */
  readonly title: string;
  readonly sql: string;
  readonly findings: readonly Finding[];
}

const encoder = new TextEncoder();

/** Settings of a writer or reader on a folder. */
export function museumSetup(data: string): WorkerSetup {
  return {
    role: "writer",
    shard: 0,
    data,
    key: MUSEUM_KEY,
    sync: "normal",
    history: { versions: 100, bytes: 1024 * 1024 },
    maxWorldBytes: 1024 * 1024,
    handles: 8,
  };
}

/**
 * Makes the museum piece in a data folder: five versions and six events.
 *
 * | event | what | bytes after | kept as |
 * | --- | --- | --- | --- |
 * | 1 | put | `one` | prefix of version 2 |
 * | 2 | append | `one two` | full |
 * | 3 | put | `three` | prefix of version 4 |
 * | 4 | append | `three four` | full |
 * | 5 | remark | | |
 * | 6 | put | `five` | current, version 5 |
 */
export function makePiece(data: string): void {
  for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
  let second = 0;
  const writer = new Writer(museumSetup(data), {
    now: () => `2026-01-01T00:00:${String(second++).padStart(2, "0")}.000Z`,
  });
  const put = (id: number, text: string) => ({
    id,
    kind: "put" as const,
    name: PIECE,
    by: "T2",
    body: encoder.encode(text),
    ext: "txt",
    meta: [["x-meta-author", "museum"]] as const,
    state: "",
    facts: {},
  });
  const append = (id: number, text: string) => ({
    id,
    kind: "append" as const,
    name: PIECE,
    by: "T2",
    body: encoder.encode(text),
    ext: "txt",
    state: "",
  });
  const note = { id: 5, kind: "note" as const, name: PIECE, by: "T3", type: "remark", payload: {} };
  const jobs = [
    put(1, "one\n"),
    append(2, "two\n"),
    put(3, "three\n"),
    append(4, "four\n"),
    note,
    put(6, "five\n"),
  ];
  for (const reply of writer.apply(jobs)) {
    if ("error" in reply) throw new Error(`Cannot make the museum piece: ${reply.error.message}`);
  }
  writer.close();
}

/** Breaks the museum piece of a folder. */
export function breakPiece(data: string, exhibit: Exhibit): void {
  const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
  try {
    db.exec(exhibit.sql);
  } finally {
    db.close();
  }
}

/** All exhibits of a room: `chains`, `rows` or `history`. */
export function exhibits(room: string): Exhibit[] {
  const folder = new URL(`${room}/`, import.meta.url);
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort().map((name) => {
    const sql = Deno.readTextFileSync(new URL(name, folder));
    return { title: `${room}/${name.replace(/\.sql$/, "")}`, sql, findings: findingsOf(sql) };
  });
}

function findingsOf(sql: string): Finding[] {
  const line = /^-- (unreadable|chain|body|history)(?: at event (-?\d+))?: (.+)$/gm;
  const found = [...sql.matchAll(line)].map(([, check, event, reason]) => ({
    check: check as Finding["check"], // the expression lets nothing else through
    ...(event === undefined ? {} : { event: Number(event) }),
    reason: reason ?? "",
  }));
  if (found.length === 0) throw new Error(`An exhibit does not say what is wrong: ${sql}`);
  return found;
}
