/** The path from a request for a shape to its response: authority, cache, generation. */

import { Problem } from "../kit/problem.ts";
import { sha256Hex } from "../kit/sha256.ts";
import { streamGeneration, streamHeaders } from "./event_stream.ts";
import { Generation, type GenerationInput } from "./generation.ts";
import { type Model, retryAfter } from "./model.ts";
import { PROMPT_REVISION } from "./prompt.ts";
import {
  findKnownTag,
  respondNotModified,
  respondWithoutShape,
  respondWithShape,
  respondWithSource,
} from "./respond.ts";
import { type CacheStatus, shapeHeaders } from "./shape.ts";
import type { PluginState, ShapeRequest } from "./shape_request.ts";
import { readSource, readSourceTag, type Source } from "./source.ts";

/** Generations at the same time. Each holds one of the calls that the process can have open. */
const MAX_GENERATIONS = 8;
/** `Retry-After` in seconds if that many run. */
const BUSY_SECONDS = 5;

/**
 * Answers a GET or HEAD of a shape.
 *
 * @throws {Problem} if there is no shape and the client does not accept the source instead
 */
export async function serveShape(shapeRequest: ShapeRequest): Promise<Response> {
  const { env, path, format, intent, state, request, isStream } = shapeRequest;
  const lookup = state.models.read(env.machine.fetch, performance.now());
  // The check of the caller comes before everything that could show whether a shape exists.
  const worldTag = await readSourceTag(env.caller, path);
  const source = worldTag === undefined
    ? await readSource(env.caller.fetch, path, state.settings.source)
    : undefined;
  const model = await lookup;
  if (model instanceof Problem) return await respondWithSource(shapeRequest, model, source);
  const sourceTag = worldTag ?? source?.tag ?? "";
  const sourceLimit = state.settings.source;
  const key = shapeKey({ path, sourceTag, type: format.type, intent, model, sourceLimit });
  const recent = state.cache.peek(key);
  if (recent !== undefined) return respondWithShape(shapeRequest, recent, "hit");
  const hash = await sha256Hex(key);
  const knownTag = isStream ? undefined : findKnownTag(request, hash);
  if (knownTag !== undefined) return respondNotModified(shapeRequest, model, knownTag);
  const stored = state.generations.has(key)
    ? undefined
    : await state.cache.find(env.machine.fetch, key, hash, format);
  if (stored !== undefined) return respondWithShape(shapeRequest, stored, "hit");
  if (request.method === "HEAD") return respondWithoutShape(shapeRequest, model);
  return await generate(shapeRequest, { key, hash, model, source });
}

/** What identifies a shape. */
export interface ShapeIdentity {
  readonly path: string;
  /** Entity tag or hash of the source. */
  readonly sourceTag: string;
  /** Media type. */
  readonly type: string;
  readonly intent: string;
  readonly model: Pick<Model, "name" | "version">;
  /** Bytes of a source that the model receives at most. */
  readonly sourceLimit: number;
}

/** Formats the key that a shape is stored under. No part can contain a line break. */
export function shapeKey(identity: ShapeIdentity): string {
  const { path, sourceTag, type, intent, model, sourceLimit } = identity;
  return [
    path,
    sourceTag,
    type,
    intent,
    `${model.name} ${model.version}`,
    PROMPT_REVISION,
    sourceLimit,
  ].join("\n");
}

interface MissingShape {
  readonly key: string;
  readonly hash: string;
  readonly model: Model;
  /** Undefined if it was not read yet. */
  readonly source: Source | undefined;
}

/** Joins the running generation of a shape, or starts one. */
async function generate(shapeRequest: ShapeRequest, missing: MissingShape): Promise<Response> {
  const { env, state, path, format, intent } = shapeRequest;
  const { model } = missing;
  const joined = runningGeneration(state, missing.key);
  if (joined !== undefined) return await waitFor(shapeRequest, joined, "shared");
  const sourceLimit = state.settings.source;
  const source = missing.source ?? await readSource(env.caller.fetch, path, sourceLimit);
  // The source can have changed since its tag was read, and another request can have come first.
  const identity = { path, sourceTag: source.tag, type: format.type, intent, model, sourceLimit };
  const key = shapeKey(identity);
  const hash = key === missing.key ? missing.hash : await sha256Hex(key);
  const recent = state.cache.peek(key);
  if (recent !== undefined) return respondWithShape(shapeRequest, recent, "hit");
  const running = runningGeneration(state, key);
  if (running !== undefined) return await waitFor(shapeRequest, running, "shared");
  const wait = countUnfinished(state) < MAX_GENERATIONS
    ? state.budget.take(performance.now())
    : BUSY_SECONDS;
  if (wait !== undefined) {
    return await respondWithSource(shapeRequest, budgetProblem(shapeRequest, wait), source);
  }
  const started = startGeneration(shapeRequest, { key, hash, format, intent, path, source, model });
  return await waitFor(shapeRequest, started, "generated");
}

function runningGeneration({ generations }: PluginState, key: string): Generation | undefined {
  const running = generations.get(key);
  return running?.isAbandoned === true ? undefined : running;
}

/** Counts the generations that still write. A finished one stays in the map until it is stored. */
function countUnfinished({ generations }: PluginState): number {
  let count = 0;
  for (const { outcome } of generations.values()) if (outcome === undefined) count++;
  return count;
}

function budgetProblem({ path, state }: ShapeRequest, wait: number): Problem {
  return new Problem(
    "too-many-requests",
    `Cannot shape ${path}: at most ${state.settings.budget} generations per minute and ` +
      `${MAX_GENERATIONS} at the same time are allowed; stored shapes are still available`,
    retryAfter(wait),
  );
}

function startGeneration({ env, state }: ShapeRequest, input: GenerationInput): Generation {
  const generation = new Generation(input);
  state.generations.set(input.key, generation);
  generation.run(env.machine.fetch, state.settings.timeout).then(async () => {
    const { outcome } = generation;
    if (outcome === undefined || outcome instanceof Problem || outcome.hash === "") return;
    await state.cache.store(env.machine.fetch, input, outcome);
  }).catch((error) => console.warn(`Cannot store a shape: ${error}`)).finally(() => {
    if (state.generations.get(input.key) === generation) state.generations.delete(input.key);
  });
  return generation;
}

/** Answers from a generation: a stream at once, a whole response at its end. */
async function waitFor(
  shapeRequest: ShapeRequest,
  generation: Generation,
  status: CacheStatus,
): Promise<Response> {
  const { request, isStream, acceptsSource } = shapeRequest;
  const { format, source, model } = generation.input;
  const leave = generation.join();
  request.signal.addEventListener("abort", leave, { once: true });
  if (request.signal.aborted) leave();
  await generation.begun;
  // A failure before the first text is a problem response, also for a stream.
  if (isStream && !(generation.outcome instanceof Problem)) {
    const headers = streamHeaders(shapeHeaders(format, model, source.cut), status);
    const fallback = acceptsSource ? source.text : undefined;
    return new Response(streamGeneration(generation, status, leave, fallback), { headers });
  }
  while (generation.outcome === undefined) await generation.changed();
  leave();
  const { outcome } = generation;
  if (!(outcome instanceof Problem)) return respondWithShape(shapeRequest, outcome, status);
  const isBusy = outcome.status === 429 || outcome.status === 503;
  if (isBusy) return await respondWithSource(shapeRequest, outcome, source);
  throw outcome;
}
