/**
 * Which plugin a path belongs to. A route is a path and everything below it; the longest wins. Every
 * request that is no world's comes by here, so a miss costs a few look-ups and no allocation.
 */

/** Routes by path, each with what answers for it. */
export class RouteTable<T> {
  readonly #routes = new Map<string, T>();
  #deepest = 0;

  /** Adds a route; the caller has made sure that it is free. */
  add(path: string, owner: T): void {
    this.#routes.set(path, owner);
    this.#deepest = Math.max(this.#deepest, depthOf(path));
  }

  /** Takes a route away. */
  delete(path: string): void {
    this.#routes.delete(path);
    if (this.#routes.size === 0) this.#deepest = 0;
  }

  /** What answers for exactly this route. */
  get(path: string): T | undefined {
    return this.#routes.get(path);
  }

  /** What answers for a path, and under which route. */
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

  /** Every route with what answers for it, sorted. */
  entries(): [string, T][] {
    return [...this.#routes].sort(([a], [b]) => a < b ? -1 : 1);
  }
}

function depthOf(path: string): number {
  let depth = 0;
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) === 0x2f) depth += 1;
  return depth;
}

/** Where a path's first `count` segments end. */
function endOfSegment(path: string, count: number): number {
  let at = 0;
  for (let seen = 0; seen < count; seen++) {
    at = path.indexOf("/", at + 1);
    if (at < 0) return path.length;
  }
  return at;
}
