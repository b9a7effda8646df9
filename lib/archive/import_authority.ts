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
  /**
   * Worlds below `/usr` and in {@link SERVER_FOLDERS}; and of `/etc`, if the target has worlds,
   * because they configure its plugins.
   */
  readonly system: boolean;
}

/** The part of {@link ImportAuthority} that a world needs. */
export type AuthorityKind = "accounts" | "system";

const ACCOUNTS: readonly string[] = ["etc/passwd", "etc/shadow"];
/** A folder that the server or its plugins fill, and whose content they trust. */
export interface ServerFolder {
  readonly folder: string;
  /** What the folder has, as a clause. */
  readonly reason: string;
}

/**
 * Folders whose content the server or its plugins send as it is. The worlds of the users do not need
 * them.
 */
export const SERVER_FOLDERS: readonly ServerFolder[] = [
  // The shapes of `semantic`, for example; a plugin computes them again.
  { folder: "var/cache", reason: "plugins send these results as their own" },
  // A record is XML that PROPFIND copies, and can name a collection that exists here.
  { folder: "var/lib/dav", reason: "WebDAV sends these properties of files as they are" },
  // Values of `env.kv`, for example.
  { folder: "var/lib", reason: "plugins trust what they have stored there" },
  { folder: "boot/dav", reason: "WebDAV sends these properties of files as they are" },
];
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
  if (serverFolderOf(folded) !== undefined) return "system";
  return namespace === "etc" && isMerge && folded !== REVOKED ? "system" : undefined;
}

/**
 * Returns the folder of {@link SERVER_FOLDERS} that a world is in, or whose name it has.
 *
 * @param name name of the world
 */
export function serverFolderOf(name: string): ServerFolder | undefined {
  const folded = foldPath(name);
  return SERVER_FOLDERS.find(({ folder }) => folded === folder || folded.startsWith(`${folder}/`));
}
