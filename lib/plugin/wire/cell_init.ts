/**
 * What a cell is told when it starts: the one message that goes in before any frame. It is data the
 * host made from validated parts; the cell believes it, so nothing of a plugin's own making may be in
 * it but the source text.
 */

/** A granted folder as the plugin names it, and where it really is once links are followed. */
export interface GrantedFolder {
  readonly path: string;
  readonly realPath: string;
  readonly write: boolean;
}

/** Deno permissions of a cell's process and of its Worker; what is absent is denied. */
export interface CellPermissions {
  /** `host` or `host:port`. */
  readonly net: readonly string[];
  /** Absolute folders or files. */
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** See the module. */
export interface CellInit {
  /**
   * `serve` answers requests with the plugin; `probe` answers with its manifest; the others run no
   * plugin: `strip` answers with the types of a source taken out, `query` with rows of a database.
   */
  readonly kind: "serve" | "probe" | "strip" | "query";
  readonly name: string;
  /** The plugin as JavaScript without imports: exactly the text that was checked. */
  readonly code: string;
  readonly permissions: CellPermissions;
  readonly folders: readonly GrantedFolder[];
  /** Text of the declared config worlds by path. */
  readonly config: Readonly<Record<string, string>>;
  /** The declared environment variables that are set. */
  readonly vars: Readonly<Record<string, string>>;
  readonly maxCalls: number;
  readonly maxLogLinesPerSecond: number;
}

/** The INIT frame's payload: the init, and what the process needs to make the Worker. */
export interface ProcessInit {
  readonly entry: string;
  readonly bootstrap: string;
  readonly residentMiB: number;
  readonly init: CellInit;
}

/** The init of a cell that is granted nothing. */
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
