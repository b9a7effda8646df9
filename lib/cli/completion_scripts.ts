/**
 * Shell completion scripts for the commands, options and plugins of this program, generated from
 * the same table as the help. Pure: a script contains what this version knows and never calls the
 * program.
 */

import { type CommandTable, listCommandNames } from "./command.ts";

/** The supported shells. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A supported shell. */
export type Shell = typeof SHELLS[number];

/** Commands whose arguments are files or folders. */
const FILES: readonly string[] = [
  "install",
  "dev",
  "verify",
  "export",
  "import",
  "backup",
  "restore",
];

/**
 * Generates the completion script of a shell.
 *
 * @param shell the shell
 * @param plugins names that `install` accepts
 */
export function completionScript(
  shell: Shell,
  commands: CommandTable,
  plugins: readonly string[],
): string {
  const values = new Map<string, readonly string[]>([
    ["install", plugins],
    ["completions", SHELLS],
    ...Object.entries(commands).map(([name, { actions = [] }]) => [name, actions] as const)
      .filter(([, actions]) => actions.length > 0),
  ]);
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands, values);
}

function bashScript(
  commands: CommandTable,
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const cases = listCommandNames(commands).map((name) => {
    const words = [...optionsOf(commands, name), ...(values.get(name) ?? [])].join(" ");
    const files = FILES.includes(name) ? ' $(compgen -f -- "$word")' : "";
    return `    ${name}) COMPREPLY=($(compgen -W "${words}" -- "$word")${files}) ;;`;
  });
  return [
    "# elastik completions bash: source this, or keep it in your completions folder.",
    "_elastik() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}"',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${
      listCommandNames(commands).join(" ")
    } --help --version" -- "$word"))`,
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
  const described = listCommandNames(commands).map((name) =>
    `    ${quote(`${name}:${summaryOf(commands, name)}`)}`
  );
  const cases = listCommandNames(commands).map((name) => {
    const words = [...optionsOf(commands, name), ...(values.get(name) ?? [])].map(quote).join(" ");
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
    // Autoloaded from fpath, the file runs at the first completion; sourced, it only registers.
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
    for (const name of listCommandNames(commands)) {
      const condition = `-n '__fish_seen_subcommand_from ${name}'`;
      const summary = quote(summaryOf(commands, name));
      lines.push(`complete -c ${program} -n __fish_use_subcommand -a ${name} -d ${summary}`);
      for (
        const [option, { summary: optionSummary, value }] of Object.entries(
          commands[name]?.options ?? {},
        )
      ) {
        const takes = value === undefined ? "" : " -x";
        lines.push(
          `complete -c ${program} ${condition} -l ${option}${takes} -d ${quote(optionSummary)}`,
        );
      }
      const words = values.get(name);
      if (words !== undefined) {
        lines.push(`complete -c ${program} ${condition} -a ${quote(words.join(" "))}`);
      }
      if (FILES.includes(name)) lines.push(`complete -c ${program} ${condition} -F`);
    }
  }
  return lines.join("\n");
}

function optionsOf(commands: CommandTable, name: string): string[] {
  return [...Object.keys(commands[name]?.options ?? {}), "help"].map((option) => `--${option}`);
}

function summaryOf(commands: CommandTable, name: string): string {
  return commands[name]?.summary ?? "";
}

/** Quotes a word in a form that all three shells read in the same way. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "")}'`;
}
