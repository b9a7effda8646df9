/**
 * Parses the accounts of `/etc/passwd` (`user:T2`) and `/etc/shadow` (`user:sha256hex`) into one
 * immutable table. A malformed line and a repeated user name are ignored. No content of these files
 * may give a user more than the first well-formed line states.
 */

import { Buffer } from "node:buffer";
import { splitLines } from "../base/decode_text.ts";
import { misleadingFault } from "../base/misleading_text.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { MAX_USER_NAME_CHARS } from "../limits.ts";
import type { Tier } from "./caller.ts";

/** One account. */
export interface Account {
  readonly tier: Tier;
  /** SHA-256 of the password's bytes. */
  readonly digest: Uint8Array;
}

/** Accounts by user name in NFC. */
export type Accounts = ReadonlyMap<string, Account>;

/** An empty table. */
export const NO_ACCOUNTS: Accounts = new Map();

const TIERS: ReadonlyMap<string, Tier> = new Map([["T1", "T1"], ["T2", "T2"], ["T3", "T3"]]);
const USER = /^[^\s:\p{Cc}\p{Cs}]+$/u;
const DIGEST = /^[0-9A-Fa-f]{64}$/;
/** Line numbers that a log line names. */
const MAX_FAULT_LINES = 10;
/** SHA-256 of an empty password. */
const EMPTY_PASSWORD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/**
 * Compared when the user does not exist, so that the time is the same. No known password has this
 * digest.
 */
const UNKNOWN_USER: Account = { tier: "T1", digest: new Uint8Array(32) };

/** Line of a file that defines no account. */
type OnFault = (line: number) => void;

/**
 * Parses both files. A user needs a line in each. Lines end with LF, CRLF or CR; spaces and tabs at
 * the ends of a line have no effect.
 *
 * @param passwd text of `/etc/passwd`; `#` starts a comment line
 * @param shadow text of `/etc/shadow`; the digest of the empty password is treated as malformed
 */
export function parseAccounts(passwd: string, shadow: string): Accounts {
  const digests = parseShadow(shadow);
  const accounts = new Map<string, Account>();
  for (const [user, tier] of parsePasswd(passwd)) {
    const digest = digests.get(user);
    if (digest !== undefined) accounts.set(user, { tier, digest });
  }
  return accounts;
}

/**
 * Lists the lines of both files that have no effect, for the server log. The texts quote nothing of
 * the files.
 *
 * @param passwd text of `/etc/passwd`
 * @param shadow text of `/etc/shadow`
 * @returns one clause for each file that has such lines
 */
export function findAccountFaults(passwd: string, shadow: string): string[] {
  const found: string[] = [];
  const report = (name: string, parse: (onFault: OnFault) => unknown, form: string) => {
    const lines: number[] = [];
    parse((line) => lines.push(line));
    if (lines.length === 0) return;
    const more = lines.length > MAX_FAULT_LINES
      ? ` and ${lines.length - MAX_FAULT_LINES} more`
      : "";
    found.push(
      `${name} has lines that are ignored, because they are not ${form} or repeat a user: ` +
        `${lines.slice(0, MAX_FAULT_LINES).join(", ")}${more}`,
    );
  };
  report("/etc/passwd", (onFault) => parsePasswd(passwd, onFault), "user:T1, user:T2 or user:T3");
  report("/etc/shadow", (onFault) => parseShadow(shadow, onFault), "user:sha256hex");
  return found;
}

/**
 * Parses the name of an account.
 *
 * @returns the name in NFC; undefined if no account can have it
 */
export function parseAccountName(text: string): string | undefined {
  const name = toAccountName(text);
  return isAccountName(name) ? name : undefined;
}

function isAccountName(name: string): boolean {
  return name.length <= MAX_USER_NAME_CHARS && USER.test(name) && !name.startsWith("#") &&
    misleadingFault(name) === undefined;
}

/** Tiers of `/etc/passwd` by name in NFC. */
export function parsePasswd(text: string, onFault?: OnFault): Map<string, Tier> {
  return parseLines(text, (value) => TIERS.get(value), onFault);
}

function parseShadow(text: string, onFault?: OnFault): Map<string, Uint8Array> {
  return parseLines(text, (value) => {
    const hex = value.toLowerCase();
    return DIGEST.test(value) && hex !== EMPTY_PASSWORD ? Buffer.from(hex, "hex") : undefined;
  }, onFault);
}

function parseLines<T>(
  text: string,
  read: (value: string) => T | undefined,
  onFault: OnFault = () => {},
): Map<string, T> {
  const rows = new Map<string, T>();
  for (const [i, raw] of splitLines(text).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const user = toAccountName(line.slice(0, Math.max(colon, 0)));
    const value = read(line.slice(colon + 1));
    const isValid = value !== undefined && isAccountName(user) && !rows.has(user);
    if (isValid) rows.set(user, value);
    else onFault(i + 1);
  }
  return rows;
}

/**
 * Returns a user name in NFC; `""`, which no user has, if it is too long. NFC of a long sequence of
 * marks would take seconds.
 */
export function toAccountName(text: string): string {
  // A character has at most four code units more before NFC than after it.
  return text.length > 5 * MAX_USER_NAME_CHARS ? "" : text.normalize("NFC");
}

/**
 * Checks a password. The work and the time depend only on what was sent, not on whether the user
 * exists.
 *
 * @param accounts the table
 * @param user the user name; compared in NFC
 * @param password the bytes as sent; the empty password is never valid
 * @returns the account, or undefined if the user or the password is wrong
 */
export function findAccount(
  accounts: Accounts,
  user: string,
  password: Uint8Array | string,
): Account | undefined {
  const account = accounts.get(toAccountName(user)) ?? UNKNOWN_USER;
  const digest = nodeCrypto().createHash("sha256").update(password).digest();
  const matches = nodeCrypto().timingSafeEqual(digest, account.digest);
  return matches && account !== UNKNOWN_USER ? account : undefined;
}

/**
 * Checks whether an account still has the tier and the password that it had earlier.
 *
 * @param current the account of the same user now, or undefined if it was removed
 * @param earlier the account as it was when its user was authenticated
 */
export function isSameAccount(current: Account | undefined, earlier: Account): boolean {
  return current !== undefined && current.tier === earlier.tier &&
    nodeCrypto().timingSafeEqual(current.digest, earlier.digest);
}
