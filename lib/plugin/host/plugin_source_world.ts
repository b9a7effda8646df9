/**
 * A plugin's world as the host changes it: its source read for one step of its life, its state set for
 * exactly the version that was read. What somebody writes in between wins, and the step is refused.
 */

import { Problem } from "../../http/problem.ts";
import type { StateChangeRequest } from "../../request/plugin_routes.ts";
import { preconditionFault } from "../../world/precondition.ts";
import { type Precondition, type Store, StoreError, type World } from "../../world/store.ts";

/**
 * Reads a plugin's source.
 *
 * @param action what it is read for, `activate`
 * @throws {Problem} 404
 */
export async function readPluginSource(store: Store, name: string, action: string): Promise<World> {
  const source = await store.read(name);
  if (source !== undefined && source.layer === "upper") return source;
  throw new Problem("not-found", `Cannot ${action} /${name}: no source is here; PUT one first`);
}

/**
 * Sets the state of exactly the source that was read.
 *
 * @param facts what the event tells beside the state
 * @returns the world's version after it
 * @throws {Problem} 412 when the caller saw another version, 409 when it was changed meanwhile
 */
export async function setPluginState(
  store: Store,
  source: World,
  to: "active" | "disabled",
  { by, precondition }: StateChangeRequest,
  facts: Readonly<Record<string, unknown>> = {},
): Promise<number> {
  assertVersionSeen(source, precondition);
  const { name, version, sha256 } = source;
  try {
    const written = await store.transition({
      name,
      by,
      to,
      facts: { source_sha256: sha256, ...facts },
      precondition: { match: [{ version, sha256 }] },
    });
    return written.version;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "precondition") throw error;
    throw createSourceChangedProblem(name);
  }
}

/**
 * Holds a caller to the version they say they have read.
 *
 * @throws {Problem} 412
 */
export function assertVersionSeen(source: World, precondition: Precondition | undefined): void {
  const fault = preconditionFault(precondition, source);
  if (fault === undefined) return;
  throw new Problem("precondition-failed", `Cannot change the state of /${source.name}: ${fault}`);
}

/** The refusal of a step whose source is another now. */
export function createSourceChangedProblem(name: string): Problem {
  return new Problem(
    "conflict",
    `Cannot change the state of /${name}: its source was changed meanwhile; look at it again`,
  );
}
