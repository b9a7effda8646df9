/** Kinds of paths in a namespace (a namespace, a collection or a world) and the methods of each. */

import { Problem } from "../http/problem.ts";
import type { RequestContext } from "../request/request_context.ts";
import { createMethodProblem } from "./handler.ts";

const WORLD_METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "MOVE", "OPTIONS"] as const;
const COLLECTION_METHODS = ["GET", "HEAD", "DELETE", "MOVE", "OPTIONS"] as const;
const NAMESPACE_METHODS = ["GET", "HEAD", "OPTIONS"] as const;

/** The methods of a path in a namespace. */
export function allowedMethods(
  { target: { name, isCollection } }: Pick<RequestContext, "target">,
): readonly string[] {
  if (!name.includes("/")) return NAMESPACE_METHODS;
  return isCollection ? COLLECTION_METHODS : WORLD_METHODS;
}

/**
 * Throws unless a path can be that of a world: not a collection, not a namespace, one segment below
 * `/lib`.
 *
 * @throws {Problem} `method-not-allowed`, `bad-name`
 */
export function assertWorldTarget(context: RequestContext): void {
  const { name, isCollection } = context.target;
  if (isCollection || !name.includes("/")) {
    throw createMethodProblem(context, allowedMethods(context));
  }
  if (name.startsWith("lib/") && name.indexOf("/", 4) >= 0) {
    throw new Problem(
      "bad-name",
      `Cannot change /${name}: the name of a plugin is one segment below /lib`,
    );
  }
}
