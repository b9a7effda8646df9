/** Decides which callers may copy the server. */

import { isRecord } from "../kit/json_record.ts";
import type { Env } from "./env.ts";

/**
 * Returns the refusal for a caller that has neither T3 nor a capability that was minted at or below one
 * of the prefixes. A capability for a shorter prefix does not allow it, even if its holder has narrowed
 * it to the prefix.
 *
 * @returns undefined if the caller may continue
 */
export async function refusalUnlessAllowed(
  env: Env,
  prefixes: readonly string[],
): Promise<Response | undefined> {
  if (env.caller.tier === "T3") return undefined;
  const whoami = await env.caller.fetch("/auth/whoami");
  const minted = mintedPrefix(whoami.ok ? await whoami.json() : undefined);
  const isAllowed = prefixes.some((prefix) =>
    minted === prefix || minted?.startsWith(`${prefix}/`)
  );
  // The server refuses its own source to all callers but T3, with the right status and challenge.
  return isAllowed ? undefined : await env.caller.fetch("/proc/source");
}

/** The prefix a capability was minted with: the first of its list, which no holder can remove. */
function mintedPrefix(whoami: unknown): string | undefined {
  const prefixes = isRecord(whoami) ? whoami.prefixes : undefined;
  const first: unknown = Array.isArray(prefixes) ? prefixes[0] : undefined;
  return typeof first === "string" ? first : undefined;
}
