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

/** How the program runs. */
export interface Running {
  /** URL of the main module; absent where the program has none. */
  readonly main?: string;
  /** The main module is the whole program, bundled into one file. */
  readonly single?: boolean;
  /** The program was compiled into the runtime itself. */
  readonly standalone: boolean;
  /** The data folder, which is no source wherever it lies. */
  readonly data: string;
}

/** Finds the source of a program that runs like this; nothing is read yet. */
export async function programSource(
  { main, single = false, standalone, data }: Running,
): Promise<ProgramSource> {
  if (standalone || main === undefined) return new NoSource();
  if (single) {
    const { SingleFile } = await import("./single_file.ts");
    return new SingleFile(main);
  }
  if (new URL(main).protocol === "file:") {
    const { Checkout } = await import("./checkout.ts");
    return new Checkout(main, data);
  }
  const { CachedModules } = await import("./cached_modules.ts");
  return new CachedModules(main);
}

class NoSource implements ProgramSource {
  readonly main = "main.ts";

  list(): Promise<never> {
    return Promise.reject(
      new SourceUnavailable("the program is compiled into one binary, which holds no source"),
    );
  }

  read(): Promise<never> {
    return this.list();
  }
}
