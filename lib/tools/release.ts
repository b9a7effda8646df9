/**
 * Builds a release in `dist/`: the bundle, an executable per system, and the checksums of all
 * files. If an executable cannot be built on this computer, the reason is reported and the others
 * are built.
 */

import { sha256Hex } from "../base/hash.ts";
import { VERSION } from "../version.ts";
import { bundle } from "./bundle.ts";
import { checkProgram, compile, CompileError } from "./compile.ts";

/** Target triples, with the suffix of the executable. */
export const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "linux-x64",
  "aarch64-unknown-linux-gnu": "linux-arm64",
  "x86_64-apple-darwin": "macos-x64",
  "aarch64-apple-darwin": "macos-arm64",
  "x86_64-pc-windows-msvc": "windows-x64.exe",
};
/** File of checksums, in the format of `sha256sum --check`. */
export const SUMS_FILE = "SHA256SUMS";

/** An executable that could not be built. */
export interface MissingFile {
  readonly file: string;
  readonly reason: string;
}

/** The result of a release. */
export interface ReleaseResult {
  /** Names of the files in the folder, without the checksums. */
  readonly files: readonly string[];
  readonly missing: readonly MissingFile[];
}

/**
 * Builds a release.
 *
 * @param folder target folder; created if missing
 * @param targets target triples and suffixes
 * @param compileTarget builds one executable
 * @param print writes one line for the operator
 * @param checkTarget runs an executable for this computer
 */
export async function release(
  folder: string,
  targets: Readonly<Record<string, string>>,
  compileTarget: typeof compile,
  print: (line: string) => void,
  checkTarget: typeof checkProgram = checkProgram,
): Promise<ReleaseResult> {
  const name = `elastik-${VERSION}`;
  const script = `${name}.js`;
  const length = await bundle(`${folder}/${script}`);
  print(`${script}: ${Math.round(length / 1024)} KiB`);
  const files = [script];
  const missing: MissingFile[] = [];
  for (const [target, suffix] of Object.entries(targets)) {
    const file = `${name}-${suffix}`;
    try {
      await compileTarget({ bundle: `${folder}/${script}`, output: `${folder}/${file}`, target });
      await checkTarget(`${folder}/${file}`, target);
      files.push(file);
      print(`${file}: ${Math.round(Deno.statSync(`${folder}/${file}`).size / 1024)} KiB`);
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      missing.push({ file, reason: error.message });
      print(`${file}: cannot be built here: ${error.message}`);
    }
  }
  await Deno.writeTextFile(`${folder}/${SUMS_FILE}`, await formatChecksums(folder, files));
  print(`${SUMS_FILE}: ${files.length} of ${Object.keys(targets).length + 1} files`);
  return { files, missing };
}

async function formatChecksums(folder: string, files: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const file of files) {
    lines.push(`${sha256Hex(await Deno.readFile(`${folder}/${file}`))}  ${file}\n`);
  }
  return lines.join("");
}

if (import.meta.main) {
  const { missing } = await release(
    Deno.args[0] ?? "dist",
    TARGETS,
    compile,
    (line) => console.log(line),
  );
  if (missing.length > 0) Deno.exit(1);
}
