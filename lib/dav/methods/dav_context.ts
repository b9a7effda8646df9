/**
 * The context that the WebDAV methods share: server, lock table, dead properties and caches; and
 * the WebDAV request with the path of the world.
 */

import type { Caller } from "../../auth/caller.ts";
import { TimeSlices } from "../../base/time_slices.ts";
import { DAV_SLICE_MS } from "../../dav_limits.ts";
import type { Connection } from "../../request/request_context.ts";
import { Problem } from "../../http/problem.ts";
import type { RequestTarget } from "../../http/path.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { CreationInfoCache } from "../properties/creation_info.ts";
import { DeadProperties } from "../properties/dead_properties.ts";
import type { Locks } from "../locks/locks.ts";
import { DavLimiter } from "../resource/dav_limiter.ts";
import { readXml, TooManyNodes } from "../xml/xml_reader.ts";
import type { XmlElement } from "../xml/xml_writer.ts";
import { createDiskSpaceReader, type DiskSpaceReader } from "../resource/disk_space.ts";

/** Services and state of the WebDAV methods; one per server. */
export interface DavContext {
  readonly server: ServerContext;
  readonly locks: Locks;
  readonly creationInfo: CreationInfoCache;
  readonly deadProperties: DeadProperties;
  readonly readDiskSpace: DiskSpaceReader;
  /** Divides the work of long requests. */
  readonly slices: TimeSlices;
  readonly limiter: DavLimiter;
}

/** One WebDAV request. */
export interface DavRequest {
  readonly request: Request;
  /** Target of the world: `/home/a.txt` for `/dav/home/a.txt`. */
  readonly target: RequestTarget;
  readonly caller: Caller;
  /** The connection of the client; absent for a subrequest of a plugin. */
  readonly connection?: Connection;
  /** Lock tokens that the If header submits. */
  readonly submitted: ReadonlySet<string>;
}

/** Creates the context of a server. */
export function createDavContext(
  server: ServerContext,
  locks: Locks,
  limiter: DavLimiter = new DavLimiter(server.config.davLimits),
): DavContext {
  const creationInfo = new CreationInfoCache(server.store);
  return {
    server,
    locks,
    creationInfo,
    deadProperties: new DeadProperties(server.store, creationInfo, limiter),
    readDiskSpace: createDiskSpaceReader(server.config.data, server.monotonic),
    slices: new TimeSlices(DAV_SLICE_MS),
    limiter,
  };
}

/**
 * Reads the body of a WebDAV request as XML, within the limits of the server.
 *
 * @returns the root element, or `undefined` if the body is empty
 * @throws {Problem} `bad-body`, `body-too-large`
 */
export async function readDavXml(
  { limiter, slices }: Pick<DavContext, "limiter" | "slices">,
  { request, connection }: Pick<DavRequest, "request" | "connection">,
): Promise<XmlElement | undefined> {
  const { xmlBytes: maxBytes, xmlNodes: maxNodes } = limiter.limits;
  const turn = () => slices.isOver ? slices.next() : undefined;
  try {
    return await readXml(request, {
      maxBytes,
      maxNodes,
      turn,
      ...(connection && { source: connection }),
    });
  } catch (error) {
    if (error instanceof TooManyNodes) limiter.refuse("xmlNodes", error);
    else if (error instanceof Problem && error.status === 413) limiter.refuse("xmlBytes", error);
    throw error;
  }
}
