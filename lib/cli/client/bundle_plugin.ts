/**
 * Makes the one text that is stored as the source of a plugin: the file itself if it imports nothing,
 * else one file with everything that it imports, made by `deno bundle`. The source map is kept, so that
 * errors name the files of the author; paths of this computer are removed from it, because everyone who
 * can read the plugin sees them.
 */

import { isLoopbackHost } from "../../config.ts";
import { MAX_PLUGIN_BYTES } from "../../limits.ts";
import { InstallError } from "./install_plugins.ts";
import type { PluginEntry } from "./plugin_entry.ts";

/** The source of a plugin, ready to be stored. */
export interface PluginBuild {
  readonly text: string;
  /** Extension of its world. */
  readonly ext: "ts" | "js";
  /** Absolute paths of the author's files in it, without packages. */
  readonly files: readonly string[];
}

/** A plugin that cannot be built. The message has the file and the line of the author. */
export class BuildError extends Error {
  override readonly name: string = "BuildError";
}

/** A build that was ended by a signal, such as Ctrl-C. */
export class InterruptedBuildError extends BuildError {
  override readonly name = "InterruptedBuildError";
}

/** An import or export of another module, or a dynamic import. A false match only costs a bundle. */
const IMPORTS =
  /^[ \t]*(?:import\b(?!\s+type\b)|export\b[^;=({]*\{?[^;=(]*\bfrom\s*["'])|\bimport\s*\(/m;
const MAP = /\n\/\/# sourceMappingURL=data:application\/json;[^,\n]*,([A-Za-z0-9+/=]+)\s*$/;
/** Hosts from which Deno loads modules without a question. */
const MODULE_HOSTS =
  "deno.land:443,jsr.io:443,esm.sh:443,raw.esm.sh:443,cdn.jsdelivr.net:443,raw.githubusercontent.com:443";
/** Options of a child process of Deno: no questions, no colours, no notice of a new version. */
const QUIET = { NO_COLOR: "1", DENO_NO_PROMPT: "1", DENO_NO_UPDATE_CHECK: "1" };

/**
 * Builds the source of a plugin.
 *
 * @param signal ends the build
 * @throws {BuildError} the files cannot be bundled
 * @throws {InstallError} the program `deno` is missing, or the source is too long
 */
export async function buildPlugin(
  entry: PluginEntry,
  signal?: AbortSignal,
): Promise<PluginBuild> {
  const own = await Deno.readTextFile(entry.file);
  const isSingle = !IMPORTS.test(own) && !entry.file.endsWith("x");
  const built = isSingle
    ? {
      text: own,
      ext: /\.[mc]?js$/.test(entry.file) ? "js" as const : "ts" as const,
      files: [entry.file],
    }
    : await bundle(entry, signal);
  const { length } = new TextEncoder().encode(built.text);
  if (length <= MAX_PLUGIN_BYTES) return built;
  throw new InstallError(
    2,
    `Cannot store ${entry.name}: its source has ${length} bytes with all that it imports; at most ` +
      `${MAX_PLUGIN_BYTES} are allowed`,
  );
}

async function bundle(entry: PluginEntry, signal?: AbortSignal): Promise<PluginBuild> {
  const args = ["bundle", "--quiet", "--platform", "browser", "--sourcemap", "inline", entry.file];
  const folder = folderOf(entry.file);
  const { isSuccess, stdout, stderr } = await runDeno(
    args,
    folder,
    `bundle ${entry.name}`,
    signal,
  );
  if (!isSuccess) throw new BuildError(`${entry.name}: ${cleanOutput(stderr)}`);
  const encoded = MAP.exec(stdout)?.[1];
  if (encoded === undefined) throw new BuildError("deno bundle wrote no source map");
  const map: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(encoded)));
  const { sources, ...rest } = readMap(map);
  const shown = sources.map(showSource);
  let code = stdout.replace(MAP, "\n");
  for (const [at, source] of sources.entries()) {
    code = code.replaceAll(`\n// ${source}\n`, `\n// ${shown[at]}\n`);
    if (code.startsWith(`// ${source}\n`)) code = `// ${shown[at]}${code.slice(source.length + 3)}`;
  }
  const text = JSON.stringify({ version: 3, sources: shown, ...rest });
  const data = new TextEncoder().encode(text).toBase64();
  return {
    text: `${code}//# sourceMappingURL=data:application/json;base64,${data}\n`,
    ext: "js",
    files: await existingFiles(
      [...sources, ...namedInComments(stdout)].filter((source) => !isPackage(source))
        .map((source) => resolve(folder, source)),
    ),
  };
}

/** Validates what is kept of the map. The contents of the files are not: they would double the source. */
function readMap(
  map: unknown,
): { readonly sources: readonly string[]; readonly names: unknown; readonly mappings: string } {
  if (typeof map === "object" && map !== null && "sources" in map && "mappings" in map) {
    const { sources, mappings } = map;
    const names = "names" in map ? map.names : [];
    if (Array.isArray(sources) && typeof mappings === "string") {
      return { sources: sources.map(String), names, mappings };
    }
  }
  throw new BuildError("the source map of deno bundle is not one of version 3");
}

/**
 * Returns how a file is named in the source: relative to the plugin, or by its package.
 *
 * @param source path relative to the folder of the module
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { showSource } from "./bundle_plugin.ts";
 *
 * const cached = "../../cache/npm/registry.example/hono/4.13.19/dist/hono.js";
 * strictEqual(showSource(cached), "npm:hono@4.13.19/dist/hono.js");
 * strictEqual(showSource("../node_modules/@a/b/c.js"), "npm:@a/b/c.js");
 * strictEqual(showSource("lib/greet.ts"), "lib/greet.ts");
 * strictEqual(showSource("../../../home/ada/greet.ts"), "greet.ts");
 * ```
 */
export function showSource(source: string): string {
  const [, name, version, file] =
    /\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*)\/(.*)$/.exec(source) ?? [];
  if (name !== undefined) return `npm:${name}@${version}/${file}`;
  const [, installed] = /(?:^|\/)node_modules\/(?!.*\/node_modules\/)(.*)$/.exec(source) ?? [];
  if (installed !== undefined) return `npm:${installed}`;
  // The names of folders above the plugin are the author's own affair.
  const isOutside = /^(?:\/|[A-Za-z]:|(?:\.\.\/){2})/.test(source);
  return isOutside ? source.replace(/^.*[\\/]/, "") : source;
}

/** The bundler has the name of each file above its code. The map lacks those that have a map themselves. */
function namedInComments(code: string): readonly string[] {
  return [...code.matchAll(/^\/\/ (\S+\.[mc]?[jt]sx?)$/gm)].map(([, path = ""]) => path);
}

/** A map also has names that a tool has made, and those of the maps of bundled files. */
async function existingFiles(paths: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of new Set(paths)) {
    try {
      if ((await Deno.stat(path)).isFile) files.push(path);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  return files;
}

/** Whether no file can have this path. */
function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.FilesystemLoop || error instanceof TypeError;
}

function isPackage(source: string): boolean {
  return showSource(source).startsWith("npm:") || /^(?:https?|data|jsr):/.test(source);
}

/**
 * Checks the types of a plugin.
 *
 * @param server URL of the server, from which the plugin can import its types
 * @param signal ends the check
 * @returns undefined if they are right, else the errors with file and line
 * @throws {InstallError} the program `deno` is missing
 */
export async function checkTypes(
  { file, name, folder }: PluginEntry,
  server: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (/\.[mc]?jsx?$/.test(file)) return undefined;
  const strict = await hasConfig(folder);
  // The parameters of `fetch` have no types in the smallest plugin, which is right as it is.
  const config = strict ? undefined : await Deno.makeTempFile({ suffix: ".json" });
  try {
    if (config !== undefined) {
      await Deno.writeTextFile(config, '{"compilerOptions":{"noImplicitAny":false}}');
    }
    const hosts = `--allow-import=${MODULE_HOSTS},${hostsOf(server)}`;
    const options = ["--quiet", "--no-lock", hosts, ...config ? ["--config", config] : []];
    const args = ["check", ...options, file];
    const { isSuccess, stderr } = await runDeno(args, folder, `check ${name}`, signal);
    return isSuccess ? undefined : cleanOutput(stderr);
  } finally {
    if (config !== undefined) await Deno.remove(config);
  }
}

/** Whether Deno finds a configuration for the modules of a folder. */
async function hasConfig(folder: string): Promise<boolean> {
  for (let at = folder;; at = folderOf(at)) {
    for (const name of ["deno.json", "deno.jsonc", "package.json"]) {
      try {
        await Deno.stat(`${at}/${name}`);
        return true;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    if (folderOf(at) === at) return false;
  }
}

async function runDeno(
  args: readonly string[],
  cwd: string,
  what: string,
  abort?: AbortSignal,
): Promise<{ readonly isSuccess: boolean; readonly stdout: string; readonly stderr: string }> {
  const own = Deno.execPath();
  // A compiled program is not Deno.
  const command = /(?:^|[\\/])deno(?:\.exe)?$/i.test(own) ? own : "deno";
  try {
    const { success, stdout, stderr, signal } = await new Deno.Command(command, {
      args: [...args],
      cwd,
      env: QUIET,
      stdin: "null",
      ...(abort === undefined ? {} : { signal: abort }),
    }).output();
    if (signal !== null) throw new InterruptedBuildError(`Cannot ${what}: ${signal} ended it`);
    const decoder = new TextDecoder();
    return { isSuccess: success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new InstallError(
      2,
      `Cannot ${what}: the program deno is not on PATH; install Deno 2.9, or write one file ` +
        "without imports and use install",
    );
  }
}

/** The errors of Deno without what concerns Deno itself. */
function cleanOutput(text: string): string {
  return text.replace(/\n\nStack backtrace:[\s\S]*$/, "").replace(
    /^error: (?:bundling failed|Type checking failed\.)$/gm,
    "",
  )
    .replaceAll("file://", "").replace(/\n{3,}/g, "\n\n").trim();
}

function resolve(folder: string, source: string): string {
  return decodeURIComponent(new URL(encodeURI(source), `file://${encodeURI(folder)}/`).pathname);
}

/** The server as hosts of Deno's permissions. A server on this computer has two common names. */
function hostsOf(server: string): string {
  const { hostname, port, protocol } = new URL(server);
  const isLocal = isLoopbackHost(hostname.replace(/^\[|\]$/g, ""));
  const hosts = new Set([hostname, ...isLocal ? ["localhost", "127.0.0.1"] : []]);
  return [...hosts].map((host) => `${host}:${port || (protocol === "https:" ? 443 : 80)}`).join();
}

function folderOf(path: string): string {
  return path.replace(/[\\/][^\\/]*$/, "") || "/";
}
