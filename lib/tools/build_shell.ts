/**
 * Builds the browser shell: bundles `shell/app.js`, each module of `shell/lazy/` and the style sheets
 * into `worlds/usr/lib/shell/`, and compresses what is there into `worlds/precompressed.ts`. Run it
 * after every change below `shell/` or `worlds/usr/lib/shell/`; a test fails if it was forgotten. The
 * same sources always give the same files.
 */

import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { sha256Hex } from "../base/hash.ts";
import { isCompressible } from "../http/content_coding.ts";
import { MIN_COMPRESSED_BYTES } from "../limits.ts";
import { toMediaType } from "../world/media_type.ts";

const OUTPUT = "worlds/usr/lib/shell/";
const LAZY = "shell/lazy/";
const PRECOMPRESSED = "worlds/precompressed.ts";
/**
 * Packages that a module of `shell/lazy/` gets from a source of the shell instead, because the package
 * is larger than the shell needs: `entities` has two tables of 23 KB (Brotli).
 */
const REPLACED: Readonly<Record<string, string>> = { entities: "shell/entities.js" };
const LINE_CHARS = 400_000;

/**
 * Builds all files.
 *
 * @param root folder of the repository with a slash at the end, or "" for the working folder
 * @returns contents by path
 * @throws {Error} with the output of the bundler if a source has a fault
 */
export async function buildShell(root: string): Promise<ReadonlyMap<string, string>> {
  const lazy = listModules(`${root}${LAZY}`);
  const built = new Map<string, string>();
  const sources = ["shell/app.js", ...lazy.map((name) => LAZY + name), "shell/shell.css"];
  for (const source of sources) {
    const name = source.slice(source.lastIndexOf("/") + 1);
    built.set(OUTPUT + name, await bundle(root, source));
  }
  built.set(PRECOMPRESSED, formatPrecompressed(root, built));
  return built;
}

function readIfExists(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function listModules(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => name.endsWith(".js")).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Bundles without the replaced packages first; an import map applies to the result only. */
async function bundle(root: string, source: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-shell-" });
  const name = baseName(source);
  try {
    const external = Object.keys(REPLACED).flatMap((item) => ["--external", item]);
    await runBundler(root, [source], folder, ["--minify", ...external]);
    const text = await Deno.readTextFile(`${folder}/${name}`);
    if (!Object.keys(REPLACED).some((item) => text.includes(`from"${item}"`))) return text;
    const imports = Object.fromEntries(
      Object.entries(REPLACED).map(([item, path]) => [item, `./${baseName(path)}`]),
    );
    for (const path of Object.values(REPLACED)) {
      await Deno.copyFile(root + path, `${folder}/${baseName(path)}`);
    }
    await Deno.writeTextFile(`${folder}/map.json`, JSON.stringify({ imports }));
    const map = ["--minify", "--import-map", `${folder}/map.json`];
    await runBundler(root, [`${folder}/${name}`], `${folder}/small`, map);
    return await Deno.readTextFile(`${folder}/small/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

async function runBundler(
  root: string,
  sources: readonly string[],
  folder: string,
  options: readonly string[],
): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--no-lock", "--platform", "browser", ...options],
      ...["--outdir", folder, ...sources],
    ],
    cwd: root === "" ? "." : root,
    env: { NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stderr);
  if (!success) throw new Error(`Cannot bundle ${sources.join(", ")}: ${output.trim()}`);
}

/** Formats the module with the compressed forms of all files of the shell that become smaller. */
function formatPrecompressed(root: string, built: ReadonlyMap<string, string>): string {
  const texts = new Map(built);
  for (const { name, isFile } of Deno.readDirSync(`${root}${OUTPUT}`)) {
    const path = OUTPUT + name;
    if (isFile && !texts.has(path)) texts.set(path, Deno.readTextFileSync(root + path));
  }
  const entries = [...texts].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([path, text]) => {
    const bytes = new TextEncoder().encode(text);
    const type = toMediaType(path.slice(path.lastIndexOf(".") + 1));
    if (bytes.length < MIN_COMPRESSED_BYTES || !isCompressible(type)) return [];
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    };
    return [
      `  // ${path.slice("worlds/".length)}`,
      `  "${sha256Hex(bytes)}": {`,
      `    br: ${literal(brotliCompressSync(bytes, { params }))},`,
      `    gzip: ${literal(gzipSync(bytes, { level: 9 }))},`,
      "  },",
    ];
  });
  return [
    "/**",
    " * The files of the shell in each content coding, as Base64, by the SHA-256 of their content.",
    " * Generated by `deno task shell`.",
    " */",
    "",
    "// deno-fmt-ignore-file",
    "/** Compressed content by the SHA-256 of the content in lower-case hex. */",
    "export const precompressed: Readonly<Record<string, { readonly br: string; readonly gzip: string }>> = {",
    ...entries,
    "};",
    "",
  ].join("\n");
}

function literal(bytes: Uint8Array): string {
  const text = new Uint8Array(bytes).toBase64();
  if (text.length > LINE_CHARS) throw new Error("Cannot write a compressed file: it is too long");
  return JSON.stringify(text);
}

/** Builds everything in the working folder and returns a line about it. */
async function build(): Promise<string> {
  const built = await buildShell("");
  let changed = 0;
  for (const [path, text] of built) {
    const before = readIfExists(path);
    if (before === text) continue;
    await Deno.writeTextFile(path, text);
    changed += 1;
  }
  return `${built.size} files of the shell built, ${changed} changed`;
}

if (import.meta.main) {
  try {
    console.log(await build());
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
