/**
 * Finds the plugin of a path. A route is a path and everything below it; the longest match wins.
 * Every request without a route of the core passes here, so a miss must cost a few lookups only.
 */

/** Largest number of removed routes that are remembered. */
const MAX_FORMER_ROUTES = 1024;

/** Routes by path, each with its owner. */
export class RouteTable<T> {
  readonly #routes = new Map<string, T>();
  /** Routes that were removed and not added again, the oldest first. */
  readonly #former = new Set<string>();
  #deepest = 0;

  /** Adds a route. The caller must ensure that it is free. */
  add(path: string, owner: T): void {
    this.#routes.set(path, owner);
    this.#former.delete(path);
    this.#deepest = Math.max(this.#deepest, depthOf(path));
  }

  /** Removes a route. Idempotent. */
  delete(path: string): void {
    if (this.#routes.delete(path)) this.#remember(path);
    if (this.#routes.size === 0) this.#deepest = 0;
  }

  /** Returns the owner of exactly this route, or undefined. */
  get(path: string): T | undefined {
    return this.#routes.get(path);
  }

  /**
   * Returns the longest route that is the path or an ancestor of it, with its owner, or undefined.
   */
  match(path: string): { readonly route: string; readonly owner: T } | undefined {
    if (this.#deepest === 0) return undefined;
    let end = endOfSegment(path, this.#deepest);
    while (end > 0) {
      const route = path.slice(0, end);
      const owner = this.#routes.get(route);
      if (owner !== undefined) return { route, owner };
      end = route.lastIndexOf("/");
    }
    return undefined;
  }

  /** Returns whether a removed route is the path or an ancestor of it. */
  wasRoute(path: string): boolean {
    if (this.#former.size === 0) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (this.#former.has(path.slice(0, end))) return true;
    }
    return false;
  }

  #remember(path: string): void {
    for (const oldest of this.#former) {
      if (this.#former.size < MAX_FORMER_ROUTES) break;
      this.#former.delete(oldest);
    }
    this.#former.add(path);
  }

  /** Returns every route with its owner, sorted by path. */
  entries(): [string, T][] {
    return [...this.#routes].sort(([a], [b]) => a < b ? -1 : 1);
  }
}

function depthOf(path: string): number {
  let depth = 0;
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) === 0x2f) depth += 1;
  return depth;
}

/** Returns the offset at which the first `count` segments of a path end. */
function endOfSegment(path: string, count: number): number {
  let at = 0;
  for (let seen = 0; seen < count; seen++) {
    at = path.indexOf("/", at + 1);
    if (at < 0) return path.length;
  }
  return at;
}
