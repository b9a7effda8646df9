/**
 * Chooses where the source of the running program is read from: a checkout, the module cache of a run
 * from a URL, or one bundled file. It reads nothing itself.
 */

import { type ProgramSource, SourceUnavailable } from "./program_source.ts";

/** How the program runs. */
export interface ProgramForm {
  /** URL of the main module; absent where the program has none. */
  readonly main?: string;
  /** The main module is the whole program, bundled into one file. */
  readonly single?: boolean;
  /** The program was compiled into the runtime itself. */
  readonly standalone: boolean;
  /** The data folder. Its files are not part of the source, wherever the folder is. */
  readonly data: string;
}

/** Finds the source of a program that runs like this; nothing is read yet. */
export async function findProgramSource(
  { main, single = false, standalone, data }: ProgramForm,
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
