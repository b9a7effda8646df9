/**
 * The GET and HEAD methods of WebDAV. A world is sent like `?raw` on its plain path, with range and
 * conditional requests, but with the entity tag of PROPFIND. A collection is sent as a listing.
 */

import { assertCan, isRedacted, readScopeKey } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { sendListing } from "../../response/listing.ts";
import { sharedListingsOf } from "../../response/shared_listings.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import {
  getRepresentation,
  notModifiedResponse,
  type Representation,
  respondRepresentation,
} from "../../response/representation.ts";
import { WATCHED_RESPONSE_BYTES } from "../../limits.ts";
import type { World } from "../../world/store.ts";
import { davEtag } from "../resource/dav_etag.ts";
import { hasMounts } from "../resource/mount_client.ts";
import { findResource, listMembers, notFoundProblem, requireFound } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";
import { listChildren } from "./list_children.ts";

const chooseListing = createTypeChooser(["text/plain", "application/json"], "text/plain");
const representations = new WeakMap<World, Representation>();

/**
 * Handles a GET or HEAD request. Synchronous if the world is in memory.
 *
 * @throws {Problem}
 */
export function get(context: DavContext, davRequest: DavRequest): Promise<Response> | Response {
  const { request, caller, target: { path, name, isCollection: collection } } = davRequest;
  assertCan(caller, "read", path);
  const cached = collection ? undefined : context.server.store.peek(name);
  if (cached === undefined) return getUncached(context, davRequest);
  if (cached.body.length > WATCHED_RESPONSE_BYTES) davRequest.connection?.largeContent?.();
  return respondRepresentation(request, davRepresentation(cached, davRequest), true);
}

async function getUncached(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name, isCollection: collection } } = davRequest;
  const { store } = context.server;
  const found = requireFound(await findResource(store, path), collection, "read", path);
  if (collection || found.entry === undefined) {
    const mediaType = chooseListing(request.headers.get("accept")) ?? "text/plain";
    const listRows = async () => {
      if (path !== "/") {
        const children = await listChildren(context, davRequest);
        return children.map(({ name, dir }) => ({ name, dir }));
      }
      const members = await listMembers(store, caller, path, hasMounts(context.server.plugins));
      return members.map(({ path, collection }) => ({ name: path.slice(1), dir: collection }));
    };
    // The root depends on mounts, which change without a change of a world.
    const scope = path === "/" ? undefined : readScopeKey(caller);
    const listing = await sharedListingsOf(store).get(scope, `/dav${path}`, mediaType, listRows);
    return sendListing(request, listing);
  }
  const world = await readWorld(context, name, path);
  return respondRepresentation(request, davRepresentation(world, davRequest), true);
}

async function readWorld(context: DavContext, name: string, path: string): Promise<World> {
  const world = await context.server.store.read(name);
  if (world === undefined) throw notFoundProblem("read", path);
  return world;
}

function davRepresentation(world: World, { caller, target: { path } }: DavRequest): Representation {
  const redacted = redactFor(caller, world);
  let representation = representations.get(redacted);
  if (representation === undefined) {
    const raw = getRepresentation(redacted, "raw");
    const etag = davEtag(world, isRedacted(caller, path));
    const headers = { ...raw.headers, etag };
    representation = {
      ...raw,
      etag,
      headers,
      fullResponse: new Response(raw.body, { headers }),
      notModified: notModifiedResponse(headers),
    };
    representations.set(redacted, representation);
  }
  return representation;
}
