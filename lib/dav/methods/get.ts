/**
 * GET and HEAD of WebDAV: a world's bytes with ranges and conditions, exactly as its plain path gives
 * them raw, under the entity tag that PROPFIND gives; a collection's members as a listing.
 */

import { assertCan, isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { respondListing } from "../../response/listing.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import {
  getRepresentation,
  notModifiedResponse,
  type Representation,
  respondRepresentation,
} from "../../response/representation.ts";
import type { World } from "../../world/store.ts";
import { davEtag } from "../resource/dav_etag.ts";
import { hasMounts } from "../resource/mount_client.ts";
import { findResource, listMembers, notFoundProblem, requireFound } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

const chooseListing = createTypeChooser(["text/plain", "application/json"], "text/plain");
const made = new WeakMap<World, Representation>();

/**
 * Answers a GET or HEAD.
 *
 * @throws {Problem}
 */
export function get(room: DavContext, asked: DavRequest): Promise<Response> | Response {
  const { request, caller, target: { path, name, isCollection: collection } } = asked;
  assertCan(caller, "read", path);
  const hot = collection ? undefined : room.server.store.peek(name);
  return hot === undefined
    ? getCold(room, asked)
    : respondRepresentation(request, davRepresentation(hot, asked), true);
}

async function getCold(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name, isCollection: collection } } = asked;
  const { store } = room.server;
  const found = requireFound(await findResource(store, path), collection, "read", path);
  if (collection || found.entry === undefined) {
    const mounts = hasMounts(room.server.plugins);
    const members = await listMembers(store, caller, path, mounts);
    const rows = members.map((member) => ({
      name: member.path.slice(member.path.lastIndexOf("/") + 1),
      dir: member.collection,
    }));
    const form = chooseListing(request.headers.get("accept")) ?? "text/plain";
    return respondListing(request, rows, form);
  }
  const world = await readWorld(room, name, path);
  return respondRepresentation(request, davRepresentation(world, asked), true);
}

async function readWorld(room: DavContext, name: string, path: string): Promise<World> {
  const world = await room.server.store.read(name);
  if (world === undefined) throw notFoundProblem("read", path);
  return world;
}

function davRepresentation(world: World, { caller, target: { path } }: DavRequest): Representation {
  const shown = redactFor(caller, world);
  let representation = made.get(shown);
  if (representation === undefined) {
    const raw = getRepresentation(shown, "raw");
    const etag = davEtag(world, isRedacted(caller, path));
    const headers = { ...raw.headers, etag };
    representation = {
      ...raw,
      etag,
      headers,
      fullResponse: new Response(raw.body, { headers }),
      notModified: notModifiedResponse(headers),
    };
    made.set(shown, representation);
  }
  return representation;
}
