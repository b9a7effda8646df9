/** Databases of the PostgreSQL store for unit tests: the tables and functions, and sessions. */

import type { Session } from "../../lib/world/postgres/session.ts";
import { SCHEMA } from "../../lib/world/postgres/schema.ts";
import { parseStoreUrl, type StoreUrl } from "../../lib/world/postgres/store_url.ts";
import { openPatiently } from "./database_session.ts";
import type { PostgresServers } from "./postgres_servers.ts";

const PREPARED = `${SCHEMA.join(";\n")};
  INSERT INTO elastik.machine (schema_version, key_check, epoch, created_at)
  VALUES (1, 'k', 'e', '2026-01-01T00:00:00.000Z');
  INSERT INTO elastik.runs VALUES (1, 'abcdef01');`;

/** The template of each server. */
const templates = new WeakMap<PostgresServers, Promise<string>>();

/** A database with the schema. `await using` ends its sessions and removes it. */
export class PostgresDatabase {
  readonly #servers: PostgresServers;
  readonly #sessions: Session[] = [];

  private constructor(servers: PostgresServers, readonly name: string, readonly url: StoreUrl) {
    this.#servers = servers;
  }

  /** Creates a database with the tables and functions. */
  static async create(servers: PostgresServers): Promise<PostgresDatabase> {
    const template = templates.get(servers) ?? servers.prepareTemplate(PREPARED);
    templates.set(servers, template);
    const name = await servers.createDatabase(await template);
    return new PostgresDatabase(servers, name, parseStoreUrl(servers.url(name)));
  }

  /** Opens a session, which ends with the database. */
  async open(): Promise<Session> {
    const [host] = this.url.hosts;
    if (host === undefined) throw new Error("no host");
    const session = await openPatiently({ host, store: this.url });
    this.#sessions.push(session);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.drop();
    await this.#servers.dropDatabase(this.name);
  }
}
