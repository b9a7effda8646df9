/**
 * Divides the file descriptors of the process between world files and connections, so that clients
 * cannot take the descriptors that the store and the plugins need.
 */

import {
  DEFAULT_DESCRIPTORS,
  DESCRIPTORS_PER_WORLD,
  MAX_DERIVED_CONNECTIONS,
  MAX_OPEN_WORLDS_PER_WORKER,
  MAX_REFUSED_CONNECTIONS,
  RESERVED_DESCRIPTORS,
} from "../limits.ts";

/** How the descriptors are used. */
export interface DescriptorBudget {
  /** Open connections, if the operator sets no number. */
  readonly connections: number;
  /** Highest number of open connections that the operator can set. */
  readonly maxConnections: number;
  /** Open worlds of each Worker of the store. */
  readonly worldsPerWorker: number;
  /**
   * Whether the reserve is too small to keep descriptors free for the start of a Worker: then all
   * Workers must start before there are connections.
   */
  readonly isScarce: boolean;
}

/**
 * Divides the descriptors. With few of them, the store and the reserve get half.
 *
 * @param descriptors limit of the process (RLIMIT_NOFILE)
 * @param workers Workers of the store that open worlds
 */
export function divideDescriptors(descriptors: number, workers: number): DescriptorBudget {
  const reserved = Math.min(RESERVED_DESCRIPTORS, Math.floor(descriptors / 4));
  const perWorld = workers * DESCRIPTORS_PER_WORLD;
  const worldsPerWorker = Math.max(
    1,
    Math.min(MAX_OPEN_WORLDS_PER_WORKER, Math.floor(descriptors / 4 / perWorld)),
  );
  const left = descriptors - reserved - worldsPerWorker * perWorld - MAX_REFUSED_CONNECTIONS;
  return {
    connections: Math.max(1, Math.min(MAX_DERIVED_CONNECTIONS, left)),
    maxConnections: Math.max(1, left),
    worldsPerWorker,
    isScarce: reserved < RESERVED_DESCRIPTORS,
  };
}

/**
 * Reads the limit of file descriptors of this process. Deno raises the soft limit to the hard one
 * at its start.
 *
 * @returns {@link DEFAULT_DESCRIPTORS} if the system does not show it
 */
export function readDescriptorLimit(): number {
  try {
    return parseDescriptorLimit(Deno.readTextFileSync("/proc/self/limits"));
  } catch {
    // Not Linux, or no permission to read it.
    return DEFAULT_DESCRIPTORS;
  }
}

/** Returns the soft limit of `/proc/self/limits`. */
export function parseDescriptorLimit(text: string): number {
  const found = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (found === undefined) return DEFAULT_DESCRIPTORS;
  return found === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(found);
}
