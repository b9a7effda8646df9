/**
 * The caller of a request: its tier, its name in the event chain, and what limits it. The gate
 * creates the value once per request from the Authorization header; no later code reads that
 * header. This module only declares the type: `authenticate.ts` determines callers, `policy.ts`
 * decides what they can do.
 */

/** The three levels of authority, lowest first: T1 anonymous, T2 token, T3 approve token. */
export type Tier = "T1" | "T2" | "T3";

/**
 * What a capability allows: `r` reads; `rw` also writes what T2 may write; `rwd` also deletes, moves
 * and restores it.
 */
export type CapabilityMode = "r" | "rw" | "rwd";

/**
 * The limits of a capability. The path must be inside every prefix, and the mode limits the action.
 */
export interface Scope {
  /**
   * Canonical absolute paths without a trailing slash, `/home/scratch`; `/` is the whole tree. Each is
   * at or below the one before, so the last one is the innermost.
   */
  readonly prefixes: readonly string[];
  /** The narrowest mode of all lines. */
  readonly mode: CapabilityMode;
  /** Unix time in seconds at which the capability expires. */
  readonly exp: number;
  /** Id of the capability; absent if an earlier version minted it. */
  readonly id?: string;
  /**
   * The names that `by` shows, outermost first; absent without a name. The first one is `~<id>` if a
   * holder added a name to a capability that had none.
   */
  readonly names?: readonly string[];
  /**
   * The first line of the token, without its signature. The tokens that a holder derives from one
   * capability have the same first line, so limits per credential count them together.
   */
  readonly root: string;
}

/**
 * Grants of a plugin by canonical path: `/etc/x` covers this path only, `/var/cache/x/` the
 * collection and everything below it. The longest matching path decides.
 */
export type Grants = Readonly<Record<string, "r" | "rw">>;

/**
 * A plugin that calls on behalf of a caller, through `env.caller`. It has the rights of that caller,
 * except those whose effect would outlive the request: see `decide` in `policy.ts`.
 */
export interface Delegation {
  /** Name of the plugin without its namespace. */
  readonly plugin: string;
  /** The caller as the gate created it, also if several plugins passed the request on. */
  readonly holder: Caller;
  /** Whether a path is a config world of a plugin, or above or below one. */
  isConfigPath(path: string): boolean;
}

/**
 * The caller of one request. Immutable. Created by `authenticate`, or by the plugin host for a
 * plugin.
 */
export interface Caller {
  readonly tier: Tier;
  /**
   * The name that the event chain records, never a secret: `T1`, `T2`, `T3`; `T2:local` for a
   * loopback caller without a credential; `cap:/home/team#kestrel/junior`; `user:ada`.
   */
  readonly by: string;
  /** Present only for a capability. */
  readonly scope?: Scope;
  /**
   * Present only for a plugin that calls without a user: it can reach these paths and no others.
   */
  readonly grants?: Grants;
  /** Present only if a plugin makes the request on behalf of the caller. */
  readonly delegation?: Delegation;
  /**
   * Present only if a plugin makes the request: whether this plugin, or one that called it, has lost its
   * authority since. It was disabled, deleted or replaced, perhaps at another server.
   */
  readonly isEnded?: () => boolean;
  /** Present only if the caller was read from a record: the mark of its account; see `accountMark`. */
  readonly account?: string;
  /** A valid credential was sent: a token, a capability or an account. */
  readonly authenticated?: true;
  /** A credential was sent, and it is unknown, expired or revoked. */
  readonly rejected?: true;
  /** The credential was a capability of this server that `/etc/revoked` revokes. */
  readonly revoked?: true;
}

const RANK: Record<Tier, number> = { T1: 1, T2: 2, T3: 3 };

/** Checks whether `tier` is `needed` or higher. */
export function isAtLeast(tier: Tier, needed: Tier): boolean {
  return RANK[tier] >= RANK[needed];
}

/**
 * The key under which limits count what one credential holds: locks, streams. It is not a secret.
 * All tokens derived from one capability have one key. Callers without a credential share one.
 */
export function credentialKey({ by, scope }: Caller): string {
  return scope === undefined ? by : `cap:${scope.root}`;
}

/** Returns the prefix to which a capability is narrowed: the one that all others contain. */
export function innermostPrefix({ prefixes }: Pick<Scope, "prefixes">): string {
  return prefixes.at(-1) ?? "/";
}

/**
 * Returns the name of a capability in events, `cap:/home/team#kestrel/junior`. `#` separates the prefix
 * from the names, so `#` and `%` of the prefix are percent-encoded: no prefix can look like a name.
 */
export function capabilityName(scope: Pick<Scope, "prefixes" | "names">): string {
  const prefix = innermostPrefix(scope).replaceAll("%", "%25").replaceAll("#", "%23");
  const { names = [] } = scope;
  return names.length === 0 ? `cap:${prefix}` : `cap:${prefix}#${names.join("/")}`;
}

/**
 * Splits what {@link capabilityName} returned into the prefix and the names with their `#`.
 *
 * @returns undefined for the name of another caller
 */
export function splitCapabilityName(
  by: string,
): { readonly prefix: string; readonly names: string } | undefined {
  if (!by.startsWith("cap:/")) return undefined;
  const hash = by.indexOf("#");
  const end = hash < 0 ? by.length : hash;
  const prefix = by.slice(4, end).replaceAll("%23", "#").replaceAll("%25", "%");
  return { prefix, names: by.slice(end) };
}

/**
 * Checks whether a caller has the credential of a holder, or the capability from which the holder's
 * was derived. Two capabilities of one prefix are different credentials, also if events name them
 * alike.
 *
 * @param holder the caller that created something: a lock
 */
export function hasCredentialOf(caller: Caller, holder: Caller): boolean {
  const { scope, tier } = caller;
  if (scope === undefined || holder.scope === undefined) {
    return scope === holder.scope && caller.by === holder.by && tier === holder.tier;
  }
  const { root, prefixes, exp, names = [] } = holder.scope;
  return scope.root === root && scope.exp >= exp &&
    scope.prefixes.every((prefix, at) => prefixes[at] === prefix) &&
    (scope.names ?? []).every((name, at) => names[at] === name);
}

/**
 * Checks whether the capability of a caller has expired since the caller was authenticated. A
 * stream or a plugin call can last longer than the capability that opened it.
 *
 * @param nowSeconds current time in Unix seconds
 */
export function isExpired(caller: Caller, nowSeconds: number): boolean {
  return caller.scope !== undefined && caller.scope.exp <= nowSeconds;
}
