/** The targets in `/etc/fanout.conf`: one world per line, `x` and `home/x` mean `/home/x`. */

import { configLines } from "../kit/line_config.ts";
import { misleadingFault } from "../kit/misleading_text.ts";
import { NAMESPACES, worldNameFault } from "../kit/world_name.ts";

/** A line of the configuration. */
export interface Target {
  /** Line number, counted from 1. */
  readonly line: number;
  /** Path of the world, with a slash in front. */
  readonly path: string;
  /** Why the line cannot be used. */
  readonly fault?: string;
}

/** Path of the configuration itself; a broadcast to it would change its own targets. */
const OWN_CONFIG = "/etc/fanout.conf";
/** First segments that are not namespaces: a path that begins with one is a mistake. */
const OTHER_ROOTS = ["auth", "bin", "dav", "dev", "mnt", "proc", "self", "shaped", "stream"];
/** Most targets. */
const MAX_TARGETS = 256;

/**
 * Reads the configuration. A target that appears twice counts once.
 *
 * @returns the targets in order; after the first target too many the rest is left out
 */
export function readTargets(text: string): Target[] {
  const targets: Target[] = [];
  const seen = new Set<string>();
  for (const { line, text: entry, fault: lineFault } of configLines(text)) {
    const path = pathOf(entry);
    if (seen.has(path)) continue;
    seen.add(path);
    const fault = targets.length >= MAX_TARGETS
      ? `there are more than ${MAX_TARGETS} targets`
      : lineFault ?? targetFault(path);
    targets.push({ line, path, ...(fault && { fault }) });
    if (targets.length > MAX_TARGETS) break;
  }
  return targets;
}

function pathOf(entry: string): string {
  const name = entry.normalize("NFC");
  if (name.startsWith("/")) return name;
  const [first = "", ...rest] = name.split("/");
  const isRooted = rest.length > 0 && (NAMESPACES.includes(first) || OTHER_ROOTS.includes(first));
  return isRooted ? `/${name}` : `/home/${name}`;
}

function targetFault(path: string): string | undefined {
  if (path === OWN_CONFIG) return "a target cannot be the list of targets";
  const name = path.slice(1);
  const [first = "", ...rest] = name.split("/");
  if (!NAMESPACES.includes(first)) {
    const namespaces = NAMESPACES.map((namespace) => `/${namespace}`).join(", ");
    return `only worlds can be targets, below ${namespaces}`;
  }
  if (first === "lib" && rest.length > 1) return "what is below a plugin is not a world";
  const fault = worldNameFault(name) ?? misleadingFault(name);
  return fault === undefined ? undefined : `it is not the name of a world: ${fault}`;
}
