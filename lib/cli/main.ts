/**
 * The command line: finds the command, prints the help, and turns usage errors into an exit code.
 * Commands are loaded on demand, because a cell is this program started again and must not load the
 * server.
 */

import { type CommandTable, listCommandNames, type ProgramContext } from "./command.ts";
import { type OptionValues, parseArgs, UsageError } from "./parse_args.ts";
import { explainFsError } from "../base/fs_error.ts";
import { sanitizeText } from "../base/sanitize_text.ts";
import { VERSION } from "../version.ts";

const URL_OPTION = {
  value: "<url>",
  summary: "URL of the server; by default that of the settings",
};

/**
 * Every command. The specifiers are literals, so that a URL run and a bundle include the modules.
 */
export const COMMANDS: CommandTable = {
  serve: {
    usage: "",
    maxArguments: 0,
    summary: "start the server (the default command)",
    load: () => import("./commands/serve.ts"),
  },
  install: {
    usage: "<plugin|path…>",
    minArguments: 1,
    maxArguments: 64,
    summary: "store, show and approve shipped or own plugins",
    details: [
      "A path is a file, or a folder with mod.ts, main.ts, index.ts or an entry in deno.json or",
      "package.json. With imports it is bundled by the program deno.",
      "`primitives` means gpu fstab db fanout. Each plugin is stored (T2), shown with all",
      "that it requests, approved (T3) in exactly this version, and checked in /bin.",
    ],
    options: {
      "with-semantic": { summary: "install semantic as well" },
      name: { value: "<name>", summary: "name of the plugin; by default that of its file" },
      url: URL_OPTION,
    },
    load: () => import("./commands/install.ts"),
  },
  dev: {
    usage: "<path>",
    minArguments: 1,
    maxArguments: 1,
    summary: "install a plugin again after each change",
    details: [
      "Bundles a file or folder, checks its types, stores and approves it, and prints its log",
      "until Ctrl-C. A change with an error leaves the running version. On a server of another",
      "computer it asks before it approves something new.",
    ],
    options: {
      name: { value: "<name>", summary: "name of the plugin; by default that of its file" },
      "no-check": { summary: "do not check types" },
      url: URL_OPTION,
    },
    load: () => import("./commands/dev.ts"),
  },
  plugins: {
    usage: "",
    maxArguments: 0,
    summary: "list the plugins with state, health and routes",
    details: ["In a pipe: one line per plugin, with tabs and without a head."],
    options: { url: URL_OPTION },
    load: () => import("./commands/plugins.ts"),
  },
  logs: {
    usage: "<plugin>",
    minArguments: 1,
    maxArguments: 1,
    summary: "print the last lines of a plugin",
    details: ["For T3, and for the credential that wrote the source of the plugin."],
    options: {
      follow: { short: "f", summary: "print later lines as they come, until Ctrl-C" },
      limit: { value: "<n>", summary: "number of lines, 1 to 1000; 100 by default" },
      url: URL_OPTION,
    },
    load: () => import("./commands/logs.ts"),
  },
  mint: {
    usage: "<prefix>",
    minArguments: 1,
    maxArguments: 1,
    summary: "create a capability for one prefix (T3)",
    details: [
      "Only the token is written to the standard output; what it allows, to the standard error.",
    ],
    options: {
      ttl: { value: "<time>", summary: "lifetime: 90s, 15m, 1h (default), 7d" },
      mode: { value: "<r|rw|rwd>", summary: "read, write (default), delete and move" },
      name: { value: "<name>", summary: "name of the holder, which events show" },
      url: URL_OPTION,
    },
    load: () => import("./commands/mint.ts"),
  },
  undo: {
    usage: "<prefix>",
    minArguments: 1,
    maxArguments: 1,
    summary: "undo what one caller did below a prefix (T3)",
    details: [
      "Each world that the caller changed gets a new version with its earlier content. What the",
      "caller deleted is restored, what it created is deleted, what it moved is moved back. A",
      "world that another caller changed since is skipped; the exit code is then 1.",
    ],
    options: {
      by: {
        value: "<caller>",
        summary: "as events show it; #name means every capability so named",
      },
      since: { value: "<time>", summary: "10:00, 2026-11-28T10:00 (local) or 2h" },
      "dry-run": { summary: "print what would be done, and change nothing" },
      url: URL_OPTION,
    },
    load: () => import("./commands/undo.ts"),
  },
  boot: {
    usage: "[url]",
    maxArguments: 1,
    summary: "self-test of a running server",
    load: () => import("./commands/boot.ts"),
  },
  verify: {
    usage: "[data]",
    maxArguments: 1,
    summary: "check every world of a data folder (server stopped)",
    load: () => import("./commands/verify.ts"),
  },
  user: {
    usage: "<action> [name]",
    actions: ["add", "remove", "list"],
    minArguments: 1,
    maxArguments: 2,
    summary: "add, remove or list accounts (T3)",
    details: [
      "The action is add, remove or list. The password is read from the terminal, or from a pipe.",
    ],
    options: {
      tier: { value: "<T1|T2|T3>", summary: "tier of the account; T2 by default" },
      replace: { summary: "give an account that exists another password and tier" },
      url: URL_OPTION,
    },
    load: () => import("./commands/user.ts"),
  },
  reload: {
    usage: "[data]",
    maxArguments: 1,
    summary: "reread tokens, certificate and log settings",
    details: [
      "Sends SIGHUP to the server that holds the data folder, and reports what it did. The",
      "exit code is 1 if something kept its old value. Open connections continue.",
    ],
    load: () => import("./commands/reload.ts"),
  },
  key: {
    usage: "<action> [key]",
    actions: ["list", "rotate", "add"],
    minArguments: 1,
    maxArguments: 2,
    summary: "list or replace the signing key (server stopped)",
    details: [
      "list prints ids of keys, never a key. rotate retires the key and creates a new one:",
      "events of the retired key still verify, its capabilities end. With ELASTIK_KEY, set a",
      "new one then. add takes an earlier key, or @file with keys, one a line, whose events",
      "verify then.",
    ],
    options: {
      data: { value: "<data>", summary: "data folder; by default that of the settings" },
    },
    load: () => import("./commands/key.ts"),
  },
  export: {
    usage: "[file|-]",
    maxArguments: 1,
    summary: "export all worlds as tar.gz; the server can run",
    details: [
      "Each world is a consistent snapshot. The signing key is included, so that imported chains",
      "verify; tokens, locks and the trash are not. Only this user can read the file.",
      "With ELASTIK_STORE the argument is a new data folder, which gets all of the store.",
    ],
    options: {
      "without-key": { summary: "do not include the signing keys" },
      from: { value: "<data>", summary: "data folder; by default that of the settings" },
    },
    load: () => import("./commands/export.ts"),
  },
  import: {
    usage: "<file|folder|->",
    minArguments: 1,
    maxArguments: 1,
    summary: "import such an archive, or an elastik v5",
    details: [
      "The server must be stopped. Existing worlds are never overwritten, and no world is ever",
      "incomplete. What carries authority is left out unless an option takes it: accounts, the",
      "signing key, approvals of plugins, and worlds below /usr. With ELASTIK_STORE and without",
      "--into, all of a data folder is added to the store; it must have the same key.",
    ],
    options: {
      into: { value: "<data>", summary: "data folder; by default that of the settings" },
      merge: { summary: "add to a folder that contains worlds already" },
      key: { value: "<key|@file>", summary: "signing keys of its chains, if not included" },
      "with-key": { summary: "adopt its signing key: its author can create capabilities" },
      "with-accounts": { summary: "take /etc/passwd and /etc/shadow" },
      "with-plugins": { summary: "keep its active plugins active, without a new approval" },
      "with-system": {
        summary: "take worlds of /usr, /var/cache, /var/lib, and with --merge of /etc",
      },
    },
    load: () => import("./commands/import.ts"),
  },
  backup: {
    usage: "<folder|file>",
    minArguments: 1,
    maxArguments: 1,
    summary: "copy what has changed, and verify the copies",
    details: [
      "A folder keeps the earlier backup: only worlds that have changed are copied, and deleted",
      "worlds are kept apart. A name that ends in .tar.gz is a complete new archive. The server",
      "can run; each world is one consistent state. Only this user can read the backup.",
    ],
    options: {
      "without-key": { summary: "do not include the signing keys" },
      keep: { value: "<time>", summary: "drop deleted worlds after this time, such as 90d" },
      from: { value: "<data>", summary: "data folder; by default that of the settings" },
    },
    load: () => import("./commands/backup.ts"),
  },
  restore: {
    usage: "<backup> [path…]",
    minArguments: 1,
    maxArguments: 64,
    summary: "restore worlds, also as they were at a time",
    details: [
      "With --into, all worlds, or those at the paths and below, become a new data folder with",
      "their events and versions. Otherwise the running server gets each world that differs as a",
      "new version (T3); a path is then required, and / is everything.",
    ],
    options: {
      into: { value: "<data>", summary: "new data folder" },
      at: { value: "<time>", summary: "10:00, 2026-11-28T10:00 (local) or 2h: as it was then" },
      key: { value: "<key|@file>", summary: "signing keys of its chains, if not included" },
      "dry-run": { summary: "print what would be restored, and change nothing" },
      url: URL_OPTION,
    },
    load: () => import("./commands/restore.ts"),
  },
  store: {
    usage: "<action>",
    actions: ["init", "upgrade", "check", "rekey"],
    minArguments: 1,
    maxArguments: 1,
    summary: "create, upgrade or check a PostgreSQL store",
    details: [
      "The action is init, upgrade, check or rekey, of the database that ELASTIK_STORE names.",
      "init needs an empty database, its owner and ELASTIK_KEY, and can be repeated. upgrade",
      "changes the schema while nodes run. check looks for settings with which acknowledged",
      "writes can be lost; its exit code is 1 if the store must not be used. rekey makes",
      "ELASTIK_KEY the key of the store, in place of a retired one of the data folder.",
    ],
    options: {
      role: { value: "<role>", summary: "init: give a role the rights of a node" },
      managed: { summary: "check: the service replicates the data itself" },
      restored: { summary: "check: the database was restored from a backup just now" },
      json: { summary: "check: print one JSON object" },
      forget: {
        value: "<id>",
        summary: "rekey: nodes start without this retired key, which is lost",
      },
    },
    load: () => import("./commands/store.ts"),
  },
  completions: {
    usage: "<shell>",
    minArguments: 1,
    maxArguments: 1,
    summary: "completion script for bash, zsh or fish",
    load: () => import("./commands/completions.ts"),
  },
  cell: {
    usage: "",
    maxArguments: 0,
    summary: "process of a plugin",
    hidden: true,
    load: () => import("./commands/cell.ts"),
  },
};

/** Exit code of a usage error, by shell convention. */
const USAGE = 2;
/** Exit code of a command that failed. */
const FAILED = 1;

/** A parsed command line: a command to run, or a text to show. */
export type ParsedCommand =
  | { readonly command: string; readonly words: readonly string[]; readonly options: OptionValues }
  | { readonly show: string };

/**
 * Parses a command line.
 *
 * @param args the arguments after the program
 * @throws {UsageError} with what was found and what is valid
 */
export function parseCommandLine(args: readonly string[]): ParsedCommand {
  const [first = "serve", ...rest] = args;
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if ([first, ...own].some((arg) => arg === "--help" || arg === "-h")) {
    return {
      show: command === undefined || command.hidden ? formatHelp() : formatCommandHelp(first),
    };
  }
  if (first === "--version" || first === "-V") return { show: `elastik ${VERSION}` };
  if (command === undefined) {
    throw new UsageError(
      `Cannot run ${JSON.stringify(first)}: the commands are ${
        listCommandNames(COMMANDS).join(", ")
      }; see --help`,
    );
  }
  return { command: first, ...parseArgs(first, rest, command) };
}

/** Formats the text of `--help`. */
export function formatHelp(): string {
  const rows = listCommandNames(COMMANDS).map((name) => {
    const { usage = "", summary = "" } = COMMANDS[name] ?? {};
    return [`${name} ${usage}`, summary] as const;
  });
  return [
    `elastik ${VERSION}: an HTTP server that stores documents, called worlds, by path`,
    "usage: elastik [command]; elastik <command> --help describes one command",
    "",
    ...alignRows([...rows, ["--help, --version", "show this text; show the version"]]),
    "",
    "Settings, such as ELASTIK_PORT in .env: see /usr/share/doc/configuration.md",
  ].join("\n");
}

/** Two columns, with at least two spaces between them. */
function alignRows(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.trimEnd().length));
  return rows.map(([name, summary]) => `  ${name.trimEnd().padEnd(width)}  ${summary}`);
}

/** Formats the help of one command. */
export function formatCommandHelp(name: string): string {
  const command = COMMANDS[name];
  if (command === undefined) return formatHelp();
  const { usage, summary, details = [], options = {} } = command;
  const lines = alignRows(
    Object.entries(options).map(([option, spec]) => [
      `--${option}${spec.short === undefined ? "" : `, -${spec.short}`} ${spec.value ?? ""}`,
      spec.summary,
    ]),
  );
  return [
    `usage: elastik ${name} ${usage}`.trimEnd() + (lines.length > 0 ? " [options]" : ""),
    "",
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    ...details,
    ...(lines.length > 0 ? ["", ...lines] : []),
  ].join("\n");
}

/**
 * Runs a command line.
 *
 * @param args the arguments after the program
 * @param context how this program was started
 * @returns the exit code, or undefined while the server runs
 */
export async function runCommandLine(
  args: readonly string[],
  program: ProgramContext,
): Promise<number | undefined> {
  let name: string | undefined;
  try {
    const request = parseCommandLine(args);
    if ("show" in request) {
      console.log(request.show);
      return 0;
    }
    name = request.command;
    const command = await COMMANDS[name]?.load();
    const context = { ...program, commands: COMMANDS };
    return await command?.run(request.words, context, request.options);
  } catch (error) {
    if (error instanceof UsageError || isConfigError(error)) {
      console.error(sanitizeText(error.message));
      return USAGE;
    }
    // The stack of a cell is for the server that started it; an operator gets one sentence.
    if (name !== undefined && COMMANDS[name]?.hidden === true) throw error;
    console.error(
      sanitizeText(
        `Cannot ${name === undefined ? "print" : `run ${name}`}: ${explainFsError(error)}`,
      ),
    );
    return FAILED;
  }
}

/** Compares the name, because importing the class would load the settings in every cell. */
function isConfigError(error: unknown): error is Error {
  return error instanceof Error && error.name === "ConfigError";
}
