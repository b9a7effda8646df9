/**
 * PROPPATCH (RFC 4918 §9.2): dead properties set and removed in the order given, all of them or none.
 */

import { require } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { storeProblem } from "../../response/store_problem.ts";
import { hrefOf } from "../resource/dav_problem.ts";
import type { PropertyChange } from "../properties/dead_properties.ts";
import { isProtected } from "../properties/live_properties.ts";
import { mustHold } from "../locks/lock_guard.ts";
import { multistatus, propertiesResponse } from "../properties/multistatus.ts";
import { find, mustBeThere } from "../resource/resource.ts";
import type { DavRequest, Room } from "./dav_context.ts";
import { davChild, elementsOf, isDav, readXml } from "../xml/xml_reader.ts";
import { emptyElement, nameKey, writeElement, type XmlElement } from "../xml/xml_writer.ts";

/**
 * Answers a PROPPATCH.
 *
 * @throws {Problem}
 */
export async function proppatch(room: Room, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, collection } } = asked;
  require(caller, "write", path);
  const changes = readChanges(await readXml(request));
  const found = mustBeThere(await find(room.machine.store, path), collection, "change", path);
  mustHold(room.locks, asked, path, "content");
  const protectedKeys = new Set(changes.map(nameKey).filter(isProtected));
  const href = hrefOf(path, found.collection);
  if (protectedKeys.size > 0 || found.entry?.layer === "lower") {
    // A birth world has no chain to keep anything on; a PUT covers it with one that has.
    const refused = (change: PropertyChange) =>
      protectedKeys.size === 0 || protectedKeys.has(nameKey(change));
    return multistatus([
      propertiesResponse(href, [
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
    await room.dead.change(found, changes, caller.by);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 507) {
      throw storeProblem(error, "keep the properties of", path);
    }
    return multistatus([
      propertiesResponse(href, [{ status: 507, properties: elements(changes) }]),
    ]);
  }
  return multistatus([propertiesResponse(href, [{ status: 200, properties: elements(changes) }])]);
}

/**
 * Reads `DAV:propertyupdate` (RFC 4918 §14.19).
 *
 * @throws {Problem} `bad-body`
 */
export function readChanges(root: XmlElement | undefined): PropertyChange[] {
  const changes: PropertyChange[] = [];
  if (root !== undefined && isDav(root, "propertyupdate")) {
    for (const instruction of elementsOf(root)) {
      const set = isDav(instruction, "set");
      const prop = davChild(instruction, "prop");
      if ((!set && !isDav(instruction, "remove")) || prop === undefined) continue;
      for (const property of elementsOf(prop)) {
        const { ns, name } = property;
        changes.push(set ? { ns, name, xml: writeElement(property) } : { ns, name });
      }
    }
  }
  if (changes.length > 0) return changes;
  throw new Problem(
    "bad-body",
    "Cannot change properties: the content is no DAV:propertyupdate that sets or removes any",
  );
}

function elements(changes: readonly PropertyChange[]): string {
  const names = new Map(changes.map((change) => [nameKey(change), change]));
  return [...names.values()].map(emptyElement).join("");
}
