/**
 * How plugins fare, in numbers for `/proc/metrics`: what their cells say of themselves, and that one
 * which should be up is not.
 */

import type { PluginVitals } from "../../request/plugin_routes.ts";
import type { CellHealth } from "../cell/cell.ts";

/**
 * The vitals of some plugins, sorted by name.
 *
 * @param healthOf how the cell of a plugin is, or `undefined` where it has none
 */
export function vitalsOf(
  names: Iterable<string>,
  healthOf: (name: string) => CellHealth | undefined,
): PluginVitals[] {
  return [...new Set(names)].sort().map((plugin) => {
    const health = healthOf(plugin);
    if (health === undefined) {
      return { plugin, up: false, requests: 0, open: 0, waiting: 0, crashes: 0 };
    }
    const { served, requests, waiting, crashes, residentKiB } = health;
    const memory = residentKiB === undefined ? {} : { residentKiB };
    return { plugin, up: true, requests: served, open: requests, waiting, crashes, ...memory };
  });
}
