/**
 * Types of the command line: the entry of a command in the table, the module that runs it, and what
 * the program passes to that module. Mostly types, so that the table can load the commands and the
 * commands can name these types without an import cycle.
 */

import type { ArgumentSpec, OptionValues } from "./parse_args.ts";

/** How this program was started; differs between a checkout, a URL, a bundle and a binary. */
export interface ProgramContext {
  /** URL of the module that runs in the store's Workers. */
  readonly storeWorkerUrl: string;
  /** URL of the main module, with which the program starts itself again; absent in a compiled binary. */
  readonly main?: string;
  /** The main module is the whole program in one file. */
  readonly single?: true;
}

/** What a command receives: how this program was started, and the table of commands. */
export interface CommandContext extends ProgramContext {
  readonly commands: CommandTable;
}

/** A module that implements a command. */
export interface CommandModule {
  /**
   * Runs the command.
   *
   * @param words operands: the arguments that are not options
   * @param context how this program was started, and the table of commands
   * @param options the options by name
   * @returns the exit code, or undefined if the program continues to run
   */
  run(
    words: readonly string[],
    context: CommandContext,
    options: OptionValues,
  ): Promise<number | undefined>;
}

/** A command: its arguments, its help text and its module. */
export interface Command extends ArgumentSpec {
  /** One line of the help. */
  readonly summary: string;
  /** Further lines of the help. */
  readonly details?: readonly string[];
  /** Not shown in the help: only the program itself uses it. */
  readonly hidden?: true;
  load(): Promise<CommandModule>;
}

/** Every command by its name. */
export type CommandTable = Readonly<Record<string, Command>>;

/** Names of the commands for users, in the order of the table. */
export function listCommandNames(commands: CommandTable): string[] {
  return Object.keys(commands).filter((name) => commands[name]?.hidden !== true);
}
