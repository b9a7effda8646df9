/**
 * A sample world and ways to damage it: each `.sql` file in a folder here damages the sample once
 * and lists in its first lines the faults that a check must find. Damage that SQL cannot do is in
 * `file_damage.ts`.
 */

import { DatabaseSync } from "node:sqlite";
import type { WorkerSetup } from "../../lib/world/store/worker_messages.ts";
import { Writer } from "../../lib/world/worker/writer.ts";

/** Name and file of the sample world, and the key of its chain. */
export const SAMPLE_NAME = "home/sample";
export const SAMPLE_FILE = "home%2Fsample/universe.db";
export const SAMPLE_KEY = "the key of the sample";

/** A fault that a check must find. */
export interface Finding {
  readonly check: "unreadable" | "chain" | "body" | "history";
  readonly event?: number;
  readonly reason: string;
}

/** One way to damage the sample world. */
export interface Damage {
  /** `chains/payload_altered`. */
  readonly title: string;
  readonly sql: string;
  readonly findings: readonly Finding[];
}

const encoder = new TextEncoder();

/** Returns the setup of a writer or reader for a folder. */
export function sampleSetup(data: string): WorkerSetup {
  return {
    role: "writer",
    shard: 0,
    data,
    key: SAMPLE_KEY,
    sync: "normal",
    history: { versions: 100, bytes: 1024 * 1024 },
    maxWorldBytes: 1024 * 1024,
    handles: 8,
    lockWaitMs: 5_000,
  };
}

/**
 * Creates the sample world in a data folder: five versions and six events.
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
export function createSample(data: string): void {
  for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
  let second = 0;
  const writer = new Writer(sampleSetup(data), {
    now: () => `2026-01-01T00:00:${String(second++).padStart(2, "0")}.000Z`,
    monotonic: () => 0,
  });
  const put = (id: number, text: string) => ({
    id,
    kind: "put" as const,
    name: SAMPLE_NAME,
    by: "T2",
    body: encoder.encode(text),
    ext: "txt",
    meta: [["x-meta-author", "sample"]] as const,
    state: "",
    eventFields: {},
  });
  const append = (id: number, text: string) => ({
    id,
    kind: "append" as const,
    name: SAMPLE_NAME,
    by: "T2",
    body: encoder.encode(text),
    ext: "txt",
    state: "",
  });
  const note = {
    id: 5,
    kind: "note" as const,
    name: SAMPLE_NAME,
    by: "T3",
    type: "remark",
    payload: {},
  };
  const jobs = [
    put(1, "one\n"),
    append(2, "two\n"),
    put(3, "three\n"),
    append(4, "four\n"),
    note,
    put(6, "five\n"),
  ];
  for (const reply of writer.apply(jobs)) {
    if ("error" in reply) throw new Error(`Cannot create the sample world: ${reply.error.message}`);
  }
  writer.close();
}

/** Damages the sample world of a folder. */
export function damageSample(data: string, damage: Damage): void {
  const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
  try {
    db.exec(damage.sql);
  } finally {
    db.close();
  }
}

/** Returns all damages of one kind: `chains`, `rows` or `history`. */
export function damages(kind: string): Damage[] {
  const folder = new URL(`${kind}/`, import.meta.url);
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort().map((name) => {
    const sql = Deno.readTextFileSync(new URL(name, folder));
    return { title: `${kind}/${name.replace(/\.sql$/, "")}`, sql, findings: findingsOf(sql) };
  });
}

function findingsOf(sql: string): Finding[] {
  const line = /^-- (unreadable|chain|body|history)(?: at event (-?\d+))?: (.+)$/gm;
  const found = [...sql.matchAll(line)].map(([, check, event, reason]) => ({
    check: check as Finding["check"], // the expression matches no other word
    ...(event === undefined ? {} : { event: Number(event) }),
    reason: reason ?? "",
  }));
  if (found.length === 0) throw new Error(`A damage does not list its faults: ${sql}`);
  return found;
}
