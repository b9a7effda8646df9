/**
 * Archives and data folders for the tests of this folder: valid, from elastik v5, and malicious.
 */

import { createHmac } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { createTarPacker } from "../../lib/deps/modern_tar.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { appendJob, putJob, testWriter } from "../testdata/test_writer.ts";
import type { PutJob } from "../../lib/world/change/write_job.ts";
import type { Queued } from "../../lib/world/store/worker_messages.ts";

export const KEY = "ab".repeat(32);
export const OTHER_KEY = "cd".repeat(32);
export const NOW = "2026-02-03T04:05:06.789Z";

/** An entry of an archive. */
export interface Entry {
  readonly name: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly type?: "file" | "directory" | "symlink" | "link" | "fifo" | "character-device";
  readonly linkname?: string;
  /** Values of the header that differ from the content. */
  readonly size?: number;
}

/** Packs the entries as tar, gzipped by default. */
export async function tarOf(
  entries: readonly Entry[],
  gzip = true,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { readable, controller } = createTarPacker();
  const packed = gzip ? readable.pipeThrough(new CompressionStream("gzip")) : readable;
  const whole = new Response(packed).bytes();
  for (const { name, body = "", type = "file", linkname } of entries) {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const entry = controller.add({
      name,
      type,
      size: type === "file" ? bytes.length : 0,
      ...(linkname === undefined ? {} : { linkname }),
    });
    const writer = entry.getWriter();
    if (type === "file" && bytes.length > 0) await writer.write(bytes);
    await writer.close();
  }
  controller.finalize();
  return streamOf(await whole);
}

/** Bytes as a stream. */
export function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([bytes]).stream();
}

/** Formats one tar header block with any values, also invalid ones. */
export function headerBlock(name: string, size: number, flag: string): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(512);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  put(0, name);
  put(100, "0000644\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, "        ");
  put(156, flag);
  put(257, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Creates a data folder with a few worlds and a key, as a server leaves it. */
export function fillData(data: string, key = KEY, more: readonly Queued<PutJob>[] = []): void {
  Deno.mkdirSync(data, { recursive: true });
  Deno.writeTextFileSync(`${data}/.key`, `${key}\n`, { mode: 0o600 });
  Deno.writeTextFileSync(`${data}/.approve-token`, `${"e".repeat(64)}\n`, { mode: 0o600 });
  Deno.writeTextFileSync(`${data}/.collections`, "home/empty\n");
  const writer = testWriter(data, { key });
  writer.apply([
    putJob("home/a", "one", { meta: [["x-meta-author", "codex"]] }),
    appendJob("home/a", ", two"),
    putJob("home/b c%d", new Uint8Array([0, 255, 1])),
    putJob("etc/conf", "x=1"),
    ...more,
  ]);
  writer.close();
}

/** The content of a v5 world. */
export interface Original {
  readonly folder: string;
  readonly body: string | Uint8Array;
  readonly ext?: string;
  readonly headers?: string;
  readonly state?: string;
  readonly version?: number;
  /** Writes in its chain; the last one is that of `body`. */
  readonly writes?: number;
}

/** Creates v5 worlds on disk. */
export function fillOriginal(
  data: string,
  worlds: readonly Original[],
  key = "elastik-dev-key",
): void {
  for (
    const { folder, body, ext = "plain", headers = "[]", state = "", writes = 2, version } of worlds
  ) {
    Deno.mkdirSync(`${data}/${folder}`, { recursive: true });
    const db = new DatabaseSync(`${data}/${folder}/universe.db`);
    db.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE stage_meta(id INTEGER PRIMARY KEY CHECK(id=1), stage_html BLOB DEFAULT '',
        pending_js TEXT DEFAULT '', js_result TEXT DEFAULT '', version INTEGER DEFAULT 0,
        updated_at TEXT DEFAULT '', ext TEXT DEFAULT 'plain', headers TEXT DEFAULT '[]',
        state TEXT DEFAULT '');
      CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL,
        event_type TEXT NOT NULL, payload TEXT DEFAULT '{}', hmac TEXT NOT NULL,
        prev_hmac TEXT DEFAULT '');`);
    db.prepare("INSERT INTO stage_meta VALUES (1, ?, '', '', ?, '2026-04-01 12:00:00', ?, ?, ?)")
      .run(body, version ?? writes, ext, headers, state);
    let head = "";
    for (let i = 1; i <= writes; i++) {
      const bytes = i < writes ? `draft ${i}` : body;
      const payload = JSON.stringify({
        op: "put",
        version_after: i,
        body_sha256_after: sha256Hex(
          typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
        ),
      });
      const hmac = createHmac("sha256", key).update(head + payload).digest("hex");
      db.prepare(
        "INSERT INTO events (timestamp, event_type, payload, hmac, prev_hmac) VALUES (?,?,?,?,?)",
      )
        .run("2026-04-01 12:00:00", "stage_written", payload, hmac, head);
      head = hmac;
    }
    db.close();
  }
}

/**
 * Creates the worlds of {@link fillData} under {@link KEY}, replaces the key by {@link OTHER_KEY}, and
 * changes one world and creates another.
 */
export function fillRotated(data: string): void {
  fillData(data);
  rotateAndChange(data);
}

/** The second half of {@link fillRotated}. */
export function rotateAndChange(data: string): void {
  Deno.writeTextFileSync(`${data}/.key-retired`, `${KEY}\n`);
  Deno.writeTextFileSync(`${data}/.key`, `${OTHER_KEY}\n`);
  const writer = testWriter(data, { key: OTHER_KEY, retiredKeys: [KEY] });
  writer.apply([appendJob("home/a", ", after"), putJob("home/new", "new")]);
  writer.close();
}
