/**
 * Installs plugins on a running machine: stores each source (T2), shows what it asks for, approves
 * exactly this version (T3), and looks whether it is up. The steps and the words are those of
 * `plugins/install.sh`, for people who have no checkout. It knows no plugin by name.
 */

import { oneLine } from "../../base/sanitize_text.ts";
import { type Addressed, type Answered, field, words } from "./server_client.ts";

/** A refusal, and the exit code that goes with it. */
export class InstallStopped extends Error {
  override readonly name = "InstallStopped";
  constructor(readonly code: 1 | 2, message: string, readonly installed: readonly string[] = []) {
    super(message);
  }
}

/** What is installed from. */
export interface PluginShelf {
  /** Sources by name. */
  readonly sources: Readonly<Record<string, string>>;
  /** Names that stand for several. */
  readonly sets: Readonly<Record<string, readonly string[]>>;
}

/**
 * The plugins that a command line means, in its order.
 *
 * @throws {InstallStopped} for a name that is none, and when one is not on the shelf
 */
export function chosenPlugins(named: readonly string[], shelf: PluginShelf): string[] {
  const found: string[] = [];
  for (const name of named) {
    const set = Object.hasOwn(shelf.sets, name) ? shelf.sets[name] : undefined;
    if (set === undefined && !/^[A-Za-z0-9_-]+$/.test(name)) {
      throw new InstallStopped(2, `Cannot install ${oneLine(name)}: it is no plugin's name`);
    }
    for (const one of set ?? [name]) if (!found.includes(one)) found.push(one);
  }
  const missing = found.filter((name) => !Object.hasOwn(shelf.sources, name));
  if (missing.length === 0) return found;
  throw new InstallStopped(
    2,
    `Cannot install ${found.join(" ")}: this program does not bring ${missing.join(" ")}; ` +
      `it brings ${Object.keys(shelf.sources).join(" ")}, nothing was installed`,
  );
}

/**
 * Installs.
 *
 * @param names of {@link chosenPlugins}
 * @param say writes a line for the operator
 * @throws {InstallStopped} {@link Unreachable}
 */
export async function installPlugins(
  to: Addressed,
  names: readonly string[],
  sources: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<void> {
  const { machine, token } = to;
  const status = await machine.ask("GET", "/proc/status", {
    credential: token ?? to.approveToken,
    headers: { accept: "application/json" },
  });
  if (status.status !== 200) {
    const found = `${machine.base} answers ${status.status} to who it is: ${words(status)}`;
    throw new InstallStopped(
      1,
      `Cannot install ${names.join(" ")}: ${found}; set ELASTIK_TOKEN to the machine's T2 token`,
    );
  }
  const approve = to.approveToken ?? await machine.keptToken(to.data);
  if (approve === undefined) {
    throw new InstallStopped(
      2,
      `Cannot approve ${names.join(" ")}: ELASTIK_APPROVE_TOKEN is not set; ` +
        "set it to the machine's T3 token, nothing was installed",
    );
  }
  if (to.approveToken === undefined) {
    say(`Using the approve token that the machine keeps in ${to.data}/.approve-token`);
  }
  const installed: string[] = [];
  for (const name of names) {
    try {
      await installOne(to, approve, name, sources[name] ?? "", say);
    } catch (error) {
      if (!(error instanceof InstallStopped)) throw error;
      throw new InstallStopped(error.code, error.message, installed);
    }
    installed.push(name);
  }
  say(`All is up: ${machine.base}/bin lists the routes`);
}

async function installOne(
  { machine, token }: Addressed,
  approve: string,
  name: string,
  source: string,
  say: (line: string) => void,
): Promise<void> {
  const stored = await machine.ask("PUT", `/lib/${name}?ext=ts`, {
    credential: token,
    headers: { "content-type": "text/plain" },
    body: source,
  });
  const version = field(stored.json, "version");
  if ((stored.status !== 200 && stored.status !== 201) || typeof version !== "number") {
    throw refused(`Cannot store ${name}`, stored, "set ELASTIK_TOKEN to the machine's T2 token");
  }
  say(`Stored ${name} as ${machine.base}/lib/${name}, version ${version}`);

  const waits = `${name} stays stored and waits`;
  const asks = await machine.ask("GET", `/lib/${name}/state?asks`, { credential: approve });
  if (asks.status !== 200) {
    const denied = `set ELASTIK_APPROVE_TOKEN to the machine's T3 token, ${waits}`;
    throw refused(`Cannot approve ${name}`, asks, denied, waits);
  }
  say("It asks for:");
  for (const line of askedLines(field(asks.json, "asks"))) say(line);

  const active = await machine.ask("PUT", `/lib/${name}/state`, {
    credential: approve,
    headers: { "if-match": `"${version}"` },
    body: "active",
  });
  if (active.status !== 200) throw refused(`Cannot activate ${name}`, active, waits, waits);

  const bin = await machine.ask("GET", "/bin", {
    credential: approve,
    headers: { accept: "application/json" },
  });
  const rows: readonly unknown[] = Array.isArray(bin.json) ? bin.json : [];
  const listed = rows.some((row) => field(row, "plugin") === `/lib/${name}`);
  // A fallback has no path of its own to be listed by.
  if (!listed && field(active.json, "fallback") !== true) {
    throw new InstallStopped(
      1,
      `Cannot find ${name} in ${machine.base}/bin, though it was activated; ` +
        `${machine.base}/lib/${name}/state says more`,
    );
  }
  say(`Activated ${name}`);
}

/** What a plugin asks for, a line each; the words are the plugin's own. */
function askedLines(asks: unknown): string[] {
  if (typeof asks !== "object" || asks === null) return [];
  return Object.entries(asks).map(([key, value]) =>
    `  ${oneLine(`${JSON.stringify(key)}:${JSON.stringify(value)}`)}`
  );
}

/** A refusal in the machine's own words, with what helps against one for want of a token. */
function refused(
  action: string,
  answer: Answered,
  denied: string,
  otherwise?: string,
): InstallStopped {
  const isDenied = answer.status === 401 || answer.status === 403;
  const next = isDenied ? denied : otherwise;
  return new InstallStopped(
    1,
    `${action}: ${isDenied || otherwise !== undefined ? "" : `${answer.status} `}${words(answer)}` +
      (next === undefined ? "" : `; ${next}`),
  );
}
