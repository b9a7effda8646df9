/**
 * Parses the accounts of `/etc/passwd` (`user:T2`) and `/etc/shadow` (`user:sha256hex`) into one
 * immutable table. A malformed line and a repeated user name are ignored. No content of these files
 * may give a user more than the first well-formed line states.
 */

import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
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
const EMPTY_PASSWORD = createHash("sha256").digest("hex");
/**
 * Compared when the user does not exist, so that the time is the same. No known password has this
 * digest.
 */
const UNKNOWN_USER: Account = { tier: "T1", digest: new Uint8Array(32) };

/**
 * Parses both files. A user needs a line in each.
 *
 * @param passwd text of `/etc/passwd`; `#` starts a comment line
 * @param shadow text of `/etc/shadow`; the digest of the empty password is treated as malformed
 */
export function parseAccounts(passwd: string, shadow: string): Accounts {
  const digests = parseLines(shadow, (value) => {
    const hex = value.toLowerCase();
    return DIGEST.test(value) && hex !== EMPTY_PASSWORD ? Buffer.from(hex, "hex") : undefined;
  });
  const accounts = new Map<string, Account>();
  for (const [user, tier] of parseLines(passwd, (value) => TIERS.get(value))) {
    const digest = digests.get(user);
    if (digest !== undefined) accounts.set(user, { tier, digest });
  }
  return accounts;
}

function parseLines<T>(text: string, read: (value: string) => T | undefined): Map<string, T> {
  const rows = new Map<string, T>();
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const user = line.slice(0, Math.max(colon, 0)).normalize("NFC");
    const value = read(line.slice(colon + 1));
    if (value === undefined || user.length > MAX_USER_NAME_CHARS || !USER.test(user)) continue;
    if (!rows.has(user)) rows.set(user, value);
  }
  return rows;
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
  const account = accounts.get(user.normalize("NFC")) ?? UNKNOWN_USER;
  const digest = createHash("sha256").update(password).digest();
  const matches = timingSafeEqual(digest, account.digest);
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
    timingSafeEqual(current.digest, earlier.digest);
}
