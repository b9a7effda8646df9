/**
 * The read scope of a caller: the parts of the tree whose worlds it may read. Queries across worlds
 * (the order of all changes, searches, the trash) pass it to the store, so that what the caller may
 * not read costs no time and is in no count. It agrees with `canRead` for every name of a world. The
 * results of a query must still be filtered with `canRead`.
 */

import type { Within } from "../world/changes.ts";
import type { Caller } from "./caller.ts";
import { isPrivatePath, openPartsOfCapability } from "./policy.ts";

/**
 * Returns the parts of the tree that a caller may read.
 *
 * @returns parts that together cover exactly what the caller may read; none overlaps with a part that
 * the caller may not read
 */
export function toReadScope({ scope, grants, tier }: Caller): readonly Within[] {
  if (grants !== undefined) return Object.keys(grants).map(toGrantedPart);
  if (scope === undefined) return [{ name: "", part: "tree", restricted: tier === "T3" }];
  const open = openPartsOfCapability();
  const inner = innermost(scope.prefixes)?.slice(1);
  if (inner === undefined || open.some(({ name }) => isAtOrBelow(inner, name))) return open;
  return [
    { name: inner, part: "tree", restricted: false },
    ...open.filter(({ name }) => !isAtOrBelow(name, inner)),
  ];
}

/**
 * Whether a caller can read only a part of what is open to callers without a scope, so that even the
 * number of the other worlds must be hidden from it.
 */
export function isReadScopePartial(scope: readonly Within[]): boolean {
  return !scope.some(({ name, part }) => name === "" && part === "tree");
}

/**
 * Limits a read scope to a collection: returns the parts of the scope at or below the name, and the
 * name itself if a part covers it.
 *
 * @param name name of a collection without a trailing slash; `""` is the whole tree
 */
export function limitReadScope(scope: readonly Within[], name: string): readonly Within[] {
  return scope.flatMap((part): Within[] => {
    if (isAtOrBelow(part.name, name)) {
      // The collection does not contain the world of its own name.
      if (part.name === name && part.part === "tree") return [{ ...part, part: "below" }];
      return part.name === name && part.part === "exact" ? [] : [part];
    }
    if (part.part === "exact" || !isAtOrBelow(name, part.name)) return [];
    return [{ ...part, name, part: "below" }];
  });
}

/**
 * Whether a caller can read a collection, or something below it.
 *
 * @param name name of a collection without a trailing slash; `""` is the whole tree
 */
export function isPartlyReadable(caller: Caller, name: string): boolean {
  return limitReadScope(toReadScope(caller), name)
    .some(({ restricted }) => restricted || !isPrivatePath(`/${name}`));
}

/** A grant reads what only T3 can read only if it names it. */
function toGrantedPart(grant: string): Within {
  const isTree = grant.endsWith("/");
  const path = isTree && grant !== "/" ? grant.slice(0, -1) : grant;
  const name = path.slice(1);
  return { name, part: isTree ? "tree" : "exact", restricted: isPrivatePath(path) };
}

/** The prefix that all others contain; undefined if the prefixes have no path in common. */
function innermost(prefixes: readonly string[]): string | undefined {
  const longest = prefixes.reduce((a, b) => b.length > a.length ? b : a, "/");
  const isCommon = prefixes.every((prefix) =>
    prefix === "/" || isAtOrBelow(longest.slice(1), prefix.slice(1))
  );
  return isCommon ? longest : undefined;
}

function isAtOrBelow(name: string, above: string): boolean {
  return above === "" || name === above || name.startsWith(`${above}/`);
}
