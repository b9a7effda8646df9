/**
 * Reserves routes for plugins that are starting, so that two plugins that are approved at the same
 * time cannot get overlapping routes. Two routes overlap if one is the other or is below it. One
 * plugin at a time can be the fallback.
 */

import { type Manifest, ManifestError } from "../manifest/manifest.ts";

/** What a plugin reserves. */
export type RouteClaim = Pick<Manifest, "routes" | "fallback">;

/** Reservations of the plugins that are starting. */
export class RouteClaims {
  readonly #claims = new Map<string, RouteClaim>();

  /**
   * Reserves routes for a plugin. An earlier reservation of the same plugin is replaced.
   *
   * @param name world of the source, `lib/gpu`
   * @param requested the routes to reserve, and whether it is the fallback
   * @param active the routes of the active plugins
   * @throws {ManifestError} a route overlaps one of another plugin; the message names both
   */
  claim(
    name: string,
    requested: RouteClaim,
    active: Iterable<readonly [name: string, held: RouteClaim]>,
  ): void {
    this.assertFree(name, requested, active);
    this.#claims.set(name, { routes: requested.routes, fallback: requested.fallback });
  }

  /**
   * Checks what {@link claim} checks, and reserves nothing.
   *
   * @throws {ManifestError} a route overlaps one of another plugin; the message names both
   */
  assertFree(
    name: string,
    requested: RouteClaim,
    active: Iterable<readonly [name: string, held: RouteClaim]>,
  ): void {
    for (const [other, held] of [...active, ...this.#claims]) {
      if (other === name) continue;
      for (const route of requested.routes) {
        const taken = held.routes.find((path) => overlap(path, route));
        if (taken === undefined) continue;
        throw new ManifestError("routes", `${route} is taken: /${other} has the route ${taken}`);
      }
      if (requested.fallback && held.fallback) {
        throw new ManifestError("fallback", `it is taken: /${other} is the fallback`);
      }
    }
  }

  /** Removes the reservation of a plugin: it is active now, or it failed to start. Idempotent. */
  release(name: string): void {
    this.#claims.delete(name);
  }
}

/** Returns whether one route is the other or is below it. */
function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
