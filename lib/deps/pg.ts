/**
 * `pg` 8.23.1, MIT licence: the client of PostgreSQL's protocol. Of two drivers it is the one that
 * reports each error at once, sends bytes as binary parameters and reconnects only when it is asked. Its
 * `Client` is imported without its pool and without its native form, which look for other packages.
 *
 * Only `lib/world/postgres/session.ts` imports this file, and only when it opens a session, so a server
 * with SQLite files never loads the package.
 */

export { default as PgDriver } from "npm:pg@8.23.1/lib/client.js";

/** Result of one statement. */
export interface PgResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** What a server reports about a statement or a session. */
export interface PgNotice {
  readonly code?: string;
  readonly message?: string;
  /** Function of the server that reports it; it is not translated. */
  readonly routine?: string;
}

/** A statement with parameters. A named one is parsed once per session. */
export interface PgQuery {
  readonly text: string;
  readonly values: readonly (string | Uint8Array | null)[];
  readonly name?: string;
}

/** What the constructor takes. All that the package would read from the environment is given. */
export interface PgOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: () => string;
  readonly ssl: false | Readonly<Record<string, unknown>>;
  readonly sslnegotiation: "postgres";
  readonly options: string;
  readonly application_name: string;
  readonly client_encoding: "UTF8";
  readonly binary: boolean;
  readonly replication: string;
  readonly connectionTimeoutMillis: number;
  readonly keepAlive: boolean;
  readonly pipeline: boolean;
  readonly types: { getTypeParser(type: number): (text: string) => unknown };
}

/** The parts of `PgDriver` that are used; the package has no types. */
export interface PgClient {
  binary: boolean;
  readonly connectionParameters: { replication?: string | undefined; options?: string | undefined };
  readonly connection: { readonly stream: { destroy(): void } };
  readonly processID: number | null;
  connect(): Promise<unknown>;
  /** More than one result if a text without parameters has several statements. */
  query(query: string | PgQuery): Promise<PgResult | readonly PgResult[]>;
  /** `I` outside of a transaction, `T` inside, `E` inside of a failed one. */
  getTransactionStatus(): string | null;
  on(event: "error", heard: (error: unknown) => void): void;
  on(event: "end", heard: () => void): void;
  on(event: "notice", heard: (notice: PgNotice) => void): void;
  on(event: "notification", heard: (message: { readonly payload?: string }) => void): void;
}
