/**
 * Scripts by which a shell completes this program's commands, options and plugins, made from the same
 * table as the help. Pure: they know what this version knows, and never ask the program.
 */

import { type CommandTable, shownNames } from "./command.ts";

/** The shells that are known. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell that is known. */
export type Shell = typeof SHELLS[number];

/** Commands whose arguments are files or folders. */
const FILES: readonly string[] = ["verify", "export", "import"];

/**
 * The script for a shell.
 *
 * @param commands the table of commands
 * @param plugins what `install` can be given
 */
export function completionScript(
  shell: Shell,
  commands: CommandTable,
  plugins: readonly string[],
): string {
  const values = new Map<string, readonly string[]>([["install", plugins], [
    "completions",
    SHELLS,
  ]]);
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands, values);
}

function bashScript(
  commands: CommandTable,
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const cases = shownNames(commands).map((name) => {
    const words = [...optionsOf(commands, name), ...(values.get(name) ?? [])].join(" ");
    const files = FILES.includes(name) ? ' $(compgen -f -- "$word")' : "";
    return `    ${name}) COMPREPLY=($(compgen -W "${words}" -- "$word")${files}) ;;`;
  });
  return [
    "# elastik completions bash: source this, or keep it in your completions folder.",
    "_elastik() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}"',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${shownNames(commands).join(" ")} --help --version" -- "$word"))`,
    "    return",
    "  fi",
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    "  esac",
    "}",
    "complete -F _elastik elastik elastik.js",
  ].join("\n");
}

function zshScript(
  commands: CommandTable,
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const described = shownNames(commands).map((name) =>
    `    ${quoted(`${name}:${aboutOf(commands, name)}`)}`
  );
  const cases = shownNames(commands).map((name) => {
    const words = [...optionsOf(commands, name), ...(values.get(name) ?? [])].map(quoted).join(" ");
    return `    ${name}) compadd -- ${words}${FILES.includes(name) ? "; _files" : ""} ;;`;
  });
  return [
    "#compdef elastik elastik.js",
    "# elastik completions zsh: source this after compinit, or keep it as _elastik in your fpath.",
    "_elastik() {",
    "  local -a commands=(",
    ...described,
    "  )",
    "  if (( CURRENT == 2 )); then",
    "    _describe command commands",
    "    return",
    "  fi",
    "  case ${words[2]} in",
    ...cases,
    "  esac",
    "}",
    // Loaded by its first use it completes at once; sourced it waits for one.
    'if [ "$funcstack[1]" = _elastik ]; then _elastik "$@"; else',
    "  compdef _elastik elastik elastik.js",
    "fi",
  ].join("\n");
}

function fishScript(
  commands: CommandTable,
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const lines = ["# elastik completions fish: keep it as elastik.fish in your completions folder."];
  for (const program of ["elastik", "elastik.js"]) {
    lines.push(`complete -c ${program} -f`);
    for (const name of shownNames(commands)) {
      const seen = `-n '__fish_seen_subcommand_from ${name}'`;
      const about = quoted(aboutOf(commands, name));
      lines.push(`complete -c ${program} -n __fish_use_subcommand -a ${name} -d ${about}`);
      for (
        const [option, { about: told, value }] of Object.entries(commands[name]?.options ?? {})
      ) {
        const takes = value === undefined ? "" : " -x";
        lines.push(`complete -c ${program} ${seen} -l ${option}${takes} -d ${quoted(told)}`);
      }
      const words = values.get(name);
      if (words !== undefined) {
        lines.push(`complete -c ${program} ${seen} -a ${quoted(words.join(" "))}`);
      }
      if (FILES.includes(name)) lines.push(`complete -c ${program} ${seen} -F`);
    }
  }
  return lines.join("\n");
}

function optionsOf(commands: CommandTable, name: string): string[] {
  return [...Object.keys(commands[name]?.options ?? {}), "help"].map((option) => `--${option}`);
}

function aboutOf(commands: CommandTable, name: string): string {
  return commands[name]?.about ?? "";
}

/** A word in quotes that these three shells read alike. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "")}'`;
}
