/**
 * Builds the server as one executable that needs no Deno: `deno compile` of the bundle, so that the
 * executable contains the same file that the tests run. Only the runtime of the target is
 * downloaded, by the compiler. An executable for this computer is run once before it counts as built.
 */

import { sanitizeText } from "../base/sanitize_text.ts";
import { VERSION } from "../version.ts";

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

/** Longest time of a start that prints the version, in milliseconds. */
const RUN_TIMEOUT_MS = 30_000;

/** The compiler failed, or the executable does not run. The message is for the developer. */
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
 * @param env variables of the compiler in addition to those of this process
 * @returns the files that the compiler reports as embedded, with their sizes
 * @throws {CompileError} if the compiler fails
 */
export async function compile(
  options: CompileOptions,
  env: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compilerArgs(options),
    clearEnv: true,
    env: compilerEnv({ ...Deno.env.toObject(), ...env }),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  if (!success) throw new CompileError(extractError(text));
  return [...text.matchAll(/^[│ ]*[└├][─┬]* (.+)$/gm)].map(([, file = ""]) => file);
}

/**
 * The variables of the compiler. It reads an empty `DENORT_BIN` as the path of a file.
 *
 * @throws {CompileError} if `DENORT_BIN` names no file: the compiler would not say which is missing
 */
function compilerEnv(env: Readonly<Record<string, string>>): Record<string, string> {
  const { DENORT_BIN: runtime = "", ...rest } = env;
  if (runtime === "") return { ...rest, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  if (!isFile(runtime)) throw new CompileError(`DENORT_BIN is ${runtime}, which is not a file`);
  return { ...rest, DENORT_BIN: runtime, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Runs an executable with `--version`, and compares what it prints.
 *
 * @param output path of the executable
 * @param target target triple; the executable of another computer is not run
 * @throws {CompileError} if it does not run, or is another version
 */
export async function checkProgram(output: string, target = Deno.build.target): Promise<void> {
  if (target !== Deno.build.target) return;
  const path = output.includes("/") ? output : `./${output}`;
  let found: string;
  try {
    const { code, stdout, stderr } = await new Deno.Command(path, {
      args: ["--version"],
      env: { NO_COLOR: "1" },
      stdin: "null",
      signal: AbortSignal.timeout(RUN_TIMEOUT_MS),
    }).output();
    const decoder = new TextDecoder();
    const text = decoder.decode(stdout).trim();
    if (code === 0 && text === `elastik ${VERSION}`) return;
    const last = (text || decoder.decode(stderr).trim()).split("\n").at(-1) ?? "";
    found = `it exits with ${code} and prints ${sanitizeText(JSON.stringify(last.slice(0, 200)))}`;
  } catch (error) {
    found = error instanceof Error ? error.message : String(error);
  }
  throw new CompileError(`the program does not answer --version with elastik ${VERSION}: ${found}`);
}

/** Extracts the reason from the output of the compiler. */
export function extractError(text: string): string {
  if (/error sending request for url \(\S*denort/.test(text)) {
    return "the runtime that it contains (denort) is not in Deno's cache and cannot be downloaded; " +
      "connect this computer to the network, or name a downloaded denort in DENORT_BIN";
  }
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
    await checkProgram(target?.includes("windows") ? `${OUTPUT}.exe` : OUTPUT, target);
    console.log(`${OUTPUT}: ${files.join(", ")} and the runtime`);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`Cannot build ${OUTPUT}: ${error.message}`);
    Deno.exit(1);
  }
}
