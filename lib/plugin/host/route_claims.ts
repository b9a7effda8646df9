/**
 * Who may have which routes: what is up holds its own, and what is being brought up has set its own
 * aside. Two plugins never hold routes of which one lies in the other, and one at a time is the
 * fallback, however many are approved at once.
 */

import { type Manifest, ManifestError } from "../manifest/manifest.ts";

/** What a plugin claims. */
export type RouteClaim = Pick<Manifest, "routes" | "fallback">;

/** See the module. */
export class RouteClaims {
  readonly #claims = new Map<string, RouteClaim>();

  /**
   * Sets routes aside for a plugin, in place of those it had set aside before.
   *
   * @param up what is up now, by plugin
   * @throws {ManifestError} names the route, and who has it
   */
  claim(
    name: string,
    wanted: RouteClaim,
    up: Iterable<readonly [name: string, held: RouteClaim]>,
  ): void {
    for (const [other, held] of [...up, ...this.#claims]) {
      if (other === name) continue;
      for (const route of wanted.routes) {
        const taken = held.routes.find((path) => overlap(path, route));
        if (taken === undefined) continue;
        throw new ManifestError("routes", `${route} is taken: ${other} holds ${taken}`);
      }
      if (wanted.fallback && held.fallback) {
        throw new ManifestError("fallback", `it is taken: ${other} holds it`);
      }
    }
    this.#claims.set(name, { routes: wanted.routes, fallback: wanted.fallback });
  }

  /** Ends a claim: the plugin is up now and holds what it claimed, or it will not be. */
  release(name: string): void {
    this.#claims.delete(name);
  }
}

/** Whether one route lies in the other. */
function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
