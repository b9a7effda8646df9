/**
 * What the tests of the db plugin share: a machine with tokens and the plugin, a folder of databases
 * mounted beside it, and a way to ask. Not a test itself.
 */

import { equal, ok } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { QUICK } from "../plugin/plugin_machine.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  type TestMachine,
  TOKEN,
  withMachine,
} from "../support/machine.ts";
import type { Reply } from "../support/wire.ts";

/** Counts for ever and gives no row. */
export const ENDLESS =
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/** A question; whatever is not told is T2's POST that takes JSON. */
export interface Asking {
  readonly token?: string | undefined;
  readonly accept?: string;
  readonly method?: string;
}

/** See {@link withDb}. */
export interface DbMachine {
  readonly machine: TestMachine;
  /** The folder mounted as `/mnt/data`. */
  readonly folder: string;
  /** Asks `target` below `/dev/db`, such as `?world=x` or `/home/x`. */
  ask(target: string, sql?: string, how?: Asking): Promise<Reply>;
  /** The rows of an answer that must be one. */
  rows(target: string, sql: string): Promise<Record<string, unknown>[]>;
  /** Stores a world as T3. */
  put(path: string, body: string | Uint8Array): Promise<void>;
}

/** Installs a plugin of the folder as T3. */
export async function installPlugin(machine: TestMachine, name: string): Promise<void> {
  const url = new URL(`../../plugins/${name}.ts`, import.meta.url);
  const source = await Deno.readTextFile(url);
  const stored = await machine.approve("PUT", `/lib/${name}`, source);
  ok(stored.status < 300, stored.text);
  const up = await machine.approve("PUT", `/lib/${name}/state`, "active");
  equal(up.status, 200, up.text);
}

/** Makes a SQLite file and closes it. */
export function makeDatabase(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

/**
 * Runs a test on a machine with the plugin.
 *
 * @param table lines of `/etc/fstab` after the folder's own
 */
export async function withDb(
  test: (db: DbMachine) => Promise<void>,
  table: (base: string) => string = () => "",
): Promise<void> {
  const base = await Deno.makeTempDir({ prefix: "elastik-db-" });
  const folder = `${base}/some data`;
  await Deno.mkdir(folder);
  try {
    await withMachine({ env: { ...CLOSED, ...QUICK } }, async (machine) => {
      const put = async (path: string, body: string | Uint8Array): Promise<void> => {
        const { status, text } = await machine.approve("PUT", path, body);
        ok(status < 300, text);
      };
      await put("/etc/fstab", `# mounts\n${folder} /mnt/data ro\n${table(base)}`);
      await installPlugin(machine, "db");
      const ask: DbMachine["ask"] = (target, sql, how = {}) => {
        const token = "token" in how ? how.token : TOKEN;
        return machine.send({
          method: how.method ?? (sql === undefined ? "GET" : "POST"),
          target: `/dev/db${target}`,
          headers: {
            ...(token === undefined ? {} : bearer(token)),
            ...(how.accept === undefined ? {} : { accept: how.accept }),
          },
          ...(sql === undefined ? {} : { body: sql }),
        });
      };
      const rows: DbMachine["rows"] = async (target, sql) => {
        const { status, text } = await ask(target, sql);
        equal(status, 200, text);
        return JSON.parse(text);
      };
      await test({ machine, folder, ask, rows, put });
    });
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

export { APPROVE, TOKEN };
