/**
 * What the methods of WebDAV share: the machine, its locks, and what is remembered of its worlds; and
 * the request as they see it, with its path already that of the world.
 */

import type { Caller } from "../../auth/caller.ts";
import type { RequestTarget } from "../../http/path.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { CreationInfoCache } from "../properties/creation_info.ts";
import { DeadProperties } from "../properties/dead_properties.ts";
import type { LockTable } from "../locks/lock_table.ts";
import { createQuotaReader, type QuotaReader } from "../properties/quota.ts";

/** The room. */
export interface DavContext {
  readonly server: ServerContext;
  readonly locks: LockTable;
  readonly creationInfo: CreationInfoCache;
  readonly deadProperties: DeadProperties;
  readonly readQuota: QuotaReader;
}

/** One request of WebDAV. */
export interface DavRequest {
  readonly request: Request;
  /** The world's own target: `/home/a.txt` of `/dav/home/a.txt`. */
  readonly target: RequestTarget;
  readonly caller: Caller;
  /** Lock tokens the If header submits. */
  readonly submitted: ReadonlySet<string>;
}

/** Furnishes a room. */
export function createDavContext(server: ServerContext, locks: LockTable): DavContext {
  const births = new CreationInfoCache(server.store);
  return {
    server: server,
    locks,
    creationInfo: births,
    deadProperties: new DeadProperties(server.store, births),
    readQuota: createQuotaReader(server.config.data, server.now),
  };
}
