/**
 * The authority of one started plugin: the callers with which its subrequests are answered. For
 * `env.machine` it is the plugin with its grants; for `env.caller` the caller of the request, marked
 * with the plugin (`Delegation`), so that the policy refuses what would outlive the request. `Cell.stop`
 * ends the authority.
 */

import type { Caller, Delegation, Grants } from "../../auth/caller.ts";

/** What the host decides for all plugins. */
export interface AuthorityRules {
  /** Whether a path is a config world of a plugin, or above or below one. */
  isConfigPath(path: string): boolean;
  /** Whether the credential of a caller is still valid. */
  isCurrent(caller: Caller): boolean;
}

/** The authority of one started plugin. */
export class PluginAuthority {
  /** The caller for `env.machine`: tier T1 with the plugin's grants. */
  readonly machine: Caller;
  readonly #plugin: string;
  readonly #rules: AuthorityRules;
  readonly #delegated = new WeakMap<Caller, Caller>();
  #isEnded = false;

  /** @param plugin name of the plugin without its namespace */
  constructor(plugin: string, grants: Grants, rules: AuthorityRules) {
    this.#plugin = plugin;
    this.#rules = rules;
    this.machine = Object.freeze({
      tier: "T1",
      by: `plugin:${plugin}`,
      authenticated: true,
      grants,
      isEnded: () => this.#isEnded,
    });
  }

  /** Ends the authority: changes that its callers have not made yet are refused. */
  end(): void {
    this.#isEnded = true;
  }

  /** Whether the credential of a caller is still valid. */
  isCurrent(caller: Caller): boolean {
    return this.#rules.isCurrent(caller);
  }

  /** Returns the caller for `env.caller` in a request of `caller`; always the same object for one. */
  delegate(caller: Caller): Caller {
    const known = this.#delegated.get(caller);
    if (known !== undefined) return known;
    // A plugin without a user stays itself: its grants limit it, and they never cover credentials.
    const delegation: Delegation = {
      plugin: this.#plugin,
      holder: caller.delegation?.holder ?? caller,
      isConfigPath: (path) => this.#rules.isConfigPath(path),
    };
    const isEnded = () => this.#isEnded || caller.isEnded?.() === true;
    const delegated: Caller = Object.freeze({ ...caller, delegation, isEnded });
    this.#delegated.set(caller, delegated);
    return delegated;
  }
}
