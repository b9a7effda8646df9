/**
 * The command `dev`: installs a plugin from the author's files, again after each change, and prints its
 * log. A change that cannot be built, or that the server refuses, leaves the running version.
 */

import { isLoopbackHost, readEnvironment } from "../../config.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import {
  BuildError,
  buildPlugin,
  checkTypes,
  InterruptedBuildError,
  type PluginBuild,
} from "../client/bundle_plugin.ts";
import { InstallError, installPlugins } from "../client/install_plugins.ts";
import { findPluginEntry, type PluginEntry } from "../client/plugin_entry.ts";
import { followLog, readLogLines, unfoldLine } from "../client/plugin_log_client.ts";
import {
  problemText,
  readProperty,
  resolveServer,
  type ServerAccess,
  UnreachableError,
} from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { FileWatch } from "../client/watch_files.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues } from "../parse_args.ts";
import { untilInterrupted } from "./on_interrupt.ts";

/**
 * Develops a plugin until Ctrl-C.
 *
 * @param words a file or a folder
 * @returns 0 after Ctrl-C, 2 if nothing was tried, 3 if the server is unreachable at the start
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [path = ""]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  try {
    const entry = await findPluginEntry(path, getTextOption(options, "name"));
    const url = getTextOption(options, "url");
    const server = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    assertCanApprove(server, entry.name);
    const session = new DevSession(entry, server, options["no-check"] !== true);
    await untilInterrupted((signal) => session.run(signal));
    console.log(`Stopped; ${entry.name} stays as it is on ${server.client.base}`);
    return 0;
  } catch (error) {
    if (error instanceof InstallError) {
      for (const line of [error.message, ...error.excerpt]) console.error(line);
      return error.code;
    }
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    return 3;
  }
}

/**
 * Each change is approved. On this computer the operator is the author; on another server the author is
 * asked.
 */
function assertCanApprove({ client, approveToken, data }: ServerAccess, name: string): void {
  if (approveToken === undefined) {
    throw new InstallError(
      2,
      `Cannot approve ${name}: ELASTIK_APPROVE_TOKEN is not set, and the server at ${client.base} ` +
        `stores none in ${data}/; set it to the server's T3 token`,
    );
  }
  if (isLocal(client.base) || Deno.stdin.isTerminal()) return;
  throw new InstallError(
    2,
    `Cannot approve ${name} on ${client.base}: it is another computer, and there is no terminal to ` +
      "ask; use install",
  );
}

function isLocal(base: string): boolean {
  return isLoopbackHost(new URL(base).hostname.replace(/^\[|\]$/g, ""));
}

/** One run of the command. */
class DevSession {
  readonly #entry: PluginEntry;
  readonly #server: ServerAccess;
  readonly #isChecked: boolean;
  readonly #watch = new FileWatch();
  /** The text that the server has or has refused. */
  #tried: string | undefined;
  /** What was approved last, without the digest. */
  #approved = "";
  #isFollowing = false;
  /** Whether the last attempt failed, so that the running version is not that of the files. */
  #hasFailed = false;

  constructor(entry: PluginEntry, server: ServerAccess, isChecked: boolean) {
    this.#entry = entry;
    this.#server = server;
    this.#isChecked = isChecked;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#watchFiles([]);
    const last = await this.#lastLine();
    try {
      for (let isFirst = true; isFirst || await this.#watch.next(signal); isFirst = false) {
        await this.#update(isFirst, signal, last);
      }
    } finally {
      this.#watch.close();
    }
  }

  /** Builds, checks and stores the plugin, and prints what came of it. */
  async #update(isFirst: boolean, signal: AbortSignal, last: string | undefined): Promise<void> {
    const { name } = this.#entry;
    try {
      const build = await buildPlugin(this.#entry, signal);
      this.#watchFiles(build.files);
      const faults = this.#isChecked
        ? await checkTypes(this.#entry, this.#server.client.base, signal)
        : undefined;
      if (faults !== undefined) throw new BuildError(faults);
      const hasFailed = this.#hasFailed;
      this.#hasFailed = false;
      if (build.text === this.#tried) {
        if (hasFailed) console.log(`${name} builds again, as the server has it`);
        return;
      }
      await this.#install(build);
      this.#tried = build.text;
      if (!this.#isFollowing) this.#follow(signal, last);
    } catch (error) {
      // Ctrl-C ends the program that builds, too, possibly before this one receives it.
      if (signal.aborted || error instanceof InterruptedBuildError) return;
      this.#hasFailed = true;
      if (error instanceof BuildError) {
        for (const line of error.message.split("\n")) console.error(sanitizeText(line));
        console.error(`Cannot build ${name}; the server keeps what it has`);
      } else if (
        // A missing program or an invalid name does not change with the files.
        error instanceof InstallError && !(isFirst && error.code === 2) ||
        error instanceof UnreachableError && !isFirst
      ) {
        const excerpt = error instanceof InstallError ? error.excerpt : [];
        for (const line of [error.message, ...excerpt]) console.error(line);
      } else throw error;
    }
  }

  /** Watches the author's folder, and the folders of all files of the plugin, which imports can add. */
  #watchFiles(files: readonly string[]): void {
    const { folder, isFolder } = this.#entry;
    const folders = [folder, ...files.map((file) => file.replace(/[\\/][^\\/]*$/, ""))];
    this.#watch.watch({ trees: isFolder ? [folder] : [], folders });
  }

  async #install(build: PluginBuild): Promise<void> {
    const { name } = this.#entry;
    const { base } = this.#server.client;
    const lines: string[] = [];
    let routes: unknown;
    await installPlugins(this.#server, [{ name, ...build }], {
      print: (line) => void lines.push(line),
      confirm: (_name, asks) => {
        routes = readProperty(asks, "routes");
        const requested = withoutDigest(asks);
        if (requested === this.#approved) return true;
        for (const line of lines.filter((each) => /^(?:It requests| {2})/.test(each))) {
          console.log(line);
        }
        if (!isLocal(base) && !confirm(`Approve ${name} on ${base}?`)) return false;
        this.#approved = requested;
        return true;
      },
    });
    const version = /version (\d+)/.exec(lines.find((line) => line.startsWith("Stored")) ?? "")
      ?.[1];
    const urls = Array.isArray(routes) ? routes.map((route) => `${base}${route}`) : [];
    console.log(sanitizeText(`${name} version ${version} is active: ${urls.join(" ")}`));
  }

  /** Id of the newest line of an earlier version, which is not printed again. */
  async #lastLine(): Promise<string | undefined> {
    const { client, approveToken: credential } = this.#server;
    const lines = await readLogLines({ client, name: this.#entry.name, credential }, 1);
    return "refused" in lines ? undefined : lines.at(-1)?.id;
  }

  #follow(signal: AbortSignal, last: string | undefined): void {
    this.#isFollowing = true;
    const { client, approveToken: credential } = this.#server;
    const request = { client, name: this.#entry.name, credential };
    followLog(request, last, signal, (line) => console.log(unfoldLine(line))).then(
      (refused) => {
        if (refused !== undefined) console.error(problemText(refused));
      },
      (error) => console.error(error instanceof Error ? error.message : String(error)),
    );
  }
}

/** What a plugin requests, without the digest, which differs for each source. */
function withoutDigest(asks: unknown): string {
  if (typeof asks !== "object" || asks === null) return "";
  return JSON.stringify(Object.entries(asks).filter(([name]) => name !== "digest"));
}
