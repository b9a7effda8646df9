/**
 * The first message to a cell: what it runs and what it is permitted. The server builds it from
 * validated values, and the cell trusts it. It must not contain anything that the plugin produced,
 * except its source text.
 */

/** A folder that the plugin may read, and may write if `write` is true. */
export interface GrantedFolder {
  /** Absolute path as the plugin declared it. */
  readonly path: string;
  /** The same folder with all symlinks resolved. */
  readonly realPath: string;
  readonly write: boolean;
}

/**
 * Deno permissions of a cell's process and of its Worker. Everything that is not listed is denied.
 */
export interface CellPermissions {
  /** Entries of the form `host` or `host:port`. */
  readonly net: readonly string[];
  /** Absolute paths of folders or files. */
  readonly read: readonly string[];
  /** Absolute paths of folders or files; each is also readable. */
  readonly write: readonly string[];
}

/** The init of one cell. */
export interface CellInit {
  /**
   * What the cell does. `serve` runs the plugin and answers requests; `probe` loads the plugin and
   * returns its manifest and permissions. The other two run no plugin: `strip` removes the types
   * from TypeScript, `query` runs SQL on a database.
   */
  readonly kind: "serve" | "probe" | "strip" | "query";
  /** Name of the plugin, for log lines. */
  readonly name: string;
  /** The plugin as JavaScript without imports: exactly the text that was validated. */
  readonly code: string;
  readonly permissions: CellPermissions;
  readonly folders: readonly GrantedFolder[];
  /** Text of the declared config worlds by path; a world that does not exist is absent. */
  readonly config: Readonly<Record<string, string>>;
  /** Values of the declared environment variables; an unset variable is absent. */
  readonly vars: Readonly<Record<string, string>>;
  /** Path of the collection of `env.kv`, `/var/lib/x/kv/`; absent if the plugin has no `env.kv`. */
  readonly kv?: string;
  /** Largest number of open subrequests; further ones wait inside the cell. */
  readonly maxCalls: number;
  /** Console lines per second; more are dropped and counted. */
  readonly maxLogLinesPerSecond: number;
}

/** Payload of the INIT frame: the init, and what the process needs to start the Worker. */
export interface ProcessInit {
  /** URL of the Worker's main module. */
  readonly entry: string;
  /** `data:` URL of the program that the Worker imports. */
  readonly bootstrap: string;
  /** Resident memory in MiB at which the process exits. */
  readonly residentMiB: number;
  readonly init: CellInit;
}

/**
 * Creates the init of a cell without permissions, folders, config or variables.
 *
 * @param kind what the cell does
 * @param name name for log lines
 * @param code JavaScript to run; `""` if the kind runs none
 */
export function createBareInit(kind: CellInit["kind"], name: string, code: string): CellInit {
  return {
    kind,
    name,
    code,
    permissions: { net: [], read: [], write: [] },
    folders: [],
    config: {},
    vars: {},
    maxCalls: 1,
    maxLogLinesPerSecond: 0,
  };
}
