/**
 * The patterns of a `.gitignore` file, as far as they can only take away: a `!` that would bring
 * something back is read as if it were not there, so that a file is left out rather than let out by
 * mistake. It knows no disk.
 */

/** Says whether a path below the pattern file's folder is ignored. */
export type Ignore = (path: string, isFolder: boolean) => boolean;

interface Rule {
  readonly pattern: RegExp;
  readonly foldersOnly: boolean;
}

/**
 * Reads the patterns of one file.
 *
 * @param text as git reads it: a pattern a line, `#` comments
 */
export function readIgnore(text: string): Ignore {
  const rules = text.split("\n").flatMap((line) => ruleOf(line) ?? []);
  return (path, isFolder) =>
    rules.some(({ pattern, foldersOnly }) => (isFolder || !foldersOnly) && pattern.test(path));
}

function ruleOf(line: string): Rule | undefined {
  // Spaces at the end count only when they are escaped.
  let text = line.replace(/\r$/, "").replace(/(?<!\\) +$/, "");
  if (text === "" || text.startsWith("#") || text.startsWith("!")) return undefined;
  const foldersOnly = text.endsWith("/");
  if (foldersOnly) text = text.slice(0, -1);
  const anchored = text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
  // Whatever lies below an ignored folder is ignored with it.
  const source = `^${anchored ? "" : "(?:.*/)?"}${globSource(text)}$`;
  return { pattern: new RegExp(source, "u"), foldersOnly };
}

function globSource(glob: string): string {
  let source = "";
  for (let at = 0; at < glob.length;) {
    const rest = glob.slice(at);
    const [token = "", kind] = TOKENS.map(([kind, pattern]) =>
      [pattern.exec(rest)?.[0], kind] as const
    ).find(([found]) => found !== undefined) ?? [];
    at += Math.max(token.length, 1);
    if (kind === "folders") {
      source += "(?:.*/)?";
    } else if (kind === "all") {
      source += ".*";
    } else if (kind === "star") {
      source += "[^/]*";
    } else if (kind === "one") {
      source += "[^/]";
    } else if (kind === "class") {
      source += classSource(token);
    } else source += escape(token.length > 1 ? token.slice(1) : token);
  }
  return source;
}

const TOKENS = [
  ["folders", /^\*\*\//],
  ["all", /^\*\*/],
  ["star", /^\*/],
  ["one", /^\?/],
  ["class", /^\[!?[^\]\\/]+\]/],
  ["escaped", /^\\[^]/],
  ["plain", /^[^]/],
] as const;

/** A set of characters; one that cannot be read stands for every character. */
function classSource(token: string): string {
  const source = token.replace(/^\[!/, "[^");
  try {
    new RegExp(source, "u");
    return source;
  } catch {
    return "[^/]";
  }
}

function escape(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&");
}
