/** Reads the event stream of `/dev/gpu/stream` and passes on the text of the model. */

import { Problem } from "../kit/problem.ts";
import { EventReader, type ServerEvent } from "../kit/sse.ts";
import { OutputUnwrapper } from "./unwrap_output.ts";

/** Longest event stream of one generation in bytes; a longer one is cancelled. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

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
 * @throws {Problem} `bad-gateway` if the stream is longer than 1 MiB, reports an error, reports that
 * the output reached its limit, or ends without a `done` event
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

  /** Handles one event and returns whether it ends the output. */
  function handle({ event, data }: ServerEvent): boolean {
    switch (event) {
      case "message":
        onText(unwrapper.push(data));
        return false;
      case "error":
        console.warn(`Cannot read the output: the model reported an error: ${data.slice(0, 500)}`);
        throw outputProblem(path, "the model stopped early; nothing was stored");
      case "done":
        if (data === "length") {
          throw outputProblem(
            path,
            "the output reached the limit of the model; request a shorter text",
          );
        }
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
  if (!isDone) throw outputProblem(path, "the model stopped early; nothing was stored");
}

function outputProblem(path: string, state: string): Problem {
  return new Problem("bad-gateway", `Cannot shape ${path}: ${state}`);
}
