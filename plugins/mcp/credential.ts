/**
 * The credential of a caller. Its name in the logs is not enough: several capabilities can have one
 * name, and the holder of one can make others under any number of names.
 */

import type { PluginCaller } from "../kit/env.ts";
import { isRecord } from "../kit/json_record.ts";
import { Problem } from "../kit/problem.ts";
import { readJson, ServerRefusal } from "./server_call.ts";

/** What the plugin knows about the credential of a caller. */
export interface Credential {
  /** Distinguishes the credential from every other one: a session belongs to it. */
  readonly holder: string;
  /**
   * What its limits are counted by: for a capability the one that was minted, so that it shares them with
   * everything that is narrowed from it.
   */
  readonly client: string;
}

/**
 * Identifies the credential of a caller. For a capability the server is asked.
 *
 * @throws {Problem} `unavailable`: the server did not answer
 */
export async function credentialOf(
  { tier, by, fetch }: PluginCaller,
  signal: AbortSignal,
): Promise<Credential> {
  if (!by.startsWith("cap:")) return { holder: JSON.stringify([tier, by]), client: by };
  const { id = null, exp = null, prefix = null, prefixes = [], mode = null } = await readWhoami(
    { fetch, signal },
  );
  // A capability of an earlier version of the server has no id; its first prefix cannot be changed.
  const minted = id ?? (Array.isArray(prefixes) ? prefixes[0] : undefined);
  return {
    holder: JSON.stringify([tier, by, id, exp, prefix, mode]),
    client: `cap:${String(minted)}`,
  };
}

async function readWhoami(
  caller: Pick<PluginCaller, "fetch"> & { readonly signal: AbortSignal },
): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { value } = await readJson(caller, "/auth/whoami");
    return isRecord(value) ? value : {};
  } catch (error) {
    if (!(error instanceof ServerRefusal)) throw error;
    throw new Problem("unavailable", `Cannot identify the caller: ${error.message}`, {
      "retry-after": error.retryAfter ?? "1",
    });
  }
}
