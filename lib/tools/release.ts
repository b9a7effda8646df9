/**
 * Makes what a release consists of, in `dist/`: the bundle, a program for each system, and the sums by
 * which a download can be checked. A program that cannot be made here is named with the reason, and the
 * others are made all the same.
 */

import { sha256Hex } from "../base/hash.ts";
import { VERSION } from "../version.ts";
import { bundle } from "./bundle.ts";
import { compile, CompileFailed } from "./compile.ts";

/** Systems, and what their program is called. */
export const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "linux-x64",
  "aarch64-unknown-linux-gnu": "linux-arm64",
  "x86_64-apple-darwin": "macos-x64",
  "aarch64-apple-darwin": "macos-arm64",
  "x86_64-pc-windows-msvc": "windows-x64.exe",
};
/** The file of sums, as `sha256sum --check` reads it. */
export const SUMS = "SHA256SUMS";

/** A part of a release that could not be made. */
export interface Missing {
  readonly file: string;
  readonly reason: string;
}

/** What came of it. */
export interface Released {
  /** Names of the files in the folder, the sums aside. */
  readonly files: readonly string[];
  readonly missing: readonly Missing[];
}

/**
 * Makes a release.
 *
 * @param folder where it goes; made where it is missing
 * @param targets systems to make a program for
 * @param make makes one program
 * @param say writes a line for the operator
 */
export async function release(
  folder: string,
  targets: Readonly<Record<string, string>>,
  make: typeof compile,
  say: (line: string) => void,
): Promise<Released> {
  const name = `elastik-${VERSION}`;
  const script = `${name}.js`;
  const length = await bundle(`${folder}/${script}`);
  say(`${script}: ${Math.round(length / 1024)} KiB`);
  const files = [script];
  const missing: Missing[] = [];
  for (const [target, suffix] of Object.entries(targets)) {
    const file = `${name}-${suffix}`;
    try {
      await make({ bundle: `${folder}/${script}`, output: `${folder}/${file}`, target });
      files.push(file);
      say(`${file}: ${Math.round(Deno.statSync(`${folder}/${file}`).size / 1024)} KiB`);
    } catch (error) {
      if (!(error instanceof CompileFailed)) throw error;
      missing.push({ file, reason: error.message });
      say(`${file}: cannot be made here: ${error.message}`);
    }
  }
  await Deno.writeTextFile(`${folder}/${SUMS}`, await sums(folder, files));
  say(`${SUMS}: ${files.length} of ${Object.keys(targets).length + 1} files`);
  return { files, missing };
}

async function sums(folder: string, files: readonly string[]): Promise<string> {
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
