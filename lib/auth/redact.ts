/**
 * Redaction: replaces the secrets in a world for callers below T3. The redacted world has its own
 * hash, so its entity tags differ from those of the original.
 */

import { sha256Hex } from "../base/hash.ts";
import type { World } from "../world/store.ts";
import type { Caller } from "./caller.ts";
import { isRedacted } from "./policy.ts";

/** Also matches common typing errors: an invalid line of `/etc/fstab` still contains the secret. */
const BEARER = /bearer[ \t]*[=:][ \t]*[^\s,]+/gi;

const redactedWorlds = new WeakMap<World, World>();

/**
 * Returns the world as the caller can see it. Below T3, `/etc/fstab` shows `bearer=***` and
 * `://***@`.
 *
 * @param caller the caller, who can read the world
 * @param world the original; not changed
 * @returns the same object if nothing is hidden from the caller
 */
export function redactFor(caller: Caller, world: World): World {
  if (!isRedacted(caller, `/${world.name}`)) return world;
  let redactedWorld = redactedWorlds.get(world);
  if (redactedWorld === undefined) {
    const text = new TextDecoder().decode(world.body).replace(BEARER, "bearer=***")
      .replace(/\S+/g, withoutUser);
    const body = new TextEncoder().encode(text);
    redactedWorld = { ...world, body, sha256: sha256Hex(body) };
    redactedWorlds.set(world, redactedWorld);
  }
  return redactedWorld;
}

/**
 * Removes user and password from a URL. After a typing error it removes too much rather than too
 * little.
 */
function withoutUser(word: string): string {
  const start = word.indexOf("://") + 3;
  const at = word.lastIndexOf("@");
  return start < 3 || at < start ? word : `${word.slice(0, start)}***${word.slice(at)}`;
}
