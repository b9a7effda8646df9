/**
 * The permissions that a plugin gets with its current config worlds: all that it requests if T3 chose
 * every change since the approval, otherwise no more than was approved.
 */

import { limitPermissions } from "../manifest/permissions.ts";
import { type ApprovedPermissions, changedConfigs, toApproved } from "./approval.ts";
import type { ConfigOrigins } from "./config_origins.ts";
import type { GrantedPermissions, LoadedPlugin } from "./loaded_plugin.ts";
import type { ProbeResult } from "./probe_manifest.ts";

/** What is known of config worlds. */
export interface ConfigSource {
  /**
   * Makes memory follow the other servers of the store. What is read can be newer than what memory was
   * told, or older after the database has lost changes: a change of another server could be taken for
   * that of T3 before it. So nothing may be told between the two calls around a judgment.
   *
   * @throws {StoreError} `unreachable`
   */
  follow(): Promise<void>;
  readonly origins: Pick<ConfigOrigins, "lastChange" | "isChosenByOperator">;
  /** Returns the text of a config world. */
  readConfig(path: string): Promise<string | undefined>;
}

/** Returns all that a plugin requests, as approved. */
export function approveAll(requested: ProbeResult): GrantedPermissions {
  const { permissions } = requested;
  return { permissions, approved: toApproved(requested), refused: [], untrusted: new Set() };
}

/**
 * Returns the permissions that a plugin gets. If T3 made every change since the approval, they are what
 * it requests, and they are approved from then on.
 *
 * @param isTrusted whether the content of a config world before the change was approved
 * @throws {StoreError} `unreachable`
 */
export async function grantPermissions(
  approved: ApprovedPermissions,
  requested: ProbeResult,
  isTrusted: (path: string) => boolean,
  { origins, readConfig, follow }: ConfigSource,
): Promise<GrantedPermissions> {
  const untrusted = new Set<string>();
  for (const path of changedConfigs(approved, requested)) {
    await follow();
    const change = origins.lastChange(path);
    const isChosen = await origins.isChosenByOperator(path, isTrusted(path));
    // The content that was evaluated must be the one that T3 chose, not one shortly before it.
    const text = await readConfig(path);
    await follow();
    const isSame = text === requested.config[path] && origins.lastChange(path) === change;
    if (!isChosen || !isSame) untrusted.add(path);
  }
  if (untrusted.size === 0) return approveAll(requested);
  return {
    ...limitPermissions(requested.permissions, approved.permissions),
    approved,
    untrusted,
  };
}

/**
 * Describes permissions that a plugin requests because of a change that T3 did not make; undefined if
 * there are none.
 */
export function refusedFault({ refused, untrusted }: LoadedPlugin): string | undefined {
  if (refused.length === 0) return undefined;
  return `${
    [...untrusted].join(" and ")
  } was not changed by T3 and requests more than was approved ` +
    `(${refused.join(", ")}); the approved permissions are used; PUT active to approve`;
}
