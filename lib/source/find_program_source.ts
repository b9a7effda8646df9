/**
 * Chooses how the source of the running program is read: from a checkout, from the module cache of
 * a run from a URL, or from one bundled file. It reads nothing itself.
 */

import { type ProgramSource, SourceUnavailableError } from "./program_source.ts";

/** How this program was started. */
export interface ProgramForm {
  /** URL of the main module; absent in a compiled binary. */
  readonly main?: string;
  /** The main module is the whole program in one file. */
  readonly single?: boolean;
  /** The program is a compiled binary. */
  readonly standalone: boolean;
  /** The data folder, which is excluded wherever it is. */
  readonly data: string;
}

/** Returns the source of a program that was started in this way. Nothing is read yet. */
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
      new SourceUnavailableError(
        "the program is compiled into one binary, which contains no source",
      ),
    );
  }

  read(): Promise<never> {
    return this.list();
  }
}
