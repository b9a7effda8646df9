/**
 * Resolves paths that do not exist, such as `/salse-report`, `/帮我画销售饼图` and
 * `/home/reprots/may`. It searches the worlds that the caller can read and returns only their paths: 303
 * for one, 300 for a few, 404 with an explanation for none. A typing error needs no model. For anything
 * else the plugin sends one question to `/dev/gpu`, whose backend must be local unless
 * `/etc/router.conf` allows others.
 *
 * The plugin must never name a world that the caller could not find without it: names come from
 * `env.caller`, and each is requested again as the caller before it is named. Manual:
 * `/usr/share/doc/router.md`.
 */

import type { PluginConfig } from "../kit/env.ts";
import type { Env } from "./env.ts";
import { Router } from "./resolver.ts";
import { readSettings } from "./settings.ts";

export const description = "resolves paths at which nothing is";
export const auth = "T1";
export const fallback = true;
export const config = ["/etc/router.conf"];
/** No cache on disk: worlds below /var can be read, and would show which caller requested which path. */
export const grants = { "/dev/gpu": "rw" } as const;

/** No permissions. Lines of the configuration that are not valid are reported. */
export function permissions({ config }: { config: PluginConfig }): { fault?: string } {
  const { faults } = readSettings(config["/etc/router.conf"] ?? "");
  return faults.length === 0 ? {} : { fault: faults.join("; ").slice(0, 1000) };
}

let router: Router | undefined;

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    router ??= new Router(Date.now);
    return router.fetch(request, env);
  },
};
