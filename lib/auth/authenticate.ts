/**
 * Turns the Authorization header into a `Caller`, once a request. This is the only reader of that
 * header and the only holder of the machine's tokens. What is unknown, expired or malformed is
 * rejected alike, so that an answer never tells one from another; nothing here may throw at a
 * stranger's header, and no secret leaves.
 *
 * Tokens are compared as keyed fingerprints, HMAC-like hashes under a secret of the machine: whoever
 * guesses cannot steer or foresee a fingerprint, so even a comparison that stops early tells nothing.
 */

import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { hmacSha256 } from "../base/hash.ts";
import { CAPABILITY_CACHE_ENTRIES, MAX_AUTHORIZATION_CHARS } from "../limits.ts";
import { type Accounts, checkPassword, NO_ACCOUNTS, parseAccounts } from "./accounts.ts";
import { type Caller, isExpired, type Scope } from "./caller.ts";
import { isCapabilityShaped, verify } from "./capability.ts";

/** The machine's secrets, and the clock. */
export interface AuthenticatorSettings {
  /** `ELASTIK_TOKEN`. Absent on an open machine, where loopback callers hold T2; `""` matches nobody. */
  readonly token?: string;
  /** `ELASTIK_APPROVE_TOKEN`; `""` matches nobody. */
  readonly approveToken: string;
  /** `ELASTIK_KEY`, which signs capabilities. */
  readonly key: string;
  /** Unix time in milliseconds. */
  readonly now: () => number;
}

/** Finds the caller behind a header. */
export interface Authenticator {
  /**
   * @param authorization the Authorization header (RFC 9110 §11.6.2), or null when none was sent
   * @param loopback whether the client itself, not only its proxy, is on this machine
   */
  authenticate(authorization: string | null, loopback: boolean): Caller;
  /** Replaces the accounts by those of `/etc/passwd` and `/etc/shadow`. */
  setAccounts(passwd: string, shadow: string): void;
}

/** Without a credential. */
export const ANONYMOUS: Caller = Object.freeze({ tier: "T1", by: "T1" });
/** Without a credential, on loopback, on a machine that has no token set. */
export const LOCAL: Caller = Object.freeze({ tier: "T2", by: "T2:local" });
/** With a credential that is none of this machine's, or no longer. */
export const REJECTED: Caller = Object.freeze({ tier: "T1", by: "T1", rejected: true });

const T2: Caller = Object.freeze({ tier: "T2", by: "T2", authenticated: true });
const T3: Caller = Object.freeze({ tier: "T3", by: "T3", authenticated: true });
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Makes the authenticator of one machine.
 *
 * @throws {TypeError} when the signing key is empty, which would let anyone sign
 */
export function createAuthenticator(settings: AuthenticatorSettings): Authenticator {
  if (settings.key === "") throw new TypeError("Cannot authenticate callers: ELASTIK_KEY is empty");
  return new CredentialAuthenticator(settings);
}

class CredentialAuthenticator implements Authenticator {
  readonly #settings: AuthenticatorSettings;
  readonly #withoutCredential: Caller;
  readonly #pepper: string;
  readonly #tokens = new Map<string, Caller>();
  /** Only what was verified gets in, oldest first; time is checked again at every use. */
  readonly #capabilities = new Map<string, Caller>();
  #accounts: Accounts = NO_ACCOUNTS;

  constructor(settings: AuthenticatorSettings) {
    this.#settings = settings;
    this.#withoutCredential = settings.token === undefined ? LOCAL : ANONYMOUS;
    this.#pepper = Buffer.from(hmacSha256(settings.key, "fingerprint")).toString("hex");
    if (settings.token) this.#tokens.set(this.#fingerprint(toWireForm(settings.token)), T2);
    // Last, so that it wins when an operator set both to the same words.
    const { approveToken } = settings;
    if (approveToken) this.#tokens.set(this.#fingerprint(toWireForm(approveToken)), T3);
  }

  authenticate(authorization: string | null, loopback: boolean): Caller {
    if (authorization === null) return loopback ? this.#withoutCredential : ANONYMOUS;
    if (authorization.length > MAX_AUTHORIZATION_CHARS) return REJECTED;
    const space = authorization.indexOf(" ");
    if (space !== 6 && space !== 5) return REJECTED;
    const scheme = authorization.slice(0, space).toLowerCase();
    let start = space + 1;
    while (authorization.charCodeAt(start) === 0x20) start++; // 1*SP; trim() would eat byte A0 too
    const rest = authorization.slice(start);
    if (scheme === "bearer") return this.#bySecret(rest) ?? REJECTED;
    if (scheme === "basic") return this.#byBasic(rest) ?? REJECTED;
    return REJECTED;
  }

  setAccounts(passwd: string, shadow: string): void {
    this.#accounts = parseAccounts(passwd, shadow);
  }

  /** A token or a capability, as it was on the wire. */
  #bySecret(secret: string): Caller | undefined {
    if (secret === "") return undefined;
    const fingerprint = this.#fingerprint(secret);
    const holder = this.#tokens.get(fingerprint);
    if (holder !== undefined) return holder;
    return isCapabilityShaped(secret) ? this.#byCapability(secret, fingerprint) : undefined;
  }

  #byCapability(token: string, fingerprint: string): Caller | undefined {
    const nowSeconds = this.#settings.now() / 1000;
    const remembered = this.#capabilities.get(fingerprint);
    if (remembered !== undefined) {
      if (!isExpired(remembered, nowSeconds)) return remembered;
      this.#capabilities.delete(fingerprint);
      return undefined;
    }
    const scope = verify(this.#settings.key, token, nowSeconds);
    if (scope === undefined) return undefined;
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

  /** `user:password` in base64 (RFC 7617): a token or capability as password, else an account. */
  #byBasic(credentials: string): Caller | undefined {
    if (!BASE64.test(credentials)) return undefined;
    const bytes = Buffer.from(credentials, "base64");
    const colon = bytes.indexOf(0x3a);
    if (colon < 0) return undefined;
    const password = bytes.subarray(colon + 1);
    const holder = this.#bySecret(password.toString("latin1"));
    if (holder !== undefined) return holder;
    const user = textOf(bytes.subarray(0, colon));
    if (user === undefined) return undefined;
    const tier = checkPassword(this.#accounts, user, password);
    return tier &&
      Object.freeze({ tier, by: `user:${user.normalize("NFC")}`, authenticated: true });
  }

  #fingerprint(secret: string): string {
    return hash("sha256", this.#pepper + secret, "hex");
  }
}

function capabilityCaller(scope: Scope): Caller {
  // The lines intersect, so the longest prefix is what the token reaches; a later, wider line could
  // otherwise make the event chain say more than the caller holds.
  const reach = scope.prefixes.reduce((a, b) => (b.length >= a.length ? b : a));
  return Object.freeze({
    tier: "T2",
    by: `cap:${reach}`,
    scope: Object.freeze({ ...scope, prefixes: Object.freeze(scope.prefixes) }),
    authenticated: true,
  });
}

/** Header values arrive as one character a byte; a token set in the environment is brought to that form. */
function toWireForm(token: string): string {
  return Buffer.from(token).toString("latin1");
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // a user name that is not UTF-8 names nobody
  }
}
