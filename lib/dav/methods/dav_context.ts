/**
 * The context that the WebDAV methods share: server, lock table, dead properties and caches; and
 * the WebDAV request with the path of the world.
 */

import type { Caller } from "../../auth/caller.ts";
import type { Connection } from "../../request/request_context.ts";
import type { RequestTarget } from "../../http/path.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { CreationInfoCache } from "../properties/creation_info.ts";
import { DeadProperties } from "../properties/dead_properties.ts";
import type { LockTable } from "../locks/lock_table.ts";
import { createQuotaReader, type QuotaReader } from "../properties/quota.ts";

/** Services and state of the WebDAV methods; one per server. */
export interface DavContext {
  readonly server: ServerContext;
  readonly locks: LockTable;
  readonly creationInfo: CreationInfoCache;
  readonly deadProperties: DeadProperties;
  readonly readQuota: QuotaReader;
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
export function createDavContext(server: ServerContext, locks: LockTable): DavContext {
  const creationInfo = new CreationInfoCache(server.store);
  return {
    server,
    locks,
    creationInfo,
    deadProperties: new DeadProperties(server.store, creationInfo),
    readQuota: createQuotaReader(server.config.data, server.monotonic),
  };
}
