/**
 * Reads the source of a plugin and sets the state of its world. The state must be set for exactly
 * the version that was read: if another caller writes the source in between, the state change is
 * refused.
 */

import { sha256Hex } from "../../base/hash.ts";
import { Problem } from "../../http/problem.ts";
import type { StateChangeRequest } from "../../request/plugin_routes.ts";
import { preconditionFault } from "../../world/precondition.ts";
import { ManifestError } from "../manifest/manifest.ts";
import type { RouteClaim } from "./route_claims.ts";
import { type Precondition, type Store, StoreError, type World } from "../../world/store.ts";

/**
 * Reads a plugin's source.
 *
 * @param name world of the source, `lib/gpu`
 * @param action verb for the error message, such as `activate`
 * @throws {Problem} 404: there is no source, or only one of the lower layer
 */
export async function readPluginSource(store: Store, name: string, action: string): Promise<World> {
  const source = await store.read(name);
  if (source !== undefined && source.layer === "upper") return source;
  throw new Problem("not-found", `Cannot ${action} /${name}: there is no source; PUT one first`);
}

/**
 * Creates the world that a source would be, for a check that stores nothing.
 *
 * @param name world of the source, `lib/gpu`
 */
export function toDraft(name: string, body: Uint8Array<ArrayBuffer>): World {
  return {
    name,
    version: 0,
    ext: "ts",
    meta: [],
    state: "pending",
    updatedAt: "",
    body,
    sha256: sha256Hex(body),
    layer: "upper",
  };
}

/** What a caller approves with the state of a source. */
export interface ApprovedSource {
  /** Members of the event in addition to the state and the hash. */
  readonly payload: Readonly<Record<string, unknown>>;
  /**
   * The routes of the plugin, and whether it is the fallback. Another server of a shared store can start
   * another plugin with one of them at the same time.
   */
  readonly claims: RouteClaim;
}

/**
 * Sets the state of exactly the source that was read.
 *
 * @param source the world that was read
 * @param approved what is approved
 * @returns the world's version after the change
 * @throws {Problem} 412: the precondition failed; 409: the source was changed since it was read
 * @throws {ManifestError} a route is taken
 */
export async function setPluginState(
  store: Store,
  source: World,
  to: "active" | "disabled",
  { by, precondition }: StateChangeRequest,
  approved?: ApprovedSource,
): Promise<number> {
  assertSourcePrecondition(source, precondition);
  const { name, version, sha256 } = source;
  try {
    const written = await store.transition({
      name,
      by,
      to,
      eventFields: { source_sha256: sha256, ...approved?.payload },
      precondition: { match: [{ version, sha256 }] },
      ...(approved === undefined ? {} : { claims: toClaims(approved.claims) }),
    });
    return written.version;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === "claimed") throw new ManifestError("routes", error.message);
    if (error.code === "precondition") throw createSourceChangedProblem(name);
    throw error;
  }
}

/** Returns what a plugin claims in the store: its routes, and whether it is the fallback. */
export function toClaims({ routes, fallback }: RouteClaim): readonly string[] {
  return fallback ? [...routes, "fallback"] : routes;
}

/**
 * Asserts that the source fulfils the caller's precondition.
 *
 * @param precondition undefined if the caller sent none
 * @throws {Problem} 412: the precondition failed
 */
export function assertSourcePrecondition(
  source: World,
  precondition: Precondition | undefined,
): void {
  const fault = preconditionFault(precondition, source);
  if (fault === undefined) return;
  throw new Problem("precondition-failed", `Cannot change the state of /${source.name}: ${fault}`);
}

/** Creates the problem for a state change whose source was changed in between. */
export function createSourceChangedProblem(name: string): Problem {
  return new Problem(
    "conflict",
    `Cannot change the state of /${name}: another caller changed its source; read it again`,
  );
}
