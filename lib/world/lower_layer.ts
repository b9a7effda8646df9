/**
 * The worlds every machine is born with, as the read-only layer below all others. They are made
 * once from the text the program carries, live in memory, and are never copied into the data folder.
 */

import { sha256Hex } from "../base/hash.ts";
import { isValidExt } from "./media_type.ts";
import type { AuditResult, World } from "./store.ts";

/**
 * Makes the lower worlds.
 *
 * @param texts file contents by their path below `worlds/`, `usr/share/doc/http.md`; a TypeScript
 * program is named without its suffix, as plugins are: `home/boot.ts` is the world `home/boot`
 * @param updatedAt what they tell as their time, RFC 3339
 */
export function createLowerLayer(
  texts: Readonly<Record<string, string>>,
  updatedAt: string,
): ReadonlyMap<string, World> {
  const encoder = new TextEncoder();
  const worlds = new Map<string, World>();
  for (const [path, text] of Object.entries(texts)) {
    const dot = path.lastIndexOf(".");
    const suffix = dot > path.lastIndexOf("/") ? path.slice(dot + 1) : "";
    const name = suffix === "ts" ? path.slice(0, dot) : path;
    const body = encoder.encode(text);
    worlds.set(name, {
      name,
      version: 0,
      ext: isValidExt(suffix) ? suffix : "txt",
      meta: [],
      state: "",
      updatedAt,
      body,
      sha256: sha256Hex(body),
      layer: "lower",
    });
  }
  return worlds;
}

/** The verdict on a lower world: it came with the program and has no events that could contradict it. */
export function lowerAuditResult({ name, version, sha256 }: World): AuditResult {
  return { name, ok: true, events: 0, version, chain: { ok: true }, body: { ok: true, sha256 } };
}
