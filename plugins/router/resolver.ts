/**
 * Resolves requests. In memory it keeps lists of candidates, answers of the model, and the times of the
 * questions to the model. It writes nothing to disk.
 */

import { encodePath } from "../kit/encode_path.ts";
import { Problem, problemResponse } from "../kit/problem.ts";
import { sha256Hex } from "../kit/sha256.ts";
import {
  type Candidate,
  candidatesFor,
  certainPath,
  nearPaths,
  questionNames,
  readCandidates,
  similarPaths,
} from "./candidates.ts";
import type { Env } from "./env.ts";
import { askModel, hasModel, MAX_CHOICES } from "./model.ts";
import { isResolvable, readRequestedPath, type RequestedPath } from "./requested_path.ts";
import {
  choicesResponse,
  declinedResponse,
  notFoundResponse,
  redirectResponse,
} from "./responses.ts";
import { readSettings, type Settings } from "./settings.ts";

/** Longest path and query in bytes. */
const MAX_URL_BYTES = 4096;
/** Lists of candidates that are kept, each by its entity tag. */
const MAX_KEPT_LISTS = 8;
/** Answers of the model that are kept, and for how long, in milliseconds. */
const MAX_KEPT_ANSWERS = 512;
const KEPT_ANSWER_MS = 600_000;
const MINUTE_MS = 60_000;
/** Pause after a failure of the model in milliseconds: default and maximum. */
const PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 60_000;

/** Resolves requests. */
export class Router {
  readonly #now: () => number;
  /** By entity tag, which is a hash of the list: a caller that gets a tag can read that list. */
  readonly #lists = new Map<string, Candidate[]>();
  readonly #answers = new Map<string, { readonly names: string[]; readonly until: number }>();
  /** Questions that are not answered yet, by the key of their answer. */
  readonly #pending = new Map<string, Promise<string[] | undefined>>();
  /** Times of the questions of the last minute. */
  #questionTimes: number[] = [];
  #pausedUntil = 0;

  /** @param now returns Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Answers a request; an empty 404 leaves the response to the server. */
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const accept = request.headers.get("accept");
    const isHead = request.method === "HEAD";
    const bytes = url.pathname.length + url.search.length;
    if (bytes > MAX_URL_BYTES) {
      const detail =
        `Cannot resolve a path of ${bytes} bytes; at most ${MAX_URL_BYTES} are allowed`;
      return problemResponse(new Problem("uri-too-long", detail), accept, isHead);
    }
    const requested = readRequestedPath(url);
    if (!isResolvable(requested, request.headers)) return declinedResponse();
    const response = await this.#resolve(requested, accept, env);
    return isHead ? new Response(null, response) : response;
  }

  async #resolve(requested: RequestedPath, accept: string | null, env: Env): Promise<Response> {
    const candidates = candidatesFor(await this.#candidates(env), requested, env.caller.tier);
    const near = nearPaths(requested, candidates);
    const certain = certainPath(near);
    if (certain !== undefined) {
      const [path] = await readablePaths(env, [certain]);
      return path === undefined ? declinedResponse() : redirectResponse(requested, path);
    }
    const { settings } = readSettings(env.config["/etc/router.conf"] ?? "");
    const similar = similarPaths(requested, candidates);
    const names = questionNames(requested, near, similar, candidates, settings.candidates);
    if (names.length === 0) return declinedResponse();
    const chosen = await this.#choose(requested, names, settings, env);
    const nearest = near.length <= MAX_CHOICES ? near.map(({ path }) => path) : [];
    const paths = await readablePaths(env, chosen ?? nearest);
    const [first, second] = paths;
    if (second !== undefined) return choicesResponse(requested, paths, accept);
    if (first !== undefined) return redirectResponse(requested, first);
    const shown = await readablePaths(env, similar.slice(0, MAX_CHOICES));
    if (chosen === undefined && shown.length === 0) return declinedResponse();
    return notFoundResponse(requested, shown, names.length, accept);
  }

  /** The worlds and collections that the caller can read now. */
  async #candidates(env: Env): Promise<readonly Candidate[]> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (this.#lists.size > 0) headers["if-none-match"] = [...this.#lists.keys()].join(", ");
    const response = await env.caller.fetch("/proc/worlds", { headers });
    const tag = response.headers.get("etag") ?? "";
    const cached = this.#lists.get(tag);
    if (response.status === 304 && cached !== undefined) {
      keepLatest(this.#lists, tag, cached, MAX_KEPT_LISTS);
      return cached;
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      return [];
    }
    const candidates = readCandidates(await response.json());
    if (/^"[^"]+"$/.test(tag)) keepLatest(this.#lists, tag, candidates, MAX_KEPT_LISTS);
    return candidates;
  }

  /** The names that the model chooses; undefined if no question was sent or the model failed. */
  async #choose(
    { path, isCollection }: RequestedPath,
    names: readonly string[],
    settings: Settings,
    env: Env,
  ): Promise<string[] | undefined> {
    const { tier, by } = env.caller;
    const text = isCollection ? `${path}/` : path;
    // The caller is part of the key: a shared cache would reveal what other callers requested.
    const key = await sha256Hex(JSON.stringify([tier, by, text, settings.allowRemote, names]));
    const cached = this.#answers.get(key);
    if (cached !== undefined && this.#now() < cached.until) return cached.names;
    const pending = this.#pending.get(key) ?? this.#ask(text, names, settings, env);
    this.#pending.set(key, pending);
    try {
      const chosen = await pending;
      if (chosen !== undefined) {
        const answer = { names: chosen, until: this.#now() + KEPT_ANSWER_MS };
        keepLatest(this.#answers, key, answer, MAX_KEPT_ANSWERS);
      }
      return chosen;
    } finally {
      this.#pending.delete(key);
    }
  }

  async #ask(
    text: string,
    names: readonly string[],
    { allowRemote, budget, timeout }: Settings,
    env: Env,
  ): Promise<string[] | undefined> {
    const mustWait = (): boolean =>
      this.#now() < this.#pausedUntil || this.#questionsInLastMinute() >= budget;
    if (mustWait()) return undefined;
    const signal = AbortSignal.timeout(timeout * 1000);
    try {
      const { fetch } = env.machine;
      if (!await hasModel(fetch, allowRemote, signal) || mustWait()) return undefined;
      this.#questionTimes.push(this.#now());
      const answer = await askModel(fetch, text, names, allowRemote, signal);
      if (answer === undefined) return undefined;
      if ("names" in answer) return answer.names;
      this.#pause(Number(answer.retryAfter) * 1000);
      return undefined;
    } catch (error) {
      // After a timeout or a failure the next request must not wait as long.
      this.#pause();
      const reason = error instanceof Error ? error.name : "it failed";
      console.warn(`Cannot get an answer from /dev/gpu: ${reason}`);
      return undefined;
    }
  }

  #questionsInLastMinute(): number {
    const since = this.#now() - MINUTE_MS;
    this.#questionTimes = this.#questionTimes.filter((at) => at > since);
    return this.#questionTimes.length;
  }

  #pause(ms = PAUSE_MS): void {
    const pause = Number.isFinite(ms) && ms > 0 ? Math.min(ms, MAX_PAUSE_MS) : PAUSE_MS;
    this.#pausedUntil = this.#now() + pause;
  }
}

/** Returns the first paths that the caller can read now. */
async function readablePaths(env: Env, paths: readonly string[]): Promise<string[]> {
  const readable = await Promise.all(
    paths.slice(0, MAX_CHOICES).map(async (path) => {
      const headers = { accept: "application/json" };
      const response = await env.caller.fetch(encodePath(path), { method: "HEAD", headers });
      return response.status === 200;
    }),
  );
  return paths.filter((_, i) => readable[i] === true);
}

/** Puts an entry at the end of a map, and removes the first entries beyond the limit. */
function keepLatest<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) break;
    map.delete(oldest);
  }
}
