/**
 * Builds `dist/elastik.js`, the server as one file. The store's Worker is included as text and
 * starts from a `blob:` URL; the lower-layer worlds are text already. The file refers neither to
 * the checkout nor to a folder of the build computer, so equal sources give equal bytes. The code is
 * minified: Deno reads and holds the whole text at each start, also what is not used. The names of
 * functions and classes stay, for the traces of errors.
 */

import { fileURLToPath } from "node:url";
import { createTerminalProgress } from "../cli/progress_bar.ts";
import { VERSION } from "../version.ts";

/** Default path of the file. */
const OUTPUT = "dist/elastik.js";
/** Makes the file executable by its name. */
const SHEBANG = "#!/usr/bin/env -S deno run -A --unstable-worker-options";
/** Progress steps: the store's Worker, the program, and each of them minified. */
const STEPS = 4;
const ROOT = new URL("../../", import.meta.url);
/** Comment of the bundler above each module: its path relative to the working folder. */
const PATH_COMMENT = /^\/\/ (\S+)\n/gm;
/** Key of a CommonJS module in the bundle, which is also such a path. */
const PATH_KEY = /^(\s*")\S*\/npm\/[^/\s]+\/(\S+"\()/gm;
/** A path into the package cache: package folder, name, version. */
const PACKAGE = /^(.*\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*))\//;
/**
 * In a bundle this condition would be true in every module; only the entry point is the main
 * module.
 */
const MAIN_BLOCK = /^(\s*if )\(import\.meta\.main\)/gm;

/** The function that loads built-in modules for CommonJS packages; its argument must be a file. */
const REQUIRE = /(createRequire)\(import\.meta\.url\)/g;
/** The bundle can come from an HTTP server. The place does not matter, because nothing is loaded from it. */
const REQUIRE_ANYWHERE = '$1("file:///C:/")';

/**
 * Formats the entry module of the bundle: `main.ts` with the Worker inside. A program that is
 * compiled from the bundle starts itself again without a main module, and cannot start a Worker from
 * a `blob:` URL (denoland/deno#29962). Elsewhere a `data:` URL costs each Worker copies of its text,
 * because the whole URL is the name of the module: 20 MB of memory each (Deno 2.9.6).
 *
 * @param cli URL of `lib/cli/main.ts`
 * @param worker path of the bundled Worker
 */
export function formatEntryModule(cli: string, worker: string): string {
  return [
    `import { runCommandLine } from ${JSON.stringify(cli)};`,
    `import worker from ${JSON.stringify(worker)} with { type: "text" };`,
    "const code = await runCommandLine(Deno.args, {",
    "  ...(Deno.build.standalone ? {} : { main: import.meta.url }),",
    "  single: true,",
    "  get storeWorkerUrl() {",
    "    return Deno.build.standalone",
    '      ? "data:text/javascript;base64," + new TextEncoder().encode(worker).toBase64()',
    '      : URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));',
    "  },",
    "});",
    "if (code !== undefined) Deno.exit(code);",
    "",
  ].join("\n");
}

/**
 * Builds the file.
 *
 * @param output path of the file; its folder is created
 * @param onProgress called with the number of completed steps
 * @returns its length in bytes
 * @throws {Error} if the bundler fails; it has printed the reason
 */
export async function bundle(
  output: string,
  onProgress?: (done: number, total: number) => void,
): Promise<number> {
  const parts = await Deno.makeTempDir({ prefix: "elastik-bundle-" });
  try {
    onProgress?.(0, STEPS);
    const worker = `${parts}/store_worker.js`;
    const linkedWorker = `${parts}/linked_worker.js`;
    await runBundler(new URL("lib/world/worker/worker_main.ts", ROOT).href, linkedWorker);
    onProgress?.(1, STEPS);
    const workerCode = await Deno.readTextFile(linkedWorker);
    await minify(withoutPaths(workerCode), linkedWorker, worker);
    onProgress?.(2, STEPS);
    const entry = `${parts}/entry.ts`;
    await Deno.writeTextFile(
      entry,
      formatEntryModule(new URL("lib/cli/main.ts", ROOT).href, worker),
    );
    const linked = `${parts}/linked.js`;
    await runBundler(entry, linked);
    onProgress?.(3, STEPS);
    const code = await Deno.readTextFile(linked);
    const small = `${parts}/elastik.js`;
    await minify(withoutPaths(code).replace(MAIN_BLOCK, "$1(false)"), linked, small);
    const text = [
      SHEBANG,
      `// elastik ${VERSION}, MIT License`,
      await Deno.readTextFile(small),
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
  return code.replace(PATH_COMMENT, "").replace(PATH_KEY, "$1npm/$2").replace(
    REQUIRE,
    REQUIRE_ANYWHERE,
  );
}

/** Writes the code to a path, and the minified code to another one. */
async function minify(code: string, path: string, output: string): Promise<void> {
  await Deno.writeTextFile(path, code);
  await runBundler(path, output, ["--minify", "--keep-names"]);
}

async function runBundler(
  entry: string,
  output: string,
  options: readonly string[] = [],
): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", ...options, "--output", output, entry],
    cwd: fileURLToPath(ROOT),
  }).spawn().status;
  if (!success) throw new Error(`Cannot build ${output}: the bundler failed for ${entry}`);
}

/** The licences of the bundled packages, as they require. */
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

/** The licence text of a package, or its licence name and author if it has no text. */
async function licenceOf(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) {
    if (/^licen[cs]e/i.test(name)) return await Deno.readTextFile(`${folder}/${name}`);
  }
  const { license, author } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  return `${license}${author === undefined ? "" : `, ${author.name ?? author}`}`;
}

if (import.meta.main) {
  const output = Deno.args[0] ?? OUTPUT;
  const progress = createTerminalProgress("bundle", "steps");
  const length = await bundle(output, (done, total) => progress?.update(done, total));
  progress?.end();
  console.log(`${output}: ${Math.round(length / 1024)} KiB`);
}
