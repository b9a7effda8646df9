/**
 * A command's arguments: which words are options, which are what the command is about. Pure, and small
 * enough that a cell, which is this program once more, does not notice it. It knows no command.
 */

/** One option of a command. */
export interface Option {
  /** What follows it, as the help writes it; absent for one that stands alone. */
  readonly value?: string;
  readonly about: string;
}

/** What a command takes. */
export interface Shape {
  /** Arguments as the help writes them; `""` for none. */
  readonly takes: string;
  /** Fewest and most arguments. */
  readonly least?: number;
  readonly most: number;
  readonly options?: Readonly<Record<string, Option>>;
}

/** The options of a command line by their names without dashes; `true` for one that stands alone. */
export type Options = Readonly<Record<string, string | true>>;

/** What was found. */
export interface Arguments {
  readonly words: readonly string[];
  readonly options: Options;
}

/** A command line that cannot be understood; the message is for the operator. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads what follows a command's name: `--name value` or `--name=value`, alone or between the words;
 * after `--` everything is a word, and `-` always is one.
 *
 * @param command its name, for the refusal
 * @throws {UsageError} naming what was found and what there is
 */
export function readArguments(command: string, args: readonly string[], shape: Shape): Arguments {
  const words: string[] = [];
  const options = new Map<string, string | true>();
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      words.push(...rest.splice(0));
    } else if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
    } else {
      const [dashed = "", ...after] = arg.split("=");
      const name = dashed.slice(2);
      const option = dashed.startsWith("--") && Object.hasOwn(shape.options ?? {}, name)
        ? shape.options?.[name]
        : undefined;
      if (option === undefined) {
        throw new UsageError(`Cannot run ${command} with ${dashed}: ${optionNames(shape)}`);
      }
      if (options.has(name)) throw new UsageError(`Cannot run ${command}: ${dashed} stands twice`);
      options.set(name, valueOf(command, dashed, option, arg.includes("="), after, rest));
    }
  }
  const { least = 0, most, takes } = shape;
  if (words.length < least || words.length > most) {
    const found = words.length === 1 ? "1 argument" : `${words.length} arguments`;
    throw new UsageError(`Cannot run ${command} with ${found}: it takes ${takes || "none"}`);
  }
  return { words, options: Object.fromEntries(options) };
}

/** An option that takes a value, as text; `undefined` where it was not given. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

function valueOf(
  command: string,
  dashed: string,
  option: Option,
  glued: boolean,
  after: readonly string[],
  rest: string[],
): string | true {
  if (option.value === undefined) {
    if (!glued) return true;
    throw new UsageError(`Cannot run ${command}: ${dashed} takes no value`);
  }
  const value = glued ? after.join("=") : rest.shift();
  if (value !== undefined && value !== "") return value;
  throw new UsageError(`Cannot run ${command}: ${dashed} takes ${option.value}, which is missing`);
}

function optionNames({ options = {} }: Shape): string {
  const names = Object.keys(options).map((name) => `--${name}`);
  return names.length === 0 ? "it takes no options" : `it takes ${names.join(", ")}`;
}
