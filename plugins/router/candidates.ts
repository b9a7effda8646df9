/** The worlds and collections that a requested path can mean. */

import { isRecord } from "../kit/json_record.ts";
import { HIDDEN_NAMESPACES, type RequestedPath } from "./requested_path.ts";
import { similarityTo } from "./similarity.ts";
import { pathEdits } from "./typing_errors.ts";
import { foldText, numbersIn } from "./words.ts";

/** A world or a collection that can be proposed. */
export interface Candidate {
  /** Path; a collection has a slash at the end. */
  readonly path: string;
  readonly namespace: string;
  /** Folded segments, the namespace first. */
  readonly segments: readonly string[];
  /** Whether it is a collection whose name is a world as well. */
  readonly isWorldToo: boolean;
}

/** A candidate with the number of typing errors. */
export interface NearPath {
  readonly path: string;
  readonly edits: number;
}

/** Most recent worlds that are searched. */
const MAX_WORLDS = 5000;
/** Longest names in a question, in characters of all together. */
const MAX_NAMES_LENGTH = 8192;
/** Least similarity of a proposed path, and of each of its segments within a namespace. */
const MIN_SIMILARITY = 0.3;
const MIN_SEGMENT_SIMILARITY = 0.7;

/**
 * Lists every world and collection that can be proposed, the most recent first.
 *
 * @param rows response of `/proc/worlds`
 */
export function readCandidates(rows: unknown): Candidate[] {
  const worlds: { name: string; at: string }[] = [];
  for (const row of Array.isArray(rows) ? rows : []) {
    const { name, updated_at: at } = isRecord(row) ? row : {};
    if (typeof name !== "string") continue;
    if (HIDDEN_NAMESPACES.includes(name.split("/", 1)[0] ?? "")) continue;
    // Only T3 can read /etc/shadow, so it must not be proposed.
    if (/^etc\/shadow(?:\/|$)/i.test(name)) continue;
    worlds.push({ name, at: typeof at === "string" ? at : "" });
  }
  worlds.sort((a, b) => a.at < b.at ? 1 : a.at > b.at ? -1 : 0);
  const paths = new Set<string>();
  for (const { name } of worlds.slice(0, MAX_WORLDS)) {
    paths.add(`/${name}`);
    for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
      if (name.indexOf("/") < end) paths.add(`/${name.slice(0, end)}/`);
    }
  }
  return [...paths].map((path) => {
    const segments = path.slice(1).replace(/\/$/, "").split("/");
    const isWorldToo = path.endsWith("/") && paths.has(path.slice(0, -1));
    return { path, namespace: segments[0] ?? "", segments: segments.map(foldText), isWorldToo };
  });
}

/**
 * Returns the candidates in the namespace of the path, of the kind that it asks for.
 *
 * @param tier tier of the caller; `/etc` is proposed from T2 on
 */
export function candidatesFor(
  all: readonly Candidate[],
  { namespace, isCollection }: RequestedPath,
  tier: string,
): Candidate[] {
  return all.filter((candidate) =>
    (namespace === undefined || candidate.namespace === namespace) &&
    (candidate.namespace !== "etc" || tier !== "T1") &&
    (isCollection ? candidate.path.endsWith("/") : !candidate.isWorldToo)
  );
}

/** Returns the paths that differ from the requested one by typing errors, the nearest first. */
export function nearPaths(
  { segments: requested, namespace }: RequestedPath,
  candidates: readonly Candidate[],
): NearPath[] {
  const near: NearPath[] = [];
  const { length } = requested;
  for (const { path, segments } of candidates) {
    // A path outside the namespaces may be the end of a name; within a namespace it is the name.
    if (namespace === undefined ? segments.length < length : segments.length !== length) continue;
    const end = segments.length === length ? segments : segments.slice(-length);
    const edits = Math.min(
      pathEdits(requested, end),
      pathEdits(requested, withoutExtension(end)),
    );
    if (edits < Infinity) near.push({ path, edits });
  }
  return near.sort((a, b) => a.edits - b.edits);
}

function withoutExtension(segments: readonly string[]): readonly string[] {
  const last = segments.at(-1) ?? "";
  if (!last.includes(".")) return segments;
  const bare = last.replace(/(?<=.)\.[a-z0-9]{1,8}$/, "");
  return bare === last ? segments : [...segments.slice(0, -1), bare];
}

/**
 * Returns the only path that can be meant.
 *
 * @param near paths as {@link nearPaths} returns them
 * @returns undefined if there is no path, or a second one is too near
 */
export function certainPath(near: readonly NearPath[]): string | undefined {
  const [best, second] = near;
  if (best === undefined) return undefined;
  if (second === undefined || second.edits - best.edits >= 2) return best.path;
  return best.edits === 0 && second.edits > 0 ? best.path : undefined;
}

/** Returns the paths that are similar to the requested one, the most similar first. */
export function similarPaths(
  requested: RequestedPath,
  candidates: readonly Candidate[],
): string[] {
  const similarity = requested.namespace === undefined
    ? similarityAnywhere(requested)
    : similarityInNamespace(requested);
  const found: { path: string; similar: number }[] = [];
  for (const { path, segments } of candidates) {
    const similar = similarity(segments);
    if (similar >= MIN_SIMILARITY) found.push({ path, similar });
  }
  return found.sort((a, b) => b.similar - a.similar).map(({ path }) => path);
}

function similarityAnywhere({ segments }: RequestedPath): (segments: readonly string[]) => number {
  const similarity = similarityTo(segments.join("/"));
  return (other) => similarity(other.slice(1));
}

/**
 * Programs request names in a namespace to find out whether a world exists. They must not wait for a
 * model because a similar world exists: every segment must be similar, and numbers must be equal.
 */
function similarityInNamespace(
  { segments: requested }: RequestedPath,
): (segments: readonly string[]) => number {
  const similarities = requested.map(similarityTo);
  return function similarity(segments) {
    if (segments.length !== requested.length) return 0;
    let lowest = 1;
    for (const [i, segment] of requested.entries()) {
      const other = segments[i] ?? "";
      if (other === segment) continue;
      if (numbersIn(segment) !== numbersIn(other)) return 0;
      lowest = Math.min(lowest, similarities[i]?.([other]) ?? 0);
      if (lowest < MIN_SEGMENT_SIMILARITY) return 0;
      lowest = Math.min(lowest, similarityTo(other)([segment]));
      if (lowest < MIN_SEGMENT_SIMILARITY) return 0;
    }
    return lowest;
  };
}

/**
 * Chooses the names for a question to the model: near and similar ones, and recent ones if the path is
 * outside the namespaces.
 *
 * @param max maximum number of names
 */
export function questionNames(
  { namespace, isCollection }: RequestedPath,
  near: readonly NearPath[],
  similar: readonly string[],
  candidates: readonly Candidate[],
  max: number,
): string[] {
  const chosen = new Set([...near.map(({ path }) => path), ...similar]);
  if (namespace === undefined) {
    for (const { path } of candidates) {
      if (chosen.size >= max) break;
      // The name of a collection adds little to the names of its worlds.
      if (isCollection || !path.endsWith("/")) chosen.add(path);
    }
  }
  let length = 0;
  return [...chosen].slice(0, max).filter((path) => (length += path.length) <= MAX_NAMES_LENGTH);
}
