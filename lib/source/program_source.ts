/**
 * The program's own source, as files by their paths relative to the main module: a machine can show
 * what it is made of, and be made again from that. Where the files come from differs between the ways
 * to run; nothing that is not part of the program ever counts as source.
 */

/** The files of the running program. */
export interface ProgramSource {
  /** Path of the main module among the files, `main.ts`. */
  readonly main: string;
  /**
   * Paths of all files, sorted.
   *
   * @throws {SourceUnavailable}
   */
  list(): Promise<readonly string[]>;
  /**
   * The bytes of one of them, or `undefined` for whatever is not in the list.
   *
   * @throws {SourceUnavailable}
   */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** The program runs in a way in which its source cannot be had; the message says why. */
export class SourceUnavailable extends Error {
  override readonly name = "SourceUnavailable";
}

/** What keeps a program from its own files, in words. */
export function unreadable(error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new SourceUnavailable(
      "the server was started without the permission to read the folder it was started from",
    );
  }
  if (error instanceof Deno.errors.NotFound) {
    return new SourceUnavailable("the files it was started from are no longer there");
  }
  return error;
}
