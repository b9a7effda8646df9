/**
 * GET and HEAD of WebDAV: a world's bytes with ranges and conditions, exactly as its plain path gives
 * them raw, under the entity tag that PROPFIND gives; a collection's members as a listing.
 */

import { redacted, require } from "../../auth/policy.ts";
import { seenBy } from "../../auth/redact.ts";
import { respondListing } from "../../response/listing.ts";
import { chooser } from "../../http/negotiate.ts";
import {
  notModified,
  represent,
  type Representation,
  respond,
} from "../../response/representation.ts";
import { storeProblem } from "../../response/store_problem.ts";
import type { World } from "../../world/store.ts";
import { davEtag } from "../resource/dav_etag.ts";
import { hasMounts } from "../resource/mount_client.ts";
import { find, membersOf, mustBeThere, nothingHere } from "../resource/resource.ts";
import type { DavRequest, Room } from "./dav_context.ts";

const chooseListing = chooser(["text/plain", "application/json"], "text/plain");
const made = new WeakMap<World, Representation>();

/**
 * Answers a GET or HEAD.
 *
 * @throws {Problem}
 */
export function get(room: Room, asked: DavRequest): Promise<Response> | Response {
  const { request, caller, target: { path, name, collection } } = asked;
  require(caller, "read", path);
  const hot = collection ? undefined : room.machine.store.peek(name);
  return hot === undefined
    ? getCold(room, asked)
    : respond(request, davRepresentation(hot, asked), true);
}

async function getCold(room: Room, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name, collection } } = asked;
  const { store } = room.machine;
  const found = mustBeThere(await find(store, path), collection, "read", path);
  if (collection || found.entry === undefined) {
    const mounts = hasMounts(room.machine.plugins);
    const members = await membersOf(store, caller, path, mounts);
    const rows = members.map((member) => ({
      name: member.path.slice(member.path.lastIndexOf("/") + 1),
      dir: member.collection,
    }));
    const form = chooseListing(request.headers.get("accept")) ?? "text/plain";
    return respondListing(request, rows, form);
  }
  const world = await readWorld(room, name, path);
  return respond(request, davRepresentation(world, asked), true);
}

async function readWorld(room: Room, name: string, path: string): Promise<World> {
  try {
    const world = await room.machine.store.read(name);
    if (world === undefined) throw nothingHere("read", path);
    return world;
  } catch (error) {
    throw storeProblem(error, "read", path);
  }
}

function davRepresentation(world: World, { caller, target: { path } }: DavRequest): Representation {
  const shown = seenBy(caller, world);
  let representation = made.get(shown);
  if (representation === undefined) {
    const raw = represent(shown, "raw");
    const etag = davEtag(world, redacted(caller, path));
    const headers = { ...raw.headers, etag };
    representation = {
      ...raw,
      etag,
      headers,
      whole: new Response(raw.body, { headers }),
      unchanged: notModified(headers),
    };
    made.set(shown, representation);
  }
  return representation;
}
