/**
 * The command line: which command is meant, and what the program says about itself. Commands are
 * loaded when they are asked for, so that a cell, which is this program once more, does not pay for
 * a server. It decides nothing about worlds.
 */

import { VERSION } from "./version.ts";

/** What a command is told: how the program runs, which differs between a checkout, a URL and a bundle. */
export interface Surroundings {
  /** URL of the module that the store's Workers run. */
  readonly storeWorkerUrl: string;
  /** URL of the main module, by which the program starts itself again; absent in a compiled binary. */
  readonly main?: string;
}

/** A module that carries a command out. */
export interface CommandModule {
  /**
   * Runs the command.
   *
   * @param args what follows its name
   * @returns the exit code, or undefined when the program shall stay up
   */
  run(args: readonly string[], surroundings: Surroundings): Promise<number | undefined>;
}

/** A command and the words for `--help`. */
interface Command {
  /** Arguments as they are written in the help. */
  readonly takes: string;
  /** Most arguments it takes. */
  readonly most: number;
  readonly about: string;
  /** Not shown: the program calls itself by it. */
  readonly hidden?: true;
  load(): Promise<CommandModule>;
}

/** Every command. The specifiers are literals, so that a URL run and a bundle find them as well. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    takes: "",
    most: 0,
    about: "start the machine (what happens without a command)",
    load: () => import("./commands/serve.ts"),
  },
  boot: {
    takes: "[url]",
    most: 1,
    about: "power-on self-test of a running machine, http://localhost:3005",
    load: () => import("./commands/boot.ts"),
  },
  verify: {
    takes: "[data]",
    most: 1,
    about: "check every world of a data folder, with its server off",
    load: () => import("./commands/verify.ts"),
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

/** A command line that cannot be understood; the message is for the operator. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What a command line means. */
export type Request =
  | { readonly command: string; readonly args: readonly string[] }
  | { readonly show: string };

/**
 * Reads a command line.
 *
 * @throws {UsageError} naming what was found and what there is
 */
export function readCommandLine(args: readonly string[]): Request {
  const [first = "serve", ...rest] = args;
  if (args.some((arg) => arg === "--help" || arg === "-h")) return { show: helpText() };
  if (first === "--version" || first === "-V") return { show: `elastik ${VERSION}` };
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  if (command === undefined) {
    throw new UsageError(
      `Cannot run ${JSON.stringify(first)}: there are ${shownNames().join(", ")}; --help says more`,
    );
  }
  if (rest.length > command.most) {
    throw new UsageError(
      `Cannot run ${first} with ${rest.length} arguments: it takes ${command.takes || "none"}`,
    );
  }
  return { command: first, args: rest };
}

/** The one screen of `--help`. */
export function helpText(): string {
  const lines = shownNames().map((name) => {
    const { takes, about } = COMMANDS[name] ?? { takes: "", about: "" };
    return `  ${`${name} ${takes}`.padEnd(16)}${about}`;
  });
  return [
    `elastik ${VERSION}: an HTTP machine whose paths are worlds`,
    "",
    "usage: elastik [command]",
    "",
    ...lines,
    "",
    "  --help          this text",
    "  --version       the version",
    "",
    "Settings are environment variables, or lines of a .env file in the working folder:",
    "ELASTIK_PORT (3005), ELASTIK_HOST (127.0.0.1), ELASTIK_DATA (data), ELASTIK_TOKEN,",
    "ELASTIK_APPROVE_TOKEN and more; /usr/share/doc/configuration.md lists them all.",
  ].join("\n");
}

/**
 * Runs a command line to its end.
 *
 * @returns the exit code, or nothing while the machine goes on
 */
export async function runCommandLine(
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number | undefined> {
  try {
    const request = readCommandLine(args);
    if ("show" in request) {
      console.log(request.show);
      return 0;
    }
    const command = await COMMANDS[request.command]?.load();
    return await command?.run(request.args, surroundings);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return USAGE;
  }
}

function shownNames(): string[] {
  return Object.keys(COMMANDS).filter((name) => COMMANDS[name]?.hidden !== true);
}
