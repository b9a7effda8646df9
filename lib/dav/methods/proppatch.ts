/**
 * The PROPPATCH method of WebDAV (RFC 4918 §9.2): sets and removes dead properties in the given
 * order, all or none.
 */

import { assertCan } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_PROPERTY_CHANGE_CHARS } from "../../dav_limits.ts";
import { toHref } from "../resource/dav_problem.ts";
import type { PropertyChange } from "../properties/dead_properties.ts";
import { isProtectedProperty } from "../properties/live_properties.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import { createMultistatus, writePropertiesResponse } from "../properties/multistatus.ts";
import { findResource, requireFound } from "../resource/resource.ts";
import { type DavContext, type DavRequest, readDavXml } from "./dav_context.ts";
import { childElements, findDavChild, isDavName } from "../xml/xml_reader.ts";
import { toNameKey, writeElement, writeEmptyElement, type XmlElement } from "../xml/xml_writer.ts";

/**
 * Handles a PROPPATCH request.
 *
 * @throws {Problem}
 */
export async function proppatch(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { caller, target: { path, isCollection: collection } } = davRequest;
  assertCan(caller, "write", path);
  const changes = parsePropertyUpdate(await readDavXml(context, davRequest));
  const found = requireFound(
    await findResource(context.server.store, path),
    collection,
    "change",
    path,
  );
  assertLockTokens(context.locks, davRequest, path, "content");
  const protectedKeys = new Set(changes.map(toNameKey).filter(isProtectedProperty));
  const href = toHref(path, found.collection);
  if (protectedKeys.size > 0 || found.entry?.layer === "lower") {
    // A lower-layer world has no chain to record the change; a PUT covers it with one that has.
    const refused = (change: PropertyChange) =>
      protectedKeys.size === 0 || protectedKeys.has(toNameKey(change));
    return createMultistatus([
      writePropertiesResponse(href, [
        {
          status: 403,
          properties: elements(changes.filter(refused)),
          ...(protectedKeys.size === 0 ? {} : {
            error: "<D:cannot-modify-protected-property/>",
          }),
        },
        { status: 424, properties: elements(changes.filter((change) => !refused(change))) },
      ]),
    ]);
  }
  try {
    await context.deadProperties.change(found, changes, caller.by);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 507) throw error;
    return createMultistatus([
      writePropertiesResponse(href, [{ status: 507, properties: elements(changes) }]),
    ]);
  }
  return createMultistatus([
    writePropertiesResponse(href, [{ status: 200, properties: elements(changes) }]),
  ]);
}

/**
 * Parses a `DAV:propertyupdate` element (RFC 4918 §14.19).
 *
 * @param root root element of the body; `undefined` for an empty body
 * @returns the changes in the order of the document
 * @throws {Problem} `bad-body` if it contains no change
 */
export function parsePropertyUpdate(root: XmlElement | undefined): PropertyChange[] {
  const changes: PropertyChange[] = [];
  let chars = 0;
  if (root !== undefined && isDavName(root, "propertyupdate")) {
    for (const instruction of childElements(root)) {
      const set = isDavName(instruction, "set");
      const prop = findDavChild(instruction, "prop");
      if ((!set && !isDavName(instruction, "remove")) || prop === undefined) continue;
      for (const property of childElements(prop)) {
        const { ns, name } = property;
        const change = set ? { ns, name, xml: writeElement(property) } : { ns, name };
        // One long namespace can be part of many changes, so their sum is not limited by the body.
        chars += ns.length + name.length + (change.xml?.length ?? 0);
        if (chars > MAX_PROPERTY_CHANGE_CHARS) {
          throw new Problem(
            "bad-body",
            "Cannot change properties: the changes with their namespaces are longer than " +
              `${MAX_PROPERTY_CHANGE_CHARS} characters; send fewer properties`,
          );
        }
        changes.push(change);
      }
    }
  }
  if (changes.length > 0) return changes;
  throw new Problem(
    "bad-body",
    "Cannot change properties: the content has no change; send a DAV:propertyupdate with set or remove",
  );
}

function elements(changes: readonly PropertyChange[]): string {
  const names = new Map(changes.map((change) => [toNameKey(change), change]));
  return [...names.values()].map(writeEmptyElement).join("");
}
