/**
 * The lower layer: the read-only worlds that ship with the program, such as the manual, the shell
 * and the skills. They are created once at start from texts in the program, are kept in memory, and
 * must never be copied into the data folder. A world in the data folder (the upper layer) covers
 * the lower-layer world of the same name; after its removal the lower-layer world is visible again.
 * Lower-layer worlds have version 0 and no events.
 */

import { sha256Hex } from "../base/hash.ts";
import { latestTime, nextSecond } from "./change_time.ts";
import { isValidExt } from "./media_type.ts";
import { type AuditResult, type ChainEvent, StoreError, type World } from "./store.ts";

/**
 * Creates the lower-layer worlds.
 *
 * @param texts file contents by path below `worlds/`, such as `usr/share/doc/http.md`. The world of
 * a TypeScript file is named without the suffix, as plugins are: `home/boot.ts` is `home/boot`. A
 * declaration file keeps its name, because TypeScript knows it by `.d.ts`
 * @param updatedAt RFC 3339 time that the worlds report as their last change
 * @returns the worlds by name
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
    const name = suffix === "ts" && !path.endsWith(".d.ts") ? path.slice(0, dot) : path;
    const body = encoder.encode(text);
    let sha256: string | undefined;
    worlds.set(name, {
      name,
      version: 0,
      ext: isValidExt(suffix) ? suffix : "txt",
      meta: [],
      state: "",
      updatedAt,
      body,
      // With the first use: the hashes of all worlds would delay the first response.
      get sha256() {
        return sha256 ??= sha256Hex(body);
      },
      layer: "lower",
    });
  }
  return worlds;
}

/**
 * Returns a lower-layer world as it is after the removal of the world that covered it: with a later time
 * than that world had, so that no client takes the one for the other.
 *
 * @param removedAt RFC 3339 time of the last change of the removed world
 */
export function shownAgain(world: World, removedAt: string): World {
  return { ...world, updatedAt: latestTime(world.updatedAt, nextSecond(removedAt)) };
}

/**
 * Returns the audit result of a lower-layer world: always ok, because it has no events.
 *
 * @param world undefined if the lower layer does not have the world
 * @throws {StoreError} `absent`
 */
export function auditLower(name: string, world: World | undefined): AuditResult {
  if (world === undefined) {
    throw new StoreError("absent", "Cannot audit the world: it does not exist", name);
  }
  const { version, sha256 } = world;
  return {
    name,
    ok: true,
    events: 0,
    version,
    named: true,
    chain: { ok: true },
    body: { ok: true, sha256 },
  };
}

/** Returns the events of a lower-layer world: none. @throws {StoreError} `absent` */
export function logLower(name: string, world: World | undefined): readonly ChainEvent[] {
  if (world !== undefined) return [];
  throw new StoreError("absent", "Cannot read the events of the world: it does not exist", name);
}

/** The error for a copy of a world that the upper layer does not have. */
export function createNoCopyError(name: string, world: World | undefined): StoreError {
  const reason = world === undefined
    ? "it does not exist"
    : "it is in the lower layer and has no file";
  return new StoreError("absent", `Cannot copy the world: ${reason}`, name);
}

/** The error for a version of a world that the upper layer does not have. */
export function createNoVersionError(name: string, version: number): StoreError {
  const fault = `there is no version ${version}: the world does not exist`;
  return new StoreError("absent", fault, name);
}
