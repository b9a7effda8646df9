/**
 * Authentication: turns the Authorization header into a `Caller`, once per request. This is the
 * only reader of that header and the only module that holds the tokens of the server. Unknown,
 * expired and malformed credentials are rejected in the same way, so that a response does not
 * reveal which it was. The holder of a revoked capability learns that it is revoked. No header value
 * makes the module throw.
 *
 * Tokens are compared by a fingerprint: a SHA-256 over a secret of the server and the token. A
 * client cannot predict or choose a fingerprint, so a comparison that stops at the first difference
 * reveals nothing.
 */

import { Buffer } from "node:buffer";
import { hmacSha256, sha256Hex } from "../base/hash.ts";
import { CAPABILITY_CACHE_ENTRIES, MAX_AUTHORIZATION_CHARS } from "../limits.ts";
import {
  type Account,
  type Accounts,
  findAccount,
  isSameAccount,
  NO_ACCOUNTS,
  parseAccounts,
} from "./accounts.ts";
import { NOTHING_REVOKED, type RevokedList } from "../world/revoked_list.ts";
import { type Caller, capabilityName, isExpired, type Scope, type Tier } from "./caller.ts";
import { isCapabilityShaped, verify } from "./capability.ts";
import { isRevoked } from "./revocation.ts";

/** The tokens of the two upper tiers. */
export interface Tokens {
  /** `ELASTIK_TOKEN`. If absent, loopback callers have T2. `""` matches no credential. */
  readonly token?: string;
  /** `ELASTIK_APPROVE_TOKEN`; `""` matches no credential. */
  readonly approveToken: string;
}

/** The secrets of the server, and the clock. */
export interface AuthenticatorSettings extends Tokens {
  /** `ELASTIK_KEY`, the key that signs capabilities. */
  readonly key: string;
  /** Current time in Unix milliseconds. */
  readonly now: () => number;
}

/** Determines the caller of a request. */
export interface Authenticator {
  /**
   * Determines the caller.
   *
   * @param authorization value of the Authorization header (RFC 9110 §11.6.2), or null if it was
   * not sent
   * @param loopback whether the client itself, not only its proxy, runs on this computer
   */
  authenticate(authorization: string | null, loopback: boolean): Caller;
  /**
   * Replaces the accounts.
   *
   * @param passwd text of `/etc/passwd`
   * @param shadow text of `/etc/shadow`
   */
  setAccounts(passwd: string, shadow: string): void;
  /**
   * Accepts no account until {@link setAccounts} is called. Callers that were authenticated before are
   * not affected.
   */
  suspendAccounts(): void;
  /**
   * Replaces the tokens. In effect when it returns. A replaced token stays valid for the grace time;
   * of each tier only the token before the current one does. Without a grace time, what a replaced
   * token opened ends at once.
   *
   * @param tokens `token` must be set if and only if it was set at the start
   * @param graceMs grace time in milliseconds; 0 for none
   * @returns the tiers whose token is another one now
   */
  setTokens(tokens: Tokens, graceMs: number): readonly Tier[];
  /**
   * Calls the listeners of {@link onChange}: the grace time of a token has ended. The token itself ends
   * without this call.
   */
  endGrace(): void;
  /** Replaces the list of revoked capabilities. In effect when it returns. */
  setRevoked(list: RevokedList): void;
  /**
   * Accepts no capability until {@link setRevoked} is called. Callers that were authenticated before
   * are not affected.
   */
  suspendCapabilities(): void;
  /**
   * Checks whether the credential of a caller still gives the authority that it gave when the
   * caller was authenticated. A stream, a lock or a plugin call can last longer than the credential
   * that opened it: a capability expires or is revoked, a token is replaced, an account is removed,
   * gets another tier or another password.
   *
   * @param caller the same object that {@link authenticate} returned, or one that was read from a record: of
   * its credential the capability and the account are checked
   */
  isCurrent(caller: Caller): boolean;
  /**
   * Returns the mark of the account of a caller, for a record that other servers with the same key read.
   * It changes with the tier and with the password, and reveals neither. Undefined without an account.
   *
   * @param caller the same object that {@link authenticate} returned
   */
  accountMark(caller: Caller): string | undefined;
  /**
   * Checks whether a caller is what it is because of the accounts or the revoked capabilities. Other
   * servers of a cluster change them, so memory must follow before the result of {@link authenticate}
   * counts, also a refusal. No other result depends on the store.
   *
   * @param caller the same object that {@link authenticate} returned
   */
  isFromStore(caller: Caller): boolean;
  /**
   * Settles when the accounts and the revoked capabilities that are being read are known; undefined if
   * none are being read. Never rejects.
   */
  readonly pending: Promise<void> | undefined;
  /**
   * Calls a listener after each change that may have ended a credential before its expiry. Expiry
   * is not reported: callers that wait need their own timer until `caller.scope.exp`.
   *
   * @returns a function that removes the listener
   */
  onChange(listener: () => void): () => void;
}

/** The caller of a request without a credential. */
export const ANONYMOUS: Caller = Object.freeze({ tier: "T1", by: "T1" });
/** The caller of a loopback request without a credential, if no token is set. */
export const LOCAL: Caller = Object.freeze({ tier: "T2", by: "T2:local" });
/** The caller of a request with an unknown or expired credential. */
export const REJECTED: Caller = Object.freeze({ tier: "T1", by: "T1", rejected: true });
/** The caller of a request with credentials that the accounts do not allow, or do not allow yet. */
const UNKNOWN: Caller = Object.freeze({ tier: "T1", by: "T1", rejected: true });
/** The caller of a request with a revoked capability. */
export const REVOKED: Caller = Object.freeze({
  tier: "T1",
  by: "T1",
  rejected: true,
  revoked: true,
});

/** A token that is or was valid. Each has its own caller, so that its authority can end. */
interface TokenHolder {
  readonly caller: Caller;
  /** Unix milliseconds at which the token ends; absent while it is the token of its tier. */
  until?: number;
}

/** What precedes the name of an account in the name of its caller. */
const ACCOUNT_PREFIX = "user:";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Creates the authenticator of a server.
 *
 * @throws {TypeError} if the signing key is empty, because any client could then sign capabilities
 */
export function createAuthenticator(settings: AuthenticatorSettings): Authenticator {
  if (settings.key === "") throw new TypeError("Cannot authenticate callers: ELASTIK_KEY is empty");
  return new CredentialAuthenticator(settings);
}

class CredentialAuthenticator implements Authenticator {
  readonly #settings: AuthenticatorSettings;
  readonly #withoutCredential: Caller;
  #pepper: string | undefined;
  /** Tokens of the start until the first use: a hash of them would delay the first response. */
  #initial: Tokens | undefined;
  /** Tokens by fingerprint: the token of each tier, and one before it in its grace time. */
  #tokens = new Map<string, TokenHolder>();
  readonly #holderOf = new WeakMap<Caller, TokenHolder>();
  /**
   * Verified capabilities by fingerprint, oldest first. The expiry is checked at every use; a change
   * of the list of revoked capabilities removes all of them.
   */
  #capabilities = new Map<string, Caller>();
  #revoked: RevokedList = NOTHING_REVOKED;
  #areCapabilitiesAccepted = true;
  #accounts: Accounts = NO_ACCOUNTS;
  #areAccountsKnown = true;
  /** The account with which each caller was authenticated. */
  readonly #accountOf = new WeakMap<Caller, { readonly user: string; readonly account: Account }>();
  readonly #marks = new WeakMap<Account, string>();
  readonly #listeners = new Set<() => void>();
  #pending: PromiseWithResolvers<void> | undefined;

  constructor(settings: AuthenticatorSettings) {
    this.#settings = settings;
    this.#withoutCredential = settings.token === undefined ? LOCAL : ANONYMOUS;
    this.#initial = settings;
  }

  authenticate(authorization: string | null, loopback: boolean): Caller {
    if (authorization === null) return loopback ? this.#withoutCredential : ANONYMOUS;
    if (authorization.length > MAX_AUTHORIZATION_CHARS) return REJECTED;
    const space = authorization.indexOf(" ");
    if (space !== 6 && space !== 5) return REJECTED;
    const scheme = authorization.slice(0, space).toLowerCase();
    let start = space + 1;
    while (authorization.charCodeAt(start) === 0x20) start++; // 1*SP; trim() would also remove byte A0
    const rest = authorization.slice(start);
    if (scheme === "bearer") return this.#bySecret(rest) ?? REJECTED;
    if (scheme === "basic") return this.#byBasic(rest) ?? REJECTED;
    return REJECTED;
  }

  setTokens({ token = "", approveToken }: Tokens, graceMs: number): readonly Tier[] {
    const until = this.#settings.now() + graceMs;
    const before = this.#openTokens();
    const after = new Map<string, TokenHolder>();
    const changed: Tier[] = [];
    // T3 is set last, so that it wins if both tokens are equal.
    for (const [tier, secret] of [["T2", token], ["T3", approveToken]] as const) {
      if (secret === "") continue;
      const fingerprint = this.#fingerprint(toWireForm(secret));
      const known = before.get(fingerprint);
      const isKnown = known?.caller.tier === tier;
      if (!isKnown || known.until !== undefined) changed.push(tier);
      const holder = isKnown && this.#isOpen(known) ? known : this.#createHolder(tier);
      delete holder.until;
      after.set(fingerprint, holder);
    }
    const current = new Set(after.values());
    for (const [fingerprint, holder] of before) {
      if (current.has(holder)) continue;
      // What was replaced earlier ends now, unless its tier keeps its token.
      const hasNew = changed.includes(holder.caller.tier);
      if (hasNew || holder.until === undefined) {
        holder.until = holder.until === undefined && graceMs > 0 ? until : 0;
      }
      if (this.#isOpen(holder) && !after.has(fingerprint)) after.set(fingerprint, holder);
      else holder.until = 0;
    }
    this.#tokens = after;
    if (changed.length > 0) this.#notify();
    return changed;
  }

  endGrace(): void {
    const tokens = this.#openTokens();
    for (const [fingerprint, holder] of tokens) {
      if (!this.#isOpen(holder)) tokens.delete(fingerprint);
    }
    this.#notify();
  }

  #openTokens(): Map<string, TokenHolder> {
    const initial = this.#initial;
    if (initial === undefined) return this.#tokens;
    this.#initial = undefined;
    // T3 is set last, as in setTokens().
    for (
      const [tier, secret = ""] of [["T2", initial.token], ["T3", initial.approveToken]] as const
    ) {
      if (secret === "") continue;
      this.#tokens.set(this.#fingerprint(toWireForm(secret)), this.#createHolder(tier));
    }
    return this.#tokens;
  }

  #createHolder(tier: "T2" | "T3"): TokenHolder {
    const holder = { caller: Object.freeze<Caller>({ tier, by: tier, authenticated: true }) };
    this.#holderOf.set(holder.caller, holder);
    return holder;
  }

  #isOpen({ until }: TokenHolder): boolean {
    return until === undefined || this.#settings.now() < until;
  }

  suspendAccounts(): void {
    this.#areAccountsKnown = false;
    this.#pending ??= Promise.withResolvers();
  }

  setAccounts(passwd: string, shadow: string): void {
    this.#areAccountsKnown = true;
    this.#accounts = parseAccounts(passwd, shadow);
    this.#settle();
    this.#notify();
  }

  setRevoked(list: RevokedList): void {
    this.#revoked = list;
    this.#areCapabilitiesAccepted = true;
    this.#capabilities = new Map();
    this.#settle();
    this.#notify();
  }

  suspendCapabilities(): void {
    this.#areCapabilitiesAccepted = false;
    this.#capabilities = new Map();
    this.#pending ??= Promise.withResolvers();
  }

  get pending(): Promise<void> | undefined {
    return this.#pending?.promise;
  }

  #settle(): void {
    if (!this.#areAccountsKnown || !this.#areCapabilitiesAccepted) return;
    this.#pending?.resolve();
    this.#pending = undefined;
  }

  isFromStore(caller: Caller): boolean {
    return caller === UNKNOWN || caller === REVOKED || caller.scope !== undefined ||
      this.#accountOf.has(caller);
  }

  isCurrent(caller: Caller): boolean {
    if (isExpired(caller, this.#settings.now() / 1000)) return false;
    if (caller.scope !== undefined && isRevoked(this.#revoked, caller.scope)) return false;
    const credential = caller.delegation?.holder ?? caller;
    const holder = this.#holderOf.get(credential);
    if (holder !== undefined && !this.#isOpen(holder)) return false;
    const used = this.#accountOf.get(credential);
    if (used !== undefined) return isSameAccount(this.#accounts.get(used.user), used.account);
    if (credential.account === undefined) return true;
    const user = credential.by.slice(ACCOUNT_PREFIX.length);
    const account = this.#accounts.get(user);
    return account !== undefined && this.#markOf(user, account) === credential.account;
  }

  accountMark(caller: Caller): string | undefined {
    const used = this.#accountOf.get(caller.delegation?.holder ?? caller);
    return used && this.#markOf(used.user, used.account);
  }

  #markOf(user: string, account: Account): string {
    const known = this.#marks.get(account);
    if (known !== undefined) return known;
    const { tier, digest } = account;
    const secret = hmacSha256(this.#settings.key, "account");
    const mark = hmacSha256(secret, JSON.stringify([user, tier, digest.toHex()])).toHex();
    this.#marks.set(account, mark);
    return mark;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Determines the caller of a token or a capability, given as it was on the wire. */
  #bySecret(secret: string): Caller | undefined {
    if (secret === "") return undefined;
    const fingerprint = this.#fingerprint(secret);
    const holder = this.#openTokens().get(fingerprint);
    if (holder !== undefined) return this.#isOpen(holder) ? holder.caller : undefined;
    return isCapabilityShaped(secret) ? this.#byCapability(secret, fingerprint) : undefined;
  }

  #byCapability(token: string, fingerprint: string): Caller | undefined {
    const nowSeconds = this.#settings.now() / 1000;
    const cached = this.#capabilities.get(fingerprint);
    if (cached !== undefined) {
      if (!isExpired(cached, nowSeconds)) return cached;
      this.#capabilities.delete(fingerprint);
      return undefined;
    }
    const scope = verify(this.#settings.key, token, nowSeconds);
    if (scope === undefined) return undefined;
    if (!this.#areCapabilitiesAccepted) return UNKNOWN;
    if (isRevoked(this.#revoked, scope)) return REVOKED;
    const caller = capabilityCaller(scope);
    if (this.#capabilities.size >= CAPABILITY_CACHE_ENTRIES) {
      for (const oldest of this.#capabilities.keys()) {
        this.#capabilities.delete(oldest);
        break;
      }
    }
    this.#capabilities.set(fingerprint, caller);
    return caller;
  }

  /**
   * Determines the caller of Basic credentials (RFC 7617): a token or a capability as password,
   * otherwise an account.
   */
  #byBasic(credentials: string): Caller | undefined {
    if (!BASE64.test(credentials)) return undefined;
    const bytes = Buffer.from(credentials, "base64");
    const colon = bytes.indexOf(0x3a);
    if (colon < 0) return undefined;
    const password = bytes.subarray(colon + 1);
    const holder = this.#bySecret(password.toString("latin1"));
    if (holder !== undefined) return holder;
    const user = decodeUtf8(bytes.subarray(0, colon));
    if (user === undefined) return undefined;
    const account = findAccount(this.#accounts, user, password);
    if (account === undefined || !this.#areAccountsKnown) return UNKNOWN;
    const name = user.normalize("NFC");
    const caller: Caller = Object.freeze({
      tier: account.tier,
      by: `${ACCOUNT_PREFIX}${name}`,
      authenticated: true,
    });
    this.#accountOf.set(caller, { user: name, account });
    return caller;
  }

  #fingerprint(secret: string): string {
    this.#pepper ??= Buffer.from(hmacSha256(this.#settings.key, "fingerprint")).toString("hex");
    return sha256Hex(this.#pepper + secret);
  }
}

function capabilityCaller(scope: Scope): Caller {
  return Object.freeze({
    tier: "T2",
    by: capabilityName(scope),
    scope: Object.freeze({ ...scope, prefixes: Object.freeze(scope.prefixes) }),
    authenticated: true,
  });
}

/**
 * Header values arrive as one character per byte. Converts a token from the environment to that
 * form.
 */
function toWireForm(token: string): string {
  return Buffer.from(token).toString("latin1");
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // no account has a name that is not UTF-8
  }
}
