/**
 * Locks as XML (RFC 4918 §14, §15): writes `DAV:lockdiscovery` and parses `DAV:lockinfo`.
 */

import { Problem } from "../../http/problem.ts";
import { MAX_LOCK_OWNER_CHARS } from "../../dav_limits.ts";
import { toHref } from "../resource/dav_problem.ts";
import type { Lock } from "./locks.ts";
import { findDavChild, isDavName } from "../xml/xml_reader.ts";
import { writeElement, type XmlElement } from "../xml/xml_writer.ts";

/** The `DAV:supportedlock` property, the same for all resources (RFC 4918 §15.10). */
export const SUPPORTED_LOCK_XML = "<D:supportedlock>" +
  ["exclusive", "shared"].map((scope) =>
    `<D:lockentry><D:lockscope><D:${scope}/></D:lockscope>` +
    "<D:locktype><D:write/></D:locktype></D:lockentry>"
  ).join("") + "</D:supportedlock>";

/** Writes the `DAV:lockdiscovery` property of a resource with these locks (RFC 4918 §15.8). */
export function writeLockDiscovery(locks: readonly Lock[]): string {
  if (locks.length === 0) return "<D:lockdiscovery/>";
  return `<D:lockdiscovery>${locks.map(activeLock).join("")}</D:lockdiscovery>`;
}

/** The content of a LOCK request. */
export interface LockInfo {
  readonly exclusive: boolean;
  /** The `DAV:owner` element as XML, or `""`. */
  readonly owner: string;
}

/**
 * Parses a `DAV:lockinfo` element (RFC 4918 §14.11).
 *
 * @throws {Problem} `bad-body` if it is not a write lock with one scope, or the owner is too long
 */
export function parseLockInfo(root: XmlElement): LockInfo {
  const scope = findDavChild(root, "lockscope");
  const type = findDavChild(root, "locktype");
  const exclusive = scope !== undefined && findDavChild(scope, "exclusive") !== undefined;
  const shared = scope !== undefined && findDavChild(scope, "shared") !== undefined;
  if (
    !isDavName(root, "lockinfo") || exclusive === shared || type === undefined ||
    findDavChild(type, "write") === undefined
  ) {
    throw new Problem(
      "bad-body",
      "Cannot lock: the content is not valid; send DAV:lockinfo with one lockscope (exclusive or " +
        "shared) and the locktype write",
    );
  }
  const element = findDavChild(root, "owner");
  const owner = element === undefined ? "" : writeElement(element);
  if (owner.length <= MAX_LOCK_OWNER_CHARS) return { exclusive, owner };
  throw new Problem(
    "bad-body",
    `Cannot lock: the owner is ${owner.length} characters long; at most ${MAX_LOCK_OWNER_CHARS} are allowed`,
  );
}

function activeLock({ path, depth, exclusive, owner, seconds, token }: Lock): string {
  return "<D:activelock><D:locktype><D:write/></D:locktype>" +
    `<D:lockscope><D:${exclusive ? "exclusive" : "shared"}/></D:lockscope>` +
    `<D:depth>${depth}</D:depth>${owner}<D:timeout>Second-${seconds}</D:timeout>` +
    `<D:locktoken><D:href>${token}</D:href></D:locktoken>` +
    `<D:lockroot><D:href>${toHref(path, false)}</D:href></D:lockroot></D:activelock>`;
}
