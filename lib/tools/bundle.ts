/**
 * Builds `dist/elastik.js`, the machine as one file: the store's Worker goes in as text and starts
 * from a `data:` URL, the birth worlds are text already. Nothing in it points back at the checkout or
 * names a folder of the machine it was built on, so the same sources make the same bytes.
 */

import { fileURLToPath } from "node:url";
import { terminalProgress } from "../cli/progress_bar.ts";
import { VERSION } from "../version.ts";

/** Where the file goes unless the command line says otherwise. */
const OUTPUT = "dist/elastik.js";
/** What lets the file be run by its name. */
const SHEBANG = "#!/usr/bin/env -S deno run -A --unstable-worker-options";
/** The store's Worker, the whole, and what is written round them. */
const STEPS = 3;
const ROOT = new URL("../../", import.meta.url);
/** The bundler's comment above each module: its path as seen from the working folder. */
const PATH_COMMENT = /^\/\/ (\S+)\n/gm;
/** The bundler's key of a CommonJS module, which is such a path, too. */
const PATH_KEY = /^(\s*")\S*\/npm\/[^/\s]+\/(\S+"\()/gm;
/** Such a path into the package cache: package folder, name, version. */
const PACKAGE = /^(.*\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*))\//;
/** In a bundle every module would take itself for the program; only the entry is. */
const MAIN_BLOCK = /^(\s*if )\(import\.meta\.main\)/gm;

/**
 * The module the bundle begins with: `main.ts`, but with the Worker inside. A program that was compiled
 * round it starts itself again as it is, without a main module.
 */
export function entryModule(cli: string, worker: string): string {
  return [
    `import { runCommandLine } from ${JSON.stringify(cli)};`,
    `import worker from ${JSON.stringify(worker)} with { type: "text" };`,
    "const code = await runCommandLine(Deno.args, {",
    "  ...(Deno.build.standalone ? {} : { main: import.meta.url }),",
    "  single: true,",
    "  get storeWorkerUrl() {",
    '    return "data:text/javascript;base64," + new TextEncoder().encode(worker).toBase64();',
    "  },",
    "});",
    "if (code !== undefined) Deno.exit(code);",
    "",
  ].join("\n");
}

/**
 * Builds the file.
 *
 * @param output path of the file; its folder is made
 * @param onProgress told how many of its steps are done
 * @returns its length in bytes
 * @throws {Error} when the bundler fails, having said why
 */
export async function bundle(
  output: string,
  onProgress?: (done: number, total: number) => void,
): Promise<number> {
  const parts = await Deno.makeTempDir({ prefix: "elastik-bundle-" });
  try {
    onProgress?.(0, STEPS);
    const worker = `${parts}/store_worker.js`;
    await runBundler(new URL("lib/world/worker/worker_main.ts", ROOT).href, worker);
    const workerCode = await Deno.readTextFile(worker);
    await Deno.writeTextFile(worker, withoutPaths(workerCode));
    const entry = `${parts}/entry.ts`;
    await Deno.writeTextFile(entry, entryModule(new URL("lib/cli/main.ts", ROOT).href, worker));
    onProgress?.(1, STEPS);
    await runBundler(entry, `${parts}/elastik.js`);
    onProgress?.(2, STEPS);
    const code = await Deno.readTextFile(`${parts}/elastik.js`);
    const text = [
      SHEBANG,
      `// elastik ${VERSION}, MIT License`,
      withoutPaths(code).replace(MAIN_BLOCK, "$1(false)"),
      await notices(`${workerCode}\n${code}`),
    ].join("\n");
    const folder = output.slice(0, Math.max(0, output.lastIndexOf("/")));
    if (folder !== "") await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(output, text, { mode: 0o755 });
    return new TextEncoder().encode(text).length;
  } finally {
    await Deno.remove(parts, { recursive: true });
  }
}

function withoutPaths(code: string): string {
  return code.replace(PATH_COMMENT, "").replace(PATH_KEY, "$1npm/$2");
}

async function runBundler(entry: string, output: string): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--output", output, entry],
    cwd: fileURLToPath(ROOT),
  }).spawn().status;
  if (!success) throw new Error(`Cannot build ${output}: the bundler refused ${entry}`);
}

/** The licences of the packages that went in, as they ask to be passed on. */
async function notices(code: string): Promise<string> {
  const packages = new Map<string, string>();
  for (const [, path = ""] of code.matchAll(PATH_COMMENT)) {
    const [, folder, name, version] = PACKAGE.exec(path) ?? [];
    if (folder !== undefined) packages.set(`${name} ${version}`, folder);
  }
  const texts: string[] = [];
  for (const [name, folder] of [...packages].sort()) {
    const licence = await licenceOf(fileURLToPath(new URL(folder, ROOT)));
    texts.push(`/*! ${name}\n\n${licence.trim().replaceAll("*/", "* /")}\n*/\n`);
  }
  return texts.join("\n");
}

/** A package's licence, or, where it brings no text, what it says of it. */
async function licenceOf(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) {
    if (/^licen[cs]e/i.test(name)) return await Deno.readTextFile(`${folder}/${name}`);
  }
  const { license, author } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  return `${license}${author === undefined ? "" : `, ${author.name ?? author}`}`;
}

if (import.meta.main) {
  const output = Deno.args[0] ?? OUTPUT;
  const progress = terminalProgress("bundle", "steps");
  const length = await bundle(output, (done, total) => progress?.update(done, total));
  progress?.end();
  console.log(`${output}: ${Math.round(length / 1024)} KiB`);
}
