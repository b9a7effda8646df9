/**
 * Builds the machine as one program that needs no Deno: `deno compile` around the bundle, so that what
 * ships in it is the very file that the tests run. Nothing else goes in, and nothing is fetched but the
 * bare runtime of the target, which the compiler gets from where Deno is released.
 */

import { bundle } from "./bundle.ts";

/** Where the program goes unless the command line says otherwise; Windows adds `.exe`. */
const OUTPUT = "dist/elastik";
/** Flags of the compiler beside target and output: no settings file, nothing that is not in the bundle. */
const FLAGS = [
  "--allow-all",
  "--no-check",
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--unstable-worker-options",
] as const;

/** Thrown when the compiler fails; the message has its last words. */
export class CompileFailed extends Error {
  override readonly name = "CompileFailed";
}

/** What is built. */
export interface CompileOptions {
  /** Path of the bundle. */
  readonly bundle: string;
  /** Path of the program. */
  readonly output: string;
  /** Such as `aarch64-apple-darwin`; this computer's unless given. */
  readonly target?: string;
}

/** Arguments of the compiler. */
export function compilerArgs({ bundle, output, target }: CompileOptions): string[] {
  return [
    "compile",
    ...FLAGS,
    ...(target === undefined ? [] : ["--target", target]),
    "--output",
    output,
    bundle,
  ];
}

/**
 * Builds the program.
 *
 * @returns the files that the compiler says it embedded, with their sizes as it writes them
 * @throws {CompileFailed}
 */
export async function compile(options: CompileOptions): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compilerArgs(options),
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const words = decoder.decode(stdout) + decoder.decode(stderr);
  if (!success) throw new CompileFailed(causeOf(words));
  return [...words.matchAll(/^[│ ]*[└├][─┬]* (.+)$/gm)].map(([, file = ""]) => file);
}

/** What went wrong, without what leads there. */
export function causeOf(words: string): string {
  const lines = words.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const stack = lines.findIndex((line) => line.startsWith("Stack backtrace"));
  const told = stack < 0 ? lines : lines.slice(0, stack);
  return told.at(-1)?.replace(/^(?:\d+: |error: )/, "") ?? "the compiler said nothing";
}

if (import.meta.main) {
  const at = Deno.args.indexOf("--target");
  const target = at < 0 ? undefined : Deno.args[at + 1];
  await bundle("dist/elastik.js");
  try {
    const files = await compile({
      bundle: "dist/elastik.js",
      output: OUTPUT,
      ...(target === undefined ? {} : { target }),
    });
    console.log(`${OUTPUT}: ${files.join(", ")} and the runtime`);
  } catch (error) {
    if (!(error instanceof CompileFailed)) throw error;
    console.error(`Cannot make ${OUTPUT}: ${error.message}`);
    Deno.exit(1);
  }
}
