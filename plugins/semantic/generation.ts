/**
 * A generation: one request to the model whose output any number of clients wait for. It ends when
 * the output is complete, when it fails, or when the last client has left.
 */

import type { PluginFetch } from "../kit/env.ts";
import { Problem } from "../kit/problem.ts";
import type { Format } from "./formats/format.ts";
import { findFault } from "./formats/formats.ts";
import { findControlCharacters } from "./formats/text.ts";
import { formatModelName, GPU_PATH, type Model, modelProblem, unavailableModel } from "./model.ts";
import { formatPrompt } from "./prompt.ts";
import { assertFinished, readOutput } from "./read_output.ts";
import { createShape, type Shape, shapeHeaders } from "./shape.ts";
import type { Source } from "./source.ts";

/** What determines a generation. */
export interface GenerationInput {
  /** The key that the shape is stored under. */
  readonly key: string;
  /** SHA-256 of the key in hexadecimal. */
  readonly hash: string;
  readonly format: Format;
  readonly intent: string;
  /** Path of the source. */
  readonly path: string;
  readonly source: Source;
  readonly model: Model;
}

/** One request to the model, with the clients that wait for its output. */
export class Generation {
  readonly input: GenerationInput;
  /** The output that can be sent so far. */
  text = "";
  /** The result; undefined while the generation runs. */
  outcome: Shape | Problem | undefined;
  /** Resolves when the model has begun to answer, or has failed before. */
  readonly begun: Promise<void>;
  readonly #resolveBegun: () => void;
  readonly #abort = new AbortController();
  #clients = 0;
  #change = Promise.withResolvers<void>();

  constructor(input: GenerationInput) {
    this.input = input;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.#resolveBegun = resolve;
  }

  /** Adds a client. The returned function removes it; further calls of it do nothing. */
  join(): () => void {
    this.#clients++;
    let isJoined = true;
    return () => {
      if (!isJoined) return;
      isJoined = false;
      this.#clients--;
      if (this.#clients === 0 && this.outcome === undefined) {
        this.#abort.abort(new Error("Every client has disconnected"));
      }
    };
  }

  /** Number of clients that wait for the output. */
  get clientCount(): number {
    return this.#clients;
  }

  /** True if the last client left before the end; no other client can join then. */
  get isAbandoned(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves at the next change of `text` or `outcome`. */
  changed(): Promise<void> {
    return this.#change.promise;
  }

  /**
   * Runs the generation and sets `outcome`. Never rejects.
   *
   * @param fetch acts with the grants of the plugin
   * @param timeout seconds it may take
   */
  async run(fetch: PluginFetch, timeout: number): Promise<void> {
    const timer = setTimeout(
      () => this.#abort.abort(this.#timeoutProblem(timeout)),
      timeout * 1000,
    );
    try {
      this.outcome = await this.#generate(fetch);
    } catch (error) {
      this.outcome = this.#toProblem(error);
    } finally {
      clearTimeout(timer);
      this.#resolveBegun();
      this.#notify();
    }
  }

  async #generate(fetch: PluginFetch): Promise<Shape> {
    const { source, format, intent, path, model, hash } = this.input;
    const { text, cut } = source;
    const mark = crypto.randomUUID();
    const response = await fetch(`${GPU_PATH}/stream`, {
      method: "POST",
      headers: { "content-type": "text/plain; charset=utf-8", accept: "text/event-stream" },
      body: formatPrompt({ text, isCut: cut !== undefined, format, intent, mark }),
      signal: this.#abort.signal,
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      assertFinished(response.headers.get("x-gpu-finish"), path);
      throw modelProblem(response, path);
    }
    this.#resolveBegun();
    const { fences } = format;
    await readOutput(response.body, { fences, path }, (piece) => this.#append(piece));
    const fault = findFault(format, this.text);
    if (fault !== undefined) throw this.#formatProblem(fault);
    const { headers } = response;
    const writer = formatModelName(headers.get("x-gpu-backend"), headers.get("x-gpu-model"));
    if (writer === "unknown" || writer === model.name) {
      return await createShape(hash, this.text, format, shapeHeaders(format, model, cut));
    }
    // Not the model in the key: the clients that wait get the shape, but it is not stored.
    const other = { name: writer, isLocal: false };
    return await createShape("", this.text, format, shapeHeaders(format, other, cut));
  }

  #append(piece: string): void {
    if (piece === "") return;
    // Checked before the end, because a terminal displays a stream at once.
    const fault = findControlCharacters(piece);
    if (fault !== undefined) throw this.#formatProblem(fault);
    this.text += piece;
    this.#notify();
  }

  #notify(): void {
    const { resolve } = this.#change;
    if (this.outcome === undefined) this.#change = Promise.withResolvers<void>();
    resolve();
  }

  #formatProblem(fault: string): Problem {
    const { path, format } = this.input;
    return new Problem(
      "not-acceptable",
      `Cannot shape ${path} as ${format.type}: the output of the model does not satisfy this media ` +
        `type: ${fault}; nothing was stored, try again`,
    );
  }

  #timeoutProblem(timeout: number): Problem {
    const state = `it did not finish within ${timeout} seconds`;
    return unavailableModel(this.input.path, state, timeout);
  }

  #toProblem(error: unknown): Problem {
    const { aborted, reason } = this.#abort.signal;
    if (aborted && reason instanceof Problem) return reason;
    if (error instanceof Problem) return error;
    if (!aborted) console.warn(`Cannot complete a generation: ${error}`);
    return unavailableModel(this.input.path, "it stopped early");
  }
}
