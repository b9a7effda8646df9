/**
 * What a caller sees of a world that keeps secrets among ordinary lines. A redacted world is a world
 * of its own, with its own hash, so that entity tags never tell one from the other by mistake.
 */

import { sha256Hex } from "../base/hash.ts";
import type { World } from "../world/store.ts";
import type { Caller } from "./caller.ts";
import { redacted } from "./policy.ts";

/** Also as it is mistyped: a line that mounts nothing still holds the secret. */
const BEARER = /bearer[ \t]*[=:][ \t]*[^\s,]+/gi;

const shown = new WeakMap<World, World>();

/** The world as this caller may see it: `/etc/fstab` below T3 shows `bearer=***` and `://***@`. */
export function seenBy(caller: Caller, world: World): World {
  if (!redacted(caller, `/${world.name}`)) return world;
  let seen = shown.get(world);
  if (seen === undefined) {
    const text = new TextDecoder().decode(world.body).replace(BEARER, "bearer=***")
      .replace(/\S+/g, withoutUser);
    const body = new TextEncoder().encode(text);
    seen = { ...world, body, sha256: sha256Hex(body) };
    shown.set(world, seen);
  }
  return seen;
}

/** A word without the user and password of a URL; rather too little of it than a typing slip's secret. */
function withoutUser(word: string): string {
  const start = word.indexOf("://") + 3;
  const at = word.lastIndexOf("@");
  return start < 3 || at < start ? word : `${word.slice(0, start)}***${word.slice(at)}`;
}
