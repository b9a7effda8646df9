/**
 * Identifies the credential of a caller: sessions are bound to it, and limits count it. The name in the
 * logs is not enough: several capabilities can have the same one, and the holder of a capability can
 * derive others with any number of names.
 */

import type { PluginCaller } from "../kit/env.ts";
import { isRecord } from "../kit/json_record.ts";
import { Problem } from "../kit/problem.ts";
import { readJson, ServerRefusal } from "./server_call.ts";

/** The credential of a caller. */
export interface Credential {
  /** Distinguishes it from every other credential. */
  readonly holder: string;
  /** Is the same for a capability and for all that were derived from it. Limits count it. */
  readonly owner: string;
}

/**
 * Identifies the credential of a caller.
 *
 * @throws {Problem} the capability has expired or was revoked
 */
export async function identify(
  { tier, by, fetch }: PluginCaller,
  signal: AbortSignal,
): Promise<Credential> {
  if (!by.startsWith("cap:")) {
    const holder = JSON.stringify([tier, by]);
    return { holder, owner: holder };
  }
  const { value } = await readJson({ fetch, signal }, "/auth/whoami").catch((error) => {
    if (!(error instanceof ServerRefusal)) throw error;
    throw new Problem({ ...error.problem, status: error.status }, error.message);
  });
  const found = isRecord(value) ? value : {};
  const { id = null, exp = null, prefixes = null, mode = null } = found;
  // A capability without an id is known by the prefix with which it was minted.
  const [minted = null] = Array.isArray(prefixes) ? prefixes : [];
  return {
    holder: JSON.stringify([tier, by, id, exp, prefixes, mode]),
    owner: JSON.stringify(["cap", id ?? minted]),
  };
}
