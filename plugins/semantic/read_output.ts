/** Reads the event stream of `/dev/gpu/stream` and passes on the text of the model. */

import { Problem } from "../kit/problem.ts";
import { EventReader, type ServerEvent } from "../kit/sse.ts";
import { unavailableModel } from "./model.ts";
import { OutputUnwrapper } from "./unwrap_output.ts";

/** Longest event stream of one generation in bytes; a longer one is cancelled. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Results of `/dev/gpu/stream` for an answer that the model did not finish, in words. */
const UNFINISHED: ReadonlyMap<string, string> = new Map([
  ["length", "the output reached the limit of the model; request a shorter text"],
  ["filtered", "a content filter of the model stopped the output"],
  ["refused", "the model refused to write this"],
  ["incomplete", "the model did not say that the output is complete"],
]);

/** What {@link readOutput} needs to know of the generation. */
export interface OutputOptions {
  /** Languages of a fence that is removed; see `Format.fences`. */
  readonly fences: readonly string[];
  /** Path of the source, for error messages. */
  readonly path: string;
}

/**
 * Reads a stream to its `done` event.
 *
 * @param onText receives the text in pieces; an error that it throws stops the read
 * @throws {Problem} `unavailable` if the stream reports an error or ends without a `done` event;
 * `bad-gateway` if it is longer than 1 MiB, or if the model did not finish
 */
export async function readOutput(
  body: ReadableStream<Uint8Array>,
  { fences, path }: OutputOptions,
  onText: (text: string) => void,
): Promise<void> {
  const unwrapper = new OutputUnwrapper(fences);
  const events = new EventReader(MAX_OUTPUT_BYTES);
  let length = 0;
  let isDone = false;
  let isFailed = false;

  /** Handles one event and returns whether it ends the output. */
  function handle({ event, data }: ServerEvent): boolean {
    switch (event) {
      case "message":
        onText(unwrapper.push(data));
        return false;
      case "error":
        // The reason follows in the `done` event.
        console.warn(`Cannot read the output: the model reported an error: ${data.slice(0, 500)}`);
        isFailed = true;
        return false;
      case "done":
        assertFinished(data, path);
        if (isFailed || data !== "stop") throw stoppedEarly(path);
        onText(unwrapper.end());
        return true;
      default:
        return false;
    }
  }

  try {
    for await (const bytes of body) {
      length += bytes.length;
      if (length > MAX_OUTPUT_BYTES) {
        throw outputProblem(path, `the model wrote more than ${MAX_OUTPUT_BYTES} bytes`);
      }
      isDone = events.push(bytes).some(handle);
      if (isDone) break;
    }
  } catch (error) {
    // After the `done` event, only the cancellation of the rest can fail.
    if (!isDone) throw error;
  }
  if (!isDone) throw stoppedEarly(path);
}

/**
 * Throws if the result of an answer is one that the model did not finish.
 *
 * @param result data of a `done` event, or `X-Gpu-Finish` of an answer without text
 * @throws {Problem} `bad-gateway`
 */
export function assertFinished(result: string | null, path: string): void {
  const state = UNFINISHED.get(result ?? "");
  if (state !== undefined) throw outputProblem(path, `${state}; nothing was stored`);
}

function stoppedEarly(path: string): Problem {
  return unavailableModel(path, "it stopped early; nothing was stored");
}

function outputProblem(path: string, state: string): Problem {
  return new Problem("bad-gateway", `Cannot shape ${path}: ${state}`);
}
