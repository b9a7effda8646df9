/**
 * Determines what a source requests, by running it once without any permission. It changes nothing, and
 * reserves no route.
 */

import type { World } from "../../world/store.ts";
import { requestDigest } from "./approval.ts";
import { describeGrants } from "./describe_plugin.ts";
import type { RequestedGrants, SandboxDeps } from "./loaded_plugin.ts";

/** What a source requests, as JSON members. */
export type RequestedJson = Readonly<Record<string, unknown>>;

/** The sandbox, and the steps of an activation. */
export interface LoadedSteps {
  readonly sandbox: SandboxDeps;
  readonly steps: typeof import("./plugin_loader.ts");
}

/**
 * Determines what a source requests.
 *
 * @param source its world, or the world that it would be
 * @param check throws the reason why an approval would refuse it
 * @throws {Problem} `unprocessable` (422) with the reason
 */
export async function describeRequested(
  { sandbox, steps }: LoadedSteps,
  source: World,
  check: (requested: RequestedGrants) => void,
): Promise<RequestedJson> {
  try {
    const requested = await steps.inspectSource(sandbox, source);
    check(requested);
    return { ...describeGrants(requested), digest: requestDigest(source, requested) };
  } catch (error) {
    throw steps.toActivationProblem(error, source.name);
  }
}

/**
 * Makes every check of an approval for which the source runs without any permission.
 *
 * @param source the world that it would be
 * @param check throws the reason why an approval would refuse it
 * @throws {Problem} `unprocessable` (422) with the reason
 */
export async function checkSource(
  loaded: LoadedSteps,
  source: World,
  check: (requested: RequestedGrants) => void,
): Promise<RequestedJson> {
  const { sandbox, steps } = loaded;
  let found: RequestedGrants | undefined;
  const json = await describeRequested(loaded, source, (requested) => check(found = requested));
  try {
    if (found !== undefined) await steps.prepareCellInit(sandbox, source.name, found.code, found);
    return json;
  } catch (error) {
    throw steps.toActivationProblem(error, source.name);
  }
}
