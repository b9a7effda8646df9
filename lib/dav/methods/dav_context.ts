/**
 * What the methods of WebDAV share: the machine, its locks, and what is remembered of its worlds; and
 * the request as they see it, with its path already that of the world.
 */

import type { Caller } from "../../auth/caller.ts";
import type { Target } from "../../http/path.ts";
import type { Machine } from "../../request/server_context.ts";
import { Births } from "../properties/creation_info.ts";
import { DeadProperties } from "../properties/dead_properties.ts";
import type { LockTable } from "../locks/lock_table.ts";
import { createQuota, type Quota } from "../properties/quota.ts";

/** The room. */
export interface Room {
  readonly machine: Machine;
  readonly locks: LockTable;
  readonly births: Births;
  readonly dead: DeadProperties;
  readonly quota: Quota;
}

/** One request of WebDAV. */
export interface DavRequest {
  readonly request: Request;
  /** The world's own target: `/home/a.txt` of `/dav/home/a.txt`. */
  readonly target: Target;
  readonly caller: Caller;
  /** Lock tokens the If header submits. */
  readonly submitted: ReadonlySet<string>;
}

/** Furnishes a room. */
export function createRoom(machine: Machine, locks: LockTable): Room {
  const births = new Births(machine.store);
  return {
    machine,
    locks,
    births,
    dead: new DeadProperties(machine.store, births),
    quota: createQuota(machine.config.data, machine.now),
  };
}
