/**
 * The words of `env.files`, for who makes it and for plugins that want their types. Types alone: at
 * run time there is nothing here.
 */

/** What a listing or `stat` says of one entry. */
export interface FileInfo {
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
  /** Bytes. */
  readonly size: number;
  /** Unix milliseconds, or null when the system does not say. */
  readonly modified: number | null;
  /** Unix milliseconds of the last change, also of its name or rights; most systems say seconds. */
  readonly changed: number | null;
  /** Tells this file from every other one there is now; null when the system does not say. */
  readonly id: string | null;
}

/** A part of a file. */
export interface FileRange {
  readonly offset?: number;
  readonly length?: number;
}

/** What `respond` answers with. */
export interface FileResponseOptions extends FileRange {
  readonly status?: number;
  readonly headers?: HeadersInit;
  /** What `stat` said when the headers were made: a file that is another by now is not sent. */
  readonly seen?: FileInfo;
}

/** What `replace` asks before it does it. */
export interface ReplaceOptions {
  /** Called when all bytes are on the disk; what it throws gives the change up. */
  readonly ready?: () => void | Promise<void>;
}

/** `env.files`. Paths are absolute; every verb rejects outside the granted folders. */
export interface Files {
  read(path: string, range?: FileRange): Promise<Uint8Array>;
  text(path: string): Promise<string>;
  stream(path: string, range?: FileRange): Promise<ReadableStream<Uint8Array>>;
  write(path: string, data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<void>;
  append(path: string, data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<void>;
  /**
   * Writes a file as a whole, durably: who reads it sees the old bytes or the new ones, never a part,
   * and whatever goes wrong on the way changes nothing. It keeps the rights of the file it replaces.
   */
  replace(
    path: string,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    how?: ReplaceOptions,
  ): Promise<void>;
  /** A response whose bytes the server takes from the file itself, past the plugin. */
  respond(path: string, answer?: FileResponseOptions): Response;
  /** @param options `most` entries are looked at */
  list(path: string, options?: { readonly most?: number }): Promise<FileInfo[]>;
  stat(path: string): Promise<FileInfo>;
  mkdir(path: string): Promise<void>;
  /** Removes a file or an empty folder. */
  remove(path: string): Promise<void>;
}

/** A file that the server is to send in place of the plugin; see `FileBody`. */
export interface FileReference {
  readonly path: string;
  readonly offset: number;
  /** Bytes, or -1 for all that there are. */
  readonly length: number;
  /** `factsOf` what the plugin saw, or `""`. */
  readonly fingerprint: string;
}
