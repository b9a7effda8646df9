/**
 * Edits the texts of `/etc/passwd` and `/etc/shadow` by line. All other lines, also comments and those
 * that the server ignores, stay as they are. Pure.
 */

import { splitLines } from "../base/decode_text.ts";
import { parseAccounts, parsePasswd, toAccountName } from "./accounts.ts";
import type { Tier } from "./caller.ts";

/** One account of a list. */
export interface ListedAccount {
  readonly name: string;
  readonly tier: Tier;
  /** Whether it has a usable line in `/etc/shadow`; without one it cannot sign in. */
  readonly hasPassword: boolean;
}

/**
 * Lists the accounts in the order of `/etc/passwd`.
 *
 * @param passwd text of `/etc/passwd`
 * @param shadow text of `/etc/shadow`
 */
export function listAccounts(passwd: string, shadow: string): ListedAccount[] {
  const usable = parseAccounts(passwd, shadow);
  return [...parsePasswd(passwd)].map(([name, tier]) => ({
    name,
    tier,
    hasPassword: usable.has(name),
  }));
}

/** Whether a file has a line of an account, also one with a malformed value. */
export function hasAccountLine(text: string, name: string): boolean {
  return splitLines(text).some((line) => isLineOf(line, name));
}

/**
 * Adds the line of an account, or replaces its lines.
 *
 * @param name name in NFC
 * @param value what follows the colon
 */
export function setAccountLine(text: string, name: string, value: string): string {
  return joinLines([...linesWithout(text, name), `${name}:${value}`]);
}

/** Removes the lines of an account. */
export function removeAccountLine(text: string, name: string): string {
  return joinLines(linesWithout(text, name));
}

function linesWithout(text: string, name: string): string[] {
  const lines = splitLines(text);
  if (lines.at(-1) === "") lines.pop();
  return lines.filter((line) => !isLineOf(line, name));
}

function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

function isLineOf(raw: string, name: string): boolean {
  const line = raw.trim();
  const colon = line.indexOf(":");
  return !line.startsWith("#") && colon > 0 && toAccountName(line.slice(0, colon)) === name;
}
