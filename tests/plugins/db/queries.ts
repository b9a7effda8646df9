/** A server with the db plugin and a mounted folder, and a way to query. Not a test itself. */

import { assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { bearer, type TestServer, TOKEN } from "../../support/test_server.ts";
import { putWorld, withPluginServer } from "../../support/plugin_server.ts";
import type { Reply } from "../../support/wire.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** A statement that never ends and gives no row. */
export const ENDLESS =
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/** A request; the default is a POST of T2 that accepts JSON. */
export interface QueryOptions {
  /** Bearer token; undefined for none. */
  readonly token?: string | undefined;
  readonly accept?: string;
  readonly method?: string;
}

/** A server with the db plugin, and functions for its tests. */
export interface DbServer {
  readonly server: TestServer;
  /** The folder that is mounted as `/mnt/data`. */
  readonly folder: string;
  /** Queries `target` below `/dev/db`, such as `?world=x` or `/home/x`. */
  query(target: string, sql?: string, options?: QueryOptions): Promise<Reply>;
  /** Returns the rows of a query that must succeed. */
  rows(target: string, sql: string): Promise<Record<string, unknown>[]>;
  /** Stores a world as T3. */
  put(path: string, body: string | Uint8Array): Promise<void>;
}

/** Creates a SQLite file and closes it. */
export function makeDatabase(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

/**
 * Runs a test on a server with the plugin.
 *
 * @param table lines of `/etc/fstab` after the one of the folder
 */
export function withDb(
  test: (db: DbServer) => Promise<void>,
  table: (base: string) => string = () => "",
): Promise<void> {
  return withTempFolder(async (base) => {
    const folder = `${base}/some data`;
    await Deno.mkdir(folder);
    const worlds = { "/etc/fstab": `# mounts\n${folder} /mnt/data ro\n${table(base)}` };
    await withPluginServer({ plugins: ["db"], worlds }, async (server) => {
      const query: DbServer["query"] = (target, sql, options = {}) => {
        const token = "token" in options ? options.token : TOKEN;
        const ask = () =>
          server.send({
            method: options.method ?? (sql === undefined ? "GET" : "POST"),
            target: `/dev/db${target}`,
            headers: {
              ...(token === undefined ? {} : bearer(token)),
              ...(options.accept === undefined ? {} : { accept: options.accept }),
            },
            ...(sql === undefined ? {} : { body: sql }),
          });
        // A computer that is busy or stopped can miss the two seconds of any statement, which reads only.
        return sql === ENDLESS ? ask() : eventually(async () => {
          const reply = await ask();
          return reply.status === 408 ? undefined : reply;
        }, `${sql ?? target} ends within its two seconds`);
      };
      const rows: DbServer["rows"] = async (target, sql) => {
        const { status, text } = await query(target, sql);
        assertEquals(status, 200, text);
        return JSON.parse(text);
      };
      const put: DbServer["put"] = (path, body) => putWorld(server, path, body);
      await test({ server, folder, query, rows, put });
    });
  });
}
