/**
 * Which worlds of an archive carry authority on the server that imports them. An archive can come from
 * anybody, and its chains prove only that its author has its key. Pure.
 */

import { foldPath } from "../base/fold_path.ts";
import { namespaceOf } from "../world/name.ts";

/** What an import takes only on request. */
export interface ImportAuthority {
  /** `/etc/passwd` and `/etc/shadow`. */
  readonly accounts: boolean;
  /** Approvals: an active plugin of the source stays active. */
  readonly plugins: boolean;
  /** Worlds below `/usr`; and of `/etc`, if the target has worlds, because they configure its plugins. */
  readonly system: boolean;
}

/** The part of {@link ImportAuthority} that a world needs. */
export type AuthorityKind = "accounts" | "system";

const ACCOUNTS: readonly string[] = ["etc/passwd", "etc/shadow"];
/** It only takes authority away. */
const REVOKED = "etc/revoked";

/**
 * Determines what the import of a world needs.
 *
 * @param name name of the world
 * @param isMerge whether the target folder has worlds already
 * @returns undefined for a world that carries no authority
 */
export function neededAuthority(name: string, isMerge: boolean): AuthorityKind | undefined {
  // On a disk that ignores case, `etc/Shadow` is the same folder.
  const folded = foldPath(name);
  if (ACCOUNTS.includes(folded)) return "accounts";
  const namespace = namespaceOf(folded);
  if (namespace === "usr") return "system";
  return namespace === "etc" && isMerge && folded !== REVOKED ? "system" : undefined;
}
