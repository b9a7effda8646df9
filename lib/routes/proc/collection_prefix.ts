/**
 * The collection after a route of `/proc` that is about many worlds: `/proc/log/home/team/`. A caller can
 * ask about each collection of which it can read a part.
 */

import { assertCan } from "../../auth/policy.ts";
import { isPartlyReadable } from "../../auth/read_scope.ts";
import { encodePath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { type RequestContext, restOf } from "../../request/request_context.ts";
import { isInNamespace } from "../../world/name.ts";

/**
 * Returns the name of the collection after a route; `""` for the whole tree.
 *
 * @param route the route without its leading slash: `proc/log`
 * @param what what is read there, for the error message: `the changes`
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`
 */
export function readPrefix(context: RequestContext, route: string, what: string): string {
  const { target: { name: whole, isCollection }, caller } = context;
  const name = whole === route ? "" : restOf(context, `/${route}/`);
  // Every caller can ask about everything: it gets what it can read.
  if (name !== "" && !isPartlyReadable(caller, name)) assertCan(caller, "read", `/${name}`);
  if (name !== "" && !isInNamespace(name)) {
    throw new Problem(
      "not-found",
      `Cannot read ${what} below /${name}: no world has such a name; the whole path is needed, ` +
        `such as /${route}/home/${encodePath(name)}/`,
    );
  }
  if (!isCollection && name !== "") {
    throw new Problem(
      "not-found",
      `Cannot read ${what} of /${name}: a collection is needed; GET ` +
        `/${route}/${encodePath(name)}/ reads what is below it, /proc/log/${
          encodePath(name)
        } the ` +
        "events of the world",
    );
  }
  return name;
}
