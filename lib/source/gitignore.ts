/**
 * Parses `.gitignore` files, for excluding only: a negated pattern (`!`) is ignored, so an error
 * excludes a file rather than publishing it. It does not access the disk.
 */

/** Returns whether a path is ignored; the path is relative to the folder of the ignore file. */
export type IgnoreMatcher = (path: string, isFolder: boolean) => boolean;

interface Rule {
  readonly pattern: RegExp;
  readonly foldersOnly: boolean;
}

/**
 * Parses one file.
 *
 * @param text one pattern per line, `#` starts a comment, as git reads it
 * @returns a matcher for paths below the folder of the file
 */
export function parseGitignore(text: string): IgnoreMatcher {
  const rules = text.split("\n").flatMap((line) => ruleOf(line) ?? []);
  return (path, isFolder) =>
    rules.some(({ pattern, foldersOnly }) => (isFolder || !foldersOnly) && pattern.test(path));
}

function ruleOf(line: string): Rule | undefined {
  // Trailing spaces count only if they are escaped.
  let text = line.replace(/\r$/, "").replace(/(?<!\\) +$/, "");
  if (text === "" || text.startsWith("#") || text.startsWith("!")) return undefined;
  const foldersOnly = text.endsWith("/");
  if (foldersOnly) text = text.slice(0, -1);
  const anchored = text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
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

/** A character class. An invalid one matches every character. */
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
