/**
 * What a caller sees of a world that keeps secrets among ordinary lines. A redacted world is a world
 * of its own, with its own hash, so that entity tags never tell one from the other by mistake.
 */

import { sha256Hex } from "../hash.ts";
import type { World } from "../world/store.ts";
import type { Caller } from "./caller.ts";
import { redacted } from "./policy.ts";

const BEARER = /bearer=[^\s,]+/gi;
/** User and password in a URL, and rather too much than a secret that was typed with a slash in it. */
const USERINFO = /(:\/\/)\S*@/g;

const shown = new WeakMap<World, World>();

/** The world as this caller may see it: `/etc/fstab` below T3 shows `bearer=***` and `://***@`. */
export function seenBy(caller: Caller, world: World): World {
  if (!redacted(caller, `/${world.name}`)) return world;
  let seen = shown.get(world);
  if (seen === undefined) {
    const text = new TextDecoder().decode(world.body).replace(BEARER, "bearer=***")
      .replace(USERINFO, "$1***@");
    const body = new TextEncoder().encode(text);
    seen = { ...world, body, sha256: sha256Hex(body) };
    shown.set(world, seen);
  }
  return seen;
}
