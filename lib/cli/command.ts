/**
 * What a command of the command line is: the entry in the table of commands, the module that runs it,
 * and what the program passes to that module. Types only, so that the table may load the commands and
 * the commands may name these types without an import cycle.
 */

import type { Options, Shape } from "./parse_args.ts";

/** How the program runs, which differs between a checkout, a URL, a bundle and a binary. */
export interface ProgramContext {
  /** URL of the module that the Workers of the store run. */
  readonly storeWorkerUrl: string;
  /** URL of the main module, with which the program starts itself again; absent in a compiled binary. */
  readonly main?: string;
  /** The main module is the whole program in one file. */
  readonly single?: true;
}

/** What a command receives: how the program runs, and the table that the command is in. */
export interface CommandContext extends ProgramContext {
  readonly commands: CommandTable;
}

/** A module that runs a command. */
export interface CommandModule {
  /**
   * Runs the command.
   *
   * @param words positional arguments, without the name of the command
   * @returns the exit code, or undefined if the process must keep running
   */
  run(
    words: readonly string[],
    context: CommandContext,
    options: Options,
  ): Promise<number | undefined>;
}

/** A command: its arguments and options, its texts for `--help`, and how its module is loaded. */
export interface Command extends Shape {
  /** One line of the help. */
  readonly about: string;
  /** Further lines of the help of this command. */
  readonly more?: readonly string[];
  /** Not shown in the help: only the program itself calls it. */
  readonly hidden?: true;
  load(): Promise<CommandModule>;
}

/** Every command by its name. */
export type CommandTable = Readonly<Record<string, Command>>;

/** Names of the commands that a user may give, in the order of the table. */
export function shownNames(commands: CommandTable): string[] {
  return Object.keys(commands).filter((name) => commands[name]?.hidden !== true);
}
