/**
 * The limit of the disk for small durable writes: one row and one event per commit, `synchronous=FULL`,
 * to 50 SQLite files in turn on one thread, without any code of the server.
 */

import { DatabaseSync } from "node:sqlite";

/**
 * Commits in a loop and returns the number of commits per second.
 *
 * @param seconds duration of the loop
 * @param files number of databases
 */
export function commitsPerSecond(seconds: number, files = 50): number {
  const folder = Deno.makeTempDirSync({ dir: Deno.env.get("BENCH_DIR") ?? "/tmp" });
  try {
    const worlds = Array.from({ length: files }, (_, i) => {
      const db = new DatabaseSync(`${folder}/${i}.db`);
      db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB, version INTEGER);
         CREATE TABLE event (id INTEGER PRIMARY KEY, payload TEXT, hmac TEXT, prev TEXT);
         INSERT INTO row VALUES (1, x'', 0);`,
      );
      return {
        db,
        begin: db.prepare("BEGIN IMMEDIATE"),
        row: db.prepare("UPDATE row SET body = ?, version = version + 1 WHERE id = 1"),
        event: db.prepare("INSERT INTO event (payload, hmac, prev) VALUES (?, ?, ?)"),
        commit: db.prepare("COMMIT"),
      };
    });
    const body = new Uint8Array(200).fill(120);
    const payload = "p".repeat(250);
    const hmac = "a".repeat(64);
    let commits = 0;
    const start = performance.now();
    while (performance.now() - start < seconds * 1000) {
      const world = worlds[commits % files];
      if (world === undefined) break;
      world.begin.run();
      world.row.run(body);
      world.event.run(payload, hmac, hmac);
      world.commit.run();
      commits += 1;
    }
    const rate = commits / (performance.now() - start) * 1000;
    for (const { db } of worlds) db.close();
    return rate;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

if (import.meta.main) console.log(commitsPerSecond(Number(Deno.args[0] ?? 3)).toFixed(0));
