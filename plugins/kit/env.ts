/** Types of what the server passes to a plugin, as far as several plugins use them. */

/** Sends a request to the server: `env.caller.fetch` and `env.machine.fetch`. */
export type PluginFetch = (path: string, init?: RequestInit) => Promise<Response>;

/** Texts of the worlds that the manifest names as `config`, by path. */
export type PluginConfig = Readonly<Record<string, string | undefined>>;

/** The client that sent the request. */
export interface PluginCaller {
  /** `T1`, `T2` or `T3`. */
  readonly tier: string;
  /** Name of the caller, as in the event chain: a tier, an account, or a capability as `cap:…`. */
  readonly by: string;
  /** Sends a request with the rights of the caller. */
  readonly fetch: PluginFetch;
}
