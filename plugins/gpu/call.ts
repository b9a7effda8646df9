/**
 * One call to the backend, from its request to its last token. The call never reads more than the
 * limits allow, never follows a redirect, and redacts every error message of the backend.
 */

import { parseRecord } from "../kit/json_record.ts";
import { Problem } from "../kit/problem.ts";
import { readStart } from "../kit/read_start.ts";
import { connectionFailure, refusalProblem, unavailableProblem } from "./backend_error.ts";
import type { Backend } from "./backend.ts";
import { createBackendRequest, readDocument, readFrame } from "./backends/formats.ts";
import { errorText, type Frame, MalformedFrame, type Piece } from "./backends/wire.ts";
import { Deadline } from "./deadline.ts";
import { createFrameParser } from "./frames.ts";

/** Most bytes of a response that is one document. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
/** Most bytes that are read of an error response. */
const MAX_ERROR_BYTES = 64 * 1024;
/** How long the end of a connection is awaited, so that the next call can use the connection. */
const DRAIN_MS = 1_000;

/** The caller disconnected; nothing reads a response. */
export class CallerDisconnected extends Error {}

type BodyReader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** One call to the backend; `start` sends its request. */
export class BackendCall {
  readonly #backend: Backend;
  readonly #key: string | undefined;
  readonly #deadline: Deadline;

  /** @param caller aborts when the caller disconnects */
  constructor(backend: Backend, key: string | undefined, caller: AbortSignal) {
    this.#backend = backend;
    this.#key = key;
    this.#deadline = new Deadline(backend.idleMs, caller);
  }

  /** Ends the call because the caller disconnected. */
  cancel(): void {
    this.#deadline.abort("disconnected");
  }

  /**
   * Sends the prompt.
   *
   * @returns the pieces of the response as they arrive; those that arrive together come together
   * @throws {Problem} if there is no response; the generator throws it if the response is incomplete
   * @throws {CallerDisconnected}
   */
  async start(model: string, prompt: string): Promise<AsyncGenerator<Piece[]>> {
    const request = createBackendRequest(this.#backend, this.#key, model, prompt);
    try {
      const { signal } = this.#deadline;
      const response = await this.#deadline.wait(fetch(this.#backend.url, { ...request, signal }));
      if (!response.ok) throw await this.#refused(response);
      return this.#pieces(response);
    } catch (error) {
      throw this.#toProblem(
        error,
        (found) => unavailableProblem(this.#backend, this.#key, connectionFailure(found)),
      );
    }
  }

  async *#pieces(response: Response): AsyncGenerator<Piece[]> {
    const { format } = this.#backend;
    const type = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
    const reader = readerOf(response);
    let isDraining = false;
    try {
      if (type === "text/html") throw new MalformedFrame("sent an HTML page");
      // Ollama sends a document as one line of NDJSON.
      if (format !== "ollama" && /^application\/(?:.*\+)?json$/.test(type ?? "")) {
        yield [await this.#document(this.#limited(reader), format)];
      } else if (yield* this.#streamed(reader)) {
        isDraining = true;
        void this.#drain(reader);
      }
    } catch (error) {
      const action = "closed the connection before its response was complete";
      throw this.#toProblem(error, () => unavailableProblem(this.#backend, this.#key, action));
    } finally {
      if (!isDraining) this.#deadline.abort("done");
    }
  }

  /** The pieces of a streamed response. Returns whether its end mark came. */
  async *#streamed(reader: BodyReader): AsyncGenerator<Piece[], boolean> {
    const parser = createFrameParser(this.#backend.format);
    let isFinished = false;
    for (;;) {
      const { done, value } = await this.#deadline.wait(reader.read());
      const { pieces, error } = this.#read(done ? parser.end() : parser.push(value));
      if (pieces.length > 0) yield pieces;
      if (error !== undefined) throw error;
      if (pieces.at(-1)?.isEnd) return true;
      isFinished ||= pieces.some(({ finish }) => finish !== undefined);
      if (done) break;
    }
    // Some servers of OpenAI's format send the finish reason and no end mark.
    if (isFinished) return false;
    throw new MalformedFrame("ended its response without the end mark of its format");
  }

  /** Reads frames up to the end mark or an error. The pieces before an error are valid. */
  #read(frames: Iterable<Frame>): { pieces: Piece[]; error?: unknown } {
    const pieces: Piece[] = [];
    try {
      for (const frame of frames) {
        const piece = readFrame(this.#backend.format, frame);
        this.#assertNoError(piece);
        pieces.push(piece);
        if (piece.isEnd) break;
      }
    } catch (error) {
      return { pieces, error };
    }
    return { pieces };
  }

  async #document(
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
    format: "openai" | "claude",
  ): Promise<Piece> {
    const { bytes, whole } = await readStart({ body }, MAX_DOCUMENT_BYTES);
    if (!whole) {
      throw new MalformedFrame(`sent a document of more than ${MAX_DOCUMENT_BYTES} bytes`);
    }
    const piece = readDocument(format, new TextDecoder().decode(bytes));
    this.#assertNoError(piece);
    return piece;
  }

  #assertNoError({ error }: Piece): void {
    if (error === undefined) return;
    throw unavailableProblem(this.#backend, this.#key, "answered with an error", error);
  }

  /** The rest of a response, read with the idle limit. */
  #limited(reader: BodyReader): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await this.#deadline.wait(reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
    }, { highWaterMark: 0 });
  }

  /** Reads a connection to its end, so that the next call can use it. The response is complete. */
  async #drain(reader: BodyReader): Promise<void> {
    this.#deadline.release();
    const timer = setTimeout(() => this.#deadline.abort("done"), DRAIN_MS);
    try {
      while (!(await reader.read()).done);
    } catch {
      // The response is complete, so an error after it changes nothing.
    } finally {
      clearTimeout(timer);
    }
  }

  /** The problem for a status other than 2xx. */
  async #refused(response: Response): Promise<Problem> {
    const body = this.#limited(readerOf(response));
    const { bytes } = await readStart({ body }, MAX_ERROR_BYTES);
    this.#deadline.abort("done");
    return refusalProblem(this.#backend, this.#key, {
      status: response.status,
      text: errorText(parseRecord(new TextDecoder().decode(bytes)) ?? {}) ?? "",
      retryAfter: response.headers.get("retry-after"),
    });
  }

  /** What an error of the call means to the caller. */
  #toProblem(error: unknown, describe: (error: unknown) => Problem): Error {
    const { reason, exceededSeconds } = this.#deadline;
    if (reason === "disconnected") return new CallerDisconnected();
    if (reason === "idle" || reason === "too-long") {
      const action = reason === "idle" ? "sent nothing for" : "took longer than";
      return unavailableProblem(this.#backend, this.#key, `${action} ${exceededSeconds} s`);
    }
    this.#deadline.abort("done");
    if (error instanceof Problem) return error;
    return error instanceof MalformedFrame
      ? unavailableProblem(this.#backend, this.#key, error.message)
      : describe(error);
  }
}

function readerOf({ body }: Response): BodyReader {
  return (body ?? new Blob([]).stream()).getReader();
}
