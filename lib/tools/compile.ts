/**
 * Builds the server as one executable that needs no Deno: `deno compile` of the bundle, so that the
 * executable contains the same file that the tests run. Only the runtime of the target is
 * downloaded, by the compiler.
 */

import { bundle } from "./bundle.ts";

/** Default path of the executable; on Windows the compiler appends `.exe`. */
const OUTPUT = "dist/elastik";
/** Flags of the compiler: no configuration file, nothing that is not in the bundle. */
const FLAGS = [
  "--allow-all",
  "--no-check",
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--unstable-worker-options",
] as const;

/** The compiler failed; the message is its last line. */
export class CompileError extends Error {
  override readonly name = "CompileError";
}

/** What is built. */
export interface CompileOptions {
  /** Path of the bundle. */
  readonly bundle: string;
  /** Path of the executable. */
  readonly output: string;
  /** Target triple such as `aarch64-apple-darwin`; by default this computer's. */
  readonly target?: string;
}

/** Formats the arguments of the compiler. */
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
 * Builds the executable.
 *
 * @returns the files that the compiler reports as embedded, with their sizes
 * @throws {CompileError} if the compiler fails
 */
export async function compile(options: CompileOptions): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compilerArgs(options),
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  if (!success) throw new CompileError(extractError(text));
  return [...text.matchAll(/^[│ ]*[└├][─┬]* (.+)$/gm)].map(([, file = ""]) => file);
}

/** Extracts the reason from the output of the compiler. */
export function extractError(text: string): string {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const stack = lines.findIndex((line) => line.startsWith("Stack backtrace"));
  const relevant = stack < 0 ? lines : lines.slice(0, stack);
  return relevant.at(-1)?.replace(/^(?:\d+: |error: )/, "") ?? "the compiler printed no reason";
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
    if (!(error instanceof CompileError)) throw error;
    console.error(`Cannot build ${OUTPUT}: ${error.message}`);
    Deno.exit(1);
  }
}
