/**
 * Who a request comes from, as one value. The Authorization header is turned into a `Caller` once,
 * at the gate, and nobody behind it reads that header again. This file holds the shape only: how a
 * caller is found lives in `authenticate.ts`, what one may do in `policy.ts`.
 */

/** The three tiers of the machine, weakest first. */
export type Tier = "T1" | "T2" | "T3";

/** What confines a capability: every prefix must contain the path, and the mode bounds the action. */
export interface Scope {
  /** Canonical absolute paths without a trailing slash, `/home/scratch`; `/` is the whole tree. */
  readonly prefixes: readonly string[];
  /** `r` writes nothing, `rw` writes what T2 may write. */
  readonly mode: "r" | "rw";
  /** Unix time in seconds at which the capability ends. */
  readonly exp: number;
}

/**
 * What a plugin was granted, by canonical path: `/etc/x` is this path alone, `/var/cache/x/` the
 * collection and everything below it. The longest that covers a path decides.
 */
export type Grants = Readonly<Record<string, "r" | "rw">>;

/** The caller of one request. Immutable; made by `authenticate`, or by the host for a plugin. */
export interface Caller {
  readonly tier: Tier;
  /**
   * What the event chain records, never a secret: `T1`, `T2`, `T3`; `T2:local` for a loopback caller
   * of an open machine, who proved nothing; `cap:/home/scratch`; `user:ada`.
   */
  readonly by: string;
  /** Present for a capability alone. */
  readonly scope?: Scope;
  /** Present for a plugin that acts on its own: the prefixes it was granted, and nothing else. */
  readonly grants?: Grants;
  /** A credential was sent and it is one of the machine's: token, capability or account. */
  readonly authenticated?: true;
  /** A credential was sent and none of the machine's credentials matched it, or it has expired. */
  readonly rejected?: true;
}

const RANK: Record<Tier, number> = { T1: 1, T2: 2, T3: 3 };

/** Whether `tier` is at least `needed`. */
export function isAtLeast(tier: Tier, needed: Tier): boolean {
  return RANK[tier] >= RANK[needed];
}

/**
 * Whether a caller found earlier has meanwhile lost what it held: a stream or a plugin call may
 * outlive the capability that opened it.
 *
 * @param nowSeconds Unix time in seconds
 */
export function isExpired(caller: Caller, nowSeconds: number): boolean {
  return caller.scope !== undefined && caller.scope.exp <= nowSeconds;
}
