/**
 * Parses the arguments of a command into options and operands. Pure. It knows no command, and it is
 * small because a cell, which is this program started again, loads it too.
 */

/** One option of a command. */
export interface OptionSpec {
  /** Placeholder of its value in the help; absent for a flag. */
  readonly value?: string;
  /** One letter that means the same, `f` for `-f`. */
  readonly short?: string;
  readonly summary: string;
}

/** The operands and options of a command. */
export interface ArgumentSpec {
  /** Operands as the help shows them; `""` for none. */
  readonly usage: string;
  /** Minimum number of operands; 0 if absent. */
  readonly minArguments?: number;
  /** Values of the operand `<action>`. */
  readonly actions?: readonly string[];
  /** Maximum number of operands. */
  readonly maxArguments: number;
  readonly options?: Readonly<Record<string, OptionSpec>>;
}

/** Options of a command line by name without dashes; `true` for a flag. */
export type OptionValues = Readonly<Record<string, string | true>>;

/** Operands and options of a command line. */
export interface ParsedArguments {
  readonly words: readonly string[];
  readonly options: OptionValues;
}

/** An invalid command line. The message is for the operator. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Parses the arguments after the name of a command: `--name value`, `--name=value`, `--name` and
 * `-n`, anywhere between the operands. After `--` every argument is an operand; `-` always is one.
 *
 * @param command name of the command, for error messages
 * @param args the arguments
 * @param spec what the command accepts
 * @throws {UsageError} with what was found and what is valid
 */
export function parseArgs(
  command: string,
  args: readonly string[],
  spec: ArgumentSpec,
): ParsedArguments {
  const words: string[] = [];
  const options = new Map<string, string | true>();
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "") {
      // An unset variable in a script: `elastik verify "$FOLDER"`.
      throw new UsageError(`Cannot run ${command}: an argument is empty`);
    } else if (arg === "--") {
      words.push(...rest.splice(0));
      if (words.includes("")) throw new UsageError(`Cannot run ${command}: an argument is empty`);
    } else if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
    } else {
      const [dashed = "", ...after] = arg.split("=");
      const name = dashed.startsWith("--") ? dashed.slice(2) : longName(spec, dashed.slice(1));
      const option = Object.hasOwn(spec.options ?? {}, name) ? spec.options?.[name] : undefined;
      if (option === undefined) {
        throw new UsageError(
          `Cannot run ${command} with ${dashed}: ${
            hasOperand(spec, name)
              ? `it is an argument, elastik ${command} ${spec.usage}`
              : optionNames(spec)
          }`,
        );
      }
      if (options.has(name)) {
        throw new UsageError(`Cannot run ${command}: ${dashed} was given twice`);
      }
      options.set(name, valueOf(command, dashed, option, arg.includes("="), after, rest));
    }
  }
  const { minArguments = 0, maxArguments, usage, actions } = spec;
  if (words.length < minArguments || words.length > maxArguments) {
    const found = words.length === 1 ? "1 argument" : `${words.length} arguments`;
    const named = actions === undefined ? "" : `; the actions are ${actions.join(", ")}`;
    throw new UsageError(
      `Cannot run ${command} with ${found}: it takes ${usage || "none"}${named}`,
    );
  }
  return { words, options: Object.fromEntries(options) };
}

/** Value of an option that takes one; undefined if it was not given. */
export function getTextOption(options: OptionValues, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** The name of an option by its letter; `""` if there is none. */
function longName({ options = {} }: ArgumentSpec, letter: string): string {
  return Object.keys(options).find((name) => options[name]?.short === letter) ?? "";
}

function valueOf(
  command: string,
  dashed: string,
  option: OptionSpec,
  hasEquals: boolean,
  after: readonly string[],
  rest: string[],
): string | true {
  if (option.value === undefined) {
    if (!hasEquals) return true;
    throw new UsageError(`Cannot run ${command}: ${dashed} does not take a value`);
  }
  const value = hasEquals ? after.join("=") : rest.shift();
  if (value !== undefined && value !== "") return value;
  throw new UsageError(`Cannot run ${command}: ${dashed} needs ${option.value}`);
}

/** Whether an operand has the name of an option that was given. */
function hasOperand({ usage }: ArgumentSpec, name: string): boolean {
  return name !== "" && usage.split(/[[\]<>|… ]+/).includes(name);
}

function optionNames({ options = {} }: ArgumentSpec): string {
  const names = Object.keys(options).map((name) => `--${name}`);
  return names.length === 0 ? "it takes no options" : `it takes ${names.join(", ")}`;
}
