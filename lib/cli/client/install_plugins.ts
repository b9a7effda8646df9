/**
 * Installs shipped plugins on a running server: checks both tokens, stores each source (T2), shows
 * what it requests, approves exactly this version (T3), and checks that its routes are up. A plugin
 * that is refused leaves what was there before. The steps and messages are those of
 * `plugins/install.sh`, for users without a checkout. It knows no plugin by name.
 */

import { sanitizeText } from "../../base/sanitize_text.ts";
import {
  checkInstallation,
  type EarlierPlugin,
  type InstallAccess,
  readEarlierPlugin,
  restoreEarlierPlugin,
  type StoredSource,
} from "./earlier_plugin.ts";
import {
  type ClientResponse,
  problemExcerpt,
  problemText,
  readProperty,
  type ServerAccess,
  type ServerClient,
  UnreachableError,
} from "./server_client.ts";

/**
 * A failed installation. `code` is the exit code; `installed` are the plugins that were installed
 * before.
 */
export class InstallError extends Error {
  override readonly name = "InstallError";
  constructor(
    readonly code: 1 | 2,
    message: string,
    readonly installed: readonly string[] = [],
    /** Lines of the source that the server refused, with a mark. */
    readonly excerpt: readonly string[] = [],
  ) {
    super(message);
  }
}

/** The plugins that this program contains. */
export interface ShippedPlugins {
  /** Sources by plugin name. */
  readonly sources: Readonly<Record<string, string>>;
  /** Names that mean several plugins. */
  readonly sets: Readonly<Record<string, readonly string[]>>;
}

/**
 * Resolves names and sets to plugin names, in order, without duplicates.
 *
 * @param named names from the command line
 * @param shipped the plugins that this program contains
 * @throws {InstallError} if a name is invalid or a plugin is not included
 */
export function resolvePluginNames(named: readonly string[], shipped: ShippedPlugins): string[] {
  const found: string[] = [];
  for (const name of named) {
    const set = Object.hasOwn(shipped.sets, name) ? shipped.sets[name] : undefined;
    if (set === undefined && !/^[A-Za-z0-9_-]+$/.test(name)) {
      throw new InstallError(
        2,
        `Cannot install ${sanitizeText(name)}: it is not a valid plugin name`,
      );
    }
    for (const plugin of set ?? [name]) if (!found.includes(plugin)) found.push(plugin);
  }
  const missing = found.filter((name) => !Object.hasOwn(shipped.sources, name));
  if (missing.length === 0) return found;
  throw new InstallError(
    2,
    `Cannot install ${found.join(" ")}: this program does not include ${missing.join(" ")}; ` +
      `it includes ${
        Object.keys(shipped.sources).join(" ")
      }; name your own plugin by its path, such ` +
      `as ./${missing[0]}, nothing was installed`,
  );
}

/** A plugin to install. */
export interface NamedSource extends StoredSource {
  readonly name: string;
}

/** How an installation talks to the operator. */
export interface InstallDialog {
  /** Writes one line. */
  print(line: string): void;
  /**
   * Asks whether to approve what a stored plugin requests, as `?asks` shows it. If it answers no, the
   * plugin is put back as it was. If absent, everything is approved.
   */
  confirm?(name: string, asks: unknown): boolean;
}

/**
 * Installs plugins.
 *
 * @param server the server and the operator's tokens
 * @param plugins names from {@link resolvePluginNames} with their sources
 * @param dialog how to talk to the operator
 * @throws {InstallError} {@link UnreachableError}
 */
export async function installPlugins(
  server: ServerAccess,
  plugins: readonly NamedSource[],
  dialog: InstallDialog,
): Promise<void> {
  const names = plugins.map(({ name }) => name);
  const { print } = dialog;
  const { client, token } = server;
  const status = await client.request("GET", "/proc/status", {
    credential: token ?? server.approveToken,
    headers: { accept: "application/json" },
  });
  if (status.status !== 200) {
    const found = `${client.base} answers ${status.status} to GET /proc/status: ${
      problemText(status)
    }`;
    throw new InstallError(
      1,
      `Cannot install ${names.join(" ")}: ${found}; set ELASTIK_TOKEN to the server's T2 token`,
    );
  }
  const approve = server.approveToken;
  if (approve === undefined) {
    throw new InstallError(
      2,
      `Cannot approve ${names.join(" ")}: ELASTIK_APPROVE_TOKEN is not set; ` +
        "set it to the server's T3 token, nothing was installed",
    );
  }
  if (server.isStored) {
    print(`Using the approve token that the server stores in ${server.data}/.approve-token`);
  }
  await assertTokens(client, names, token, approve);
  const installed: string[] = [];
  for (const plugin of plugins) {
    const { name } = plugin;
    try {
      await installOne(server, approve, plugin, dialog);
    } catch (error) {
      if (!(error instanceof InstallError)) throw error;
      throw new InstallError(error.code, error.message, installed, error.excerpt);
    }
    installed.push(name);
  }
  print(`All plugins are up: ${client.base}/bin lists the routes`);
}

/**
 * Checks both tokens before anything is changed: a source that is stored makes an active plugin
 * pending, which stops it.
 *
 * @throws {InstallError} a token is unknown or has a lower tier
 */
async function assertTokens(
  client: ServerClient,
  names: readonly string[],
  token: string | undefined,
  approve: string,
): Promise<void> {
  const rows = [
    {
      credential: token,
      tiers: ["T2", "T3"],
      action: "store",
      low: "the token has tier T1, T2 is required",
      next: "set ELASTIK_TOKEN to the server's T2 token",
    },
    {
      credential: approve,
      tiers: ["T3"],
      action: "approve",
      low: "the token has a lower tier, T3 is required",
      next: "set ELASTIK_APPROVE_TOKEN to the server's T3 token",
    },
  ];
  for (const { credential, tiers, action, low, next } of rows) {
    const response = await client.request("GET", "/auth/whoami", { credential });
    const isKnown = response.status === 200;
    const tier = readProperty(response.json, "tier");
    if (isKnown && typeof tier === "string" && tiers.includes(tier)) continue;
    const found = isKnown ? low : problemText(response);
    throw new InstallError(
      1,
      `Cannot ${action} ${names.join(" ")}: ${found}; ${next}, nothing was installed`,
    );
  }
}

async function installOne(
  { client, token }: ServerAccess,
  approve: string,
  source: NamedSource,
  dialog: InstallDialog,
): Promise<void> {
  const { name, text, ext } = source;
  const { print } = dialog;
  const access = { client, token, approve };
  const earlier = await readEarlierPlugin(access, name);
  if ("refused" in earlier) {
    const { refused } = earlier;
    throw new InstallError(1, `Cannot store ${name}: ${refused.status} ${problemText(refused)}`);
  }
  if (earlier.state === "active") {
    const checked = await checkInstallation(access, name, source);
    if (checked.status !== 200) {
      throw new InstallError(
        1,
        `Cannot approve ${name}: ${problemText(checked)}; ` +
          `version ${earlier.version} is still active`,
        [],
        problemExcerpt(checked),
      );
    }
  }
  const stored = await client.request("PUT", `/lib/${name}?ext=${ext}`, {
    credential: token,
    headers: earlier.version === 0
      ? { "if-none-match": "*" }
      : { "if-match": `"${earlier.version}"` },
    body: text,
  });
  const version = readProperty(stored.json, "version");
  if ((stored.status !== 200 && stored.status !== 201) || typeof version !== "number") {
    throw toInstallError(
      `Cannot store ${name}`,
      stored,
      "set ELASTIK_TOKEN to the server's T2 token",
    );
  }
  print(`Stored ${name} as ${client.base}/lib/${name}, version ${version}`);
  try {
    await approveStored(access, name, version, earlier, dialog);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    const left = `${name} is stored but may not be active, run this again`;
    throw new UnreachableError(`${error.message}; ${left}`);
  }
  print(`Activated ${name}`);
}

/** Shows what a stored source requests, approves it, and checks that its routes are up. */
async function approveStored(
  access: InstallAccess,
  name: string,
  version: number,
  earlier: EarlierPlugin,
  { print, confirm }: InstallDialog,
): Promise<void> {
  const { client, approve } = access;
  const refuse = async (action: string, response: ClientResponse): Promise<never> => {
    const outcome = await restoreEarlierPlugin(access, name, version, earlier);
    throw new InstallError(
      1,
      `Cannot ${action} ${name}: ${problemText(response)}; ${outcome}`,
      [],
      problemExcerpt(response),
    );
  };
  const requested = await client.request("GET", `/lib/${name}/state?asks`, { credential: approve });
  if (requested.status !== 200) return await refuse("approve", requested);
  print("It requests:");
  const asks = readProperty(requested.json, "asks");
  for (const line of formatRequests(asks)) print(line);
  if (confirm?.(name, asks) === false) {
    const outcome = await restoreEarlierPlugin(access, name, version, earlier);
    throw new InstallError(1, `Did not approve ${name}; ${outcome}`);
  }

  const active = await client.request("PUT", `/lib/${name}/state`, {
    credential: approve,
    headers: { "if-match": `"${version}"` },
    body: JSON.stringify({ state: "active", asks: readProperty(asks, "digest") }),
  });
  if (active.status !== 200) return await refuse("activate", active);

  const bin = await client.request("GET", "/bin", {
    credential: approve,
    headers: { accept: "application/json" },
  });
  const rows: readonly unknown[] = Array.isArray(bin.json) ? bin.json : [];
  const listed = rows.some((row) => readProperty(row, "plugin") === `/lib/${name}`);
  // A fallback has no route of its own, so /bin does not list it.
  if (!listed && readProperty(active.json, "fallback") !== true) {
    throw new InstallError(
      1,
      `Cannot find ${name} in ${client.base}/bin, though it was activated; ` +
        `${client.base}/lib/${name}/state shows the reason`,
    );
  }
}

/** One line per requested item. The texts come from the plugin, so they are sanitized. */
function formatRequests(requested: unknown): string[] {
  if (typeof requested !== "object" || requested === null) return [];
  return Object.entries(requested).map(([key, value]) =>
    `  ${sanitizeText(`${JSON.stringify(key)}:${JSON.stringify(value)}`)}`
  );
}

/** A refusal with the detail of the response, and advice if a token is missing. */
function toInstallError(
  action: string,
  response: ClientResponse,
  authAdvice: string,
): InstallError {
  const isDenied = response.status === 401 || response.status === 403;
  const found = problemText(response);
  return new InstallError(
    1,
    `${action}: ${isDenied ? `${found}; ${authAdvice}` : `${response.status} ${found}`}`,
  );
}
