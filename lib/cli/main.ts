/**
 * The command line: which command is meant, and what the program says about itself. Commands are
 * loaded when they are asked for, so that a cell, which is this program once more, does not pay for
 * a server. It decides nothing about worlds.
 */

import { type CommandTable, type ProgramContext, shownNames } from "./command.ts";
import { type Options, readArguments, UsageError } from "./parse_args.ts";
import { VERSION } from "../version.ts";

const URL_OPTION = { value: "<url>", about: "the machine; the one of the settings unless given" };

/** Every command. The specifiers are literals, so that a URL run and a bundle find them as well. */
export const COMMANDS: CommandTable = {
  serve: {
    takes: "",
    most: 0,
    about: "start the machine (what happens without a command)",
    load: () => import("./commands/serve.ts"),
  },
  install: {
    takes: "<plugin…>",
    least: 1,
    most: 64,
    about: "store, show and approve shipped plugins, or primitives",
    more: [
      "`primitives` stands for gpu fstab db fanout. Each plugin is stored (T2), shown with",
      "all it asks for, approved (T3) in exactly this version, and looked for in /bin.",
    ],
    options: {
      "with-semantic": { about: "semantic as well" },
      url: URL_OPTION,
    },
    load: () => import("./commands/install.ts"),
  },
  mint: {
    takes: "<prefix>",
    least: 1,
    most: 1,
    about: "a token for one prefix, until a time (T3)",
    more: [
      "The token alone goes to the standard output; what it may do is told beside it.",
    ],
    options: {
      ttl: { value: "<time>", about: "how long it holds: 90s, 15m, 1h (unless given), 7d" },
      mode: { value: "<r|rw>", about: "to read, or to read and write (unless given)" },
      url: URL_OPTION,
    },
    load: () => import("./commands/mint.ts"),
  },
  boot: {
    takes: "[url]",
    most: 1,
    about: "power-on self-test of a running machine",
    load: () => import("./commands/boot.ts"),
  },
  verify: {
    takes: "[data]",
    most: 1,
    about: "check every world of a data folder, with its server off",
    load: () => import("./commands/verify.ts"),
  },
  export: {
    takes: "[file|-]",
    most: 1,
    about: "all worlds as tar.gz, while the server runs or not",
    more: [
      "Each world is of one moment. The signing key goes along, so that what is brought back",
      "verifies; tokens, locks and the trash stay. The file is for this user alone.",
    ],
    options: {
      "without-key": { about: "leave the signing key out" },
      from: { value: "<data>", about: "another data folder than that of the settings" },
    },
    load: () => import("./commands/export.ts"),
  },
  import: {
    takes: "<file|folder|->",
    least: 1,
    most: 1,
    about: "bring such an archive in, or an elastik v5",
    more: [
      "The server is off meanwhile. Nothing that is there is overwritten, and no world is",
      "ever half there. Import only what you trust as much as your own machine.",
    ],
    options: {
      into: { value: "<data>", about: "the data folder; that of the settings unless given" },
      merge: { about: "into a folder that holds worlds already" },
      key: { value: "<key|@file>", about: "what signed its chains, if that is not in it" },
      "new-key": { about: "take no signing key from it; plugins then wait for approval" },
    },
    load: () => import("./commands/import.ts"),
  },
  completions: {
    takes: "<shell>",
    least: 1,
    most: 1,
    about: "what bash, zsh or fish needs to complete all this",
    load: () => import("./commands/completions.ts"),
  },
  cell: {
    takes: "",
    most: 0,
    about: "the process a plugin lives in",
    hidden: true,
    load: () => import("./commands/cell.ts"),
  },
};

/** Exit code of a command line that cannot be understood, as shells have it. */
const USAGE = 2;

/** What a command line means. */
export type Request =
  | { readonly command: string; readonly words: readonly string[]; readonly options: Options }
  | { readonly show: string };

/**
 * Reads a command line.
 *
 * @throws {UsageError} naming what was found and what there is
 */
export function readCommandLine(args: readonly string[]): Request {
  const [first = "serve", ...rest] = args;
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if ([first, ...own].some((arg) => arg === "--help" || arg === "-h")) {
    return { show: command === undefined || command.hidden ? helpText() : commandHelp(first) };
  }
  if (first === "--version" || first === "-V") return { show: `elastik ${VERSION}` };
  if (command === undefined) {
    throw new UsageError(
      `Cannot run ${JSON.stringify(first)}: there are ${
        shownNames(COMMANDS).join(", ")
      }; --help says more`,
    );
  }
  return { command: first, ...readArguments(first, rest, command) };
}

/** The one screen of `--help`. */
export function helpText(): string {
  const lines = shownNames(COMMANDS).map((name) => {
    const { takes = "", about = "" } = COMMANDS[name] ?? {};
    return `  ${`${name} ${takes}`.padEnd(21)}${about}`;
  });
  return [
    `elastik ${VERSION}: an HTTP machine whose paths are worlds`,
    "",
    "usage: elastik [command], and elastik <command> --help for one of them",
    "",
    ...lines,
    "",
    "  --help               this text",
    "  --version            the version",
    "",
    "Settings are environment variables, or lines of .env in the working folder:",
    "ELASTIK_PORT (3005), ELASTIK_HOST (127.0.0.1), ELASTIK_DATA (data),",
    "ELASTIK_TOKEN, ELASTIK_APPROVE_TOKEN; /usr/share/doc/configuration.md has all.",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(name: string): string {
  const command = COMMANDS[name];
  if (command === undefined) return helpText();
  const { takes, about, more = [], options = {} } = command;
  const lines = Object.entries(options).map(([option, told]) =>
    `  ${`--${option} ${told.value ?? ""}`.padEnd(21)}${told.about}`
  );
  return [
    `usage: elastik ${name} ${takes}`.trimEnd() + (lines.length > 0 ? " [options]" : ""),
    "",
    `${about[0]?.toUpperCase()}${about.slice(1)}.`,
    ...more,
    ...(lines.length > 0 ? ["", ...lines] : []),
  ].join("\n");
}

/**
 * Runs a command line to its end.
 *
 * @returns the exit code, or nothing while the machine goes on
 */
export async function runCommandLine(
  args: readonly string[],
  program: ProgramContext,
): Promise<number | undefined> {
  try {
    const request = readCommandLine(args);
    if ("show" in request) {
      console.log(request.show);
      return 0;
    }
    const command = await COMMANDS[request.command]?.load();
    const context = { ...program, commands: COMMANDS };
    return await command?.run(request.words, context, request.options);
  } catch (error) {
    if (error instanceof UsageError || isConfigError(error)) {
      console.error(error.message);
      return USAGE;
    }
    throw error;
  }
}

/** By its name: to load the class would cost every cell the settings. */
function isConfigError(error: unknown): error is Error {
  return error instanceof Error && error.name === "ConfigError";
}
