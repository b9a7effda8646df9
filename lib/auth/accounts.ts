/**
 * The accounts of `/etc/passwd` (`user:T2`) and `/etc/shadow` (`user:sha256hex`) as one immutable
 * table. A line that is malformed or names a user again counts for nothing, as if it were not there;
 * no reading of these files may give anyone more than some well-formed first line says.
 */

import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { MAX_USER_NAME_CHARS } from "../limits.ts";
import type { Tier } from "./caller.ts";

interface Account {
  readonly tier: Tier;
  /** SHA-256 of the password's bytes. */
  readonly digest: Uint8Array;
}

/** Accounts by user name in NFC. */
export type Accounts = ReadonlyMap<string, Account>;

/** No accounts at all. */
export const NO_ACCOUNTS: Accounts = new Map();

const TIERS: ReadonlyMap<string, Tier> = new Map([["T1", "T1"], ["T2", "T2"], ["T3", "T3"]]);
const USER = /^[^\s:\p{Cc}\p{Cs}]+$/u;
const DIGEST = /^[0-9A-Fa-f]{64}$/;
const EMPTY_PASSWORD = createHash("sha256").digest("hex");
/** Stands in for the digest of a user who does not exist; no password is known to have it. */
const UNKNOWN_USER: Account = { tier: "T1", digest: new Uint8Array(32) };

/**
 * Reads both files. Only users who stand in both are accounts.
 *
 * @param passwd text of `/etc/passwd`; `#` begins a comment line
 * @param shadow text of `/etc/shadow`; the digest of the empty password counts as malformed
 */
export function parseAccounts(passwd: string, shadow: string): Accounts {
  const digests = table(shadow, (value) => {
    const hex = value.toLowerCase();
    return DIGEST.test(value) && hex !== EMPTY_PASSWORD ? Buffer.from(hex, "hex") : undefined;
  });
  const accounts = new Map<string, Account>();
  for (const [user, tier] of table(passwd, (value) => TIERS.get(value))) {
    const digest = digests.get(user);
    if (digest !== undefined) accounts.set(user, { tier, digest });
  }
  return accounts;
}

function table<T>(text: string, read: (value: string) => T | undefined): Map<string, T> {
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
 * The tier of a user who gave the right password. Does the same work for a user who does not exist,
 * and takes a time that depends on what was sent alone.
 *
 * @param password the bytes as sent; the empty password is never right, since no account keeps its
 * digest
 */
export function checkPassword(
  accounts: Accounts,
  user: string,
  password: Uint8Array | string,
): Tier | undefined {
  const account = accounts.get(user.normalize("NFC")) ?? UNKNOWN_USER;
  const digest = createHash("sha256").update(password).digest();
  const right = timingSafeEqual(digest, account.digest);
  return right && account !== UNKNOWN_USER ? account.tier : undefined;
}
