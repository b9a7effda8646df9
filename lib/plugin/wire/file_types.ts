/**
 * Types of `env.files`, for its implementation and for plugins that import them. This module must
 * contain types only, because a plugin cannot import anything at run time.
 */

/** One entry of a listing, or the result of `stat`. */
export interface FileInfo {
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
  /** Size in bytes. */
  readonly size: number;
  /** Time of the last write in Unix milliseconds; null if the system does not report it. */
  readonly modified: number | null;
  /**
   * Time of the last change of content, name or permissions in Unix milliseconds; null if the
   * system does not report it. Many file systems have a resolution of one second.
   */
  readonly changed: number | null;
  /**
   * Device and inode, unique among the files that exist now; null if the system does not report it.
   */
  readonly id: string | null;
}

/** A part of a file, in bytes. Without `length` it extends to the end. */
export interface FileRange {
  readonly offset?: number;
  readonly length?: number;
}

/** Options of `respond`. */
export interface FileResponseOptions extends FileRange {
  readonly status?: number;
  readonly headers?: HeadersInit;
  /**
   * Result of `stat` from which the headers were made. A file that has changed since is not sent.
   */
  readonly seen?: FileInfo;
}

/** Options of `replace`. */
export interface ReplaceOptions {
  /** Called when all bytes are on disk, before the rename. If it throws, nothing is replaced. */
  readonly ready?: () => void | Promise<void>;
}

/**
 * `env.files`: access to the folders that the plugin was granted. Paths are absolute. Every method
 * rejects with a TypeError for a path outside these folders, and for a write in a read-only folder.
 */
export interface Files {
  /** Reads a file, or a range of it, into memory. */
  read(path: string, range?: FileRange): Promise<Uint8Array>;
  /** Reads a file as UTF-8 text. */
  text(path: string): Promise<string>;
  /** Reads a file, or a range of it, as a stream. */
  stream(path: string, range?: FileRange): Promise<ReadableStream<Uint8Array>>;
  /** Overwrites a file, or creates it. A reader may see a part of the new bytes. */
  write(path: string, data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<void>;
  /** Appends to a file, or creates it. */
  append(path: string, data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<void>;
  /**
   * Replaces a file atomically and durably. A reader sees the old bytes or the new bytes, never a
   * part. If it fails, the old file is unchanged. The new file keeps the permissions of the old
   * one.
   */
  replace(
    path: string,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    options?: ReplaceOptions,
  ): Promise<void>;
  /**
   * Makes a response whose body the server reads from the file; the bytes do not pass the plugin.
   */
  respond(path: string, options?: FileResponseOptions): Response;
  /**
   * Lists a folder, in the order of the file system.
   *
   * @param options `most`: largest number of entries; all if absent
   */
  list(path: string, options?: { readonly most?: number }): Promise<FileInfo[]>;
  /** Reads size, kind and times of a file or folder. Symlinks are followed. */
  stat(path: string): Promise<FileInfo>;
  /** Creates a folder; its parent must exist. */
  mkdir(path: string): Promise<void>;
  /** Removes a file or an empty folder. */
  remove(path: string): Promise<void>;
}

/** A file that the server sends as the body of a plugin's response; see `FileBody`. */
export interface FileReference {
  /** Path as the plugin names it. */
  readonly path: string;
  /** First byte, from 0. */
  readonly offset: number;
  /** Number of bytes; -1 means to the end of the file. */
  readonly length: number;
  /**
   * `fileFingerprint` of the file that the plugin described in the headers; `""` if it did not
   * check.
   */
  readonly fingerprint: string;
}
