/**
 * The source of the running program: files with paths relative to the main module. The server shows
 * them at `/proc/source`, from which a client can copy the program. How the files are read depends
 * on how the program was started. Only files of the program are source.
 */

/** The files of the running program. */
export interface ProgramSource {
  /** Path of the main module among the files, `main.ts`. */
  readonly main: string;
  /**
   * Returns the paths of all files, sorted.
   *
   * @throws {SourceUnavailableError} if the source cannot be read
   */
  list(): Promise<readonly string[]>;
  /**
   * Reads one file.
   *
   * @param path a path from {@link list}
   * @returns its bytes; undefined if the path is not in the list
   * @throws {SourceUnavailableError} if the source cannot be read
   */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** The source of the running program cannot be read; the message is a clause with the reason. */
export class SourceUnavailableError extends Error {
  override readonly name = "SourceUnavailableError";
}

/**
 * Converts an error of reading a source file to a {@link SourceUnavailableError} if it has a known
 * reason.
 */
export function toSourceError(error: unknown): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new SourceUnavailableError(
      "the server has no permission to read the folder of the program",
    );
  }
  if (error instanceof Deno.errors.NotFound) {
    return new SourceUnavailableError("the files of the program no longer exist");
  }
  return error;
}
