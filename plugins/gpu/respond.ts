/**
 * The two responses of the device: the complete text, or one event per token. Both write one line of
 * the usage log when the call ends.
 */

import { Problem } from "../kit/problem.ts";
import { unavailableProblem } from "./backend_error.ts";
import type { Piece } from "./backends/wire.ts";
import { type BackendCall, CallerDisconnected } from "./call.ts";
import { combineFinish, describeFinish, type Finish } from "./finish.ts";
import { TokenEvents } from "./token_events.ts";
import { TokenText } from "./token_text.ts";
import type { UsageRecord } from "./usage_log.ts";

/** Longest text of a response that is not streamed, in bytes. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
/**
 * How long the head of a stream waits for the first token, in milliseconds, so that a failure before
 * it can be a problem response.
 */
const FIRST_TOKEN_MS = 500;
const encoder = new TextEncoder();

/** One call to the model, and what its response and its log line need. */
export interface ModelCall {
  readonly call: Pick<BackendCall, "start" | "cancel">;
  readonly model: string;
  readonly prompt: string;
  /** Response headers that name the backend. */
  readonly headers: Readonly<Record<string, string>>;
  readonly usage: UsageRecord;
  /** When the first token came, in Unix milliseconds; 0 if none came. */
  firstToken: number;
  /** Why the model stopped; undefined until the backend says so. */
  finish?: Finish;
  /** Called once, when the call ends. */
  readonly onEnd: () => void;
}

/**
 * Answers with the complete text.
 *
 * @throws {Problem} if the backend fails, or if there is neither text nor a complete answer
 */
export async function respondText(modelCall: ModelCall): Promise<Response> {
  const { call, model, prompt, usage, headers, onEnd } = modelCall;
  const joined = new TokenText();
  let text = "";
  try {
    for await (const pieces of await call.start(model, prompt)) {
      text += takeTokens(modelCall, joined, pieces).join("");
      if (usage.answer_bytes > MAX_TEXT_BYTES) throw textTooLong();
    }
    text += endTokens(modelCall, joined);
    assertAnswer(modelCall);
  } catch (error) {
    call.cancel();
    recordFailure(usage, error, error instanceof Problem ? error.status : 502);
    throw error;
  } finally {
    onEnd();
  }
  return new Response(text, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
      "x-gpu-finish": usage.finish,
    },
  });
}

/**
 * @throws {Problem} if no text came, and the backend did not say that the empty text is complete:
 * `bad-gateway` for a result of the model, such as a refusal, and `unavailable` without a result
 */
function assertAnswer({ usage }: ModelCall): void {
  if (usage.answer_bytes > 0 || usage.finish === "stop") return;
  if (usage.finish === "incomplete") {
    throw unavailableProblem({ scheme: usage.backend }, undefined, "sent no answer");
  }
  // The header lets a program distinguish a refusal from a failure.
  const headers = { "x-gpu-finish": usage.finish };
  throw new Problem("bad-gateway", `${unfinishedDetail(usage)}; it sent no text`, headers);
}

/** The result of a call without text, for the `done` event. */
function failureResult(error: unknown): string {
  return error instanceof Problem && error.headers["x-gpu-finish"] || "error";
}

function unfinishedDetail({ backend, finish }: UsageRecord): string {
  const action = finish === "error" || finish === "left" ? undefined : describeFinish(finish);
  return `Cannot complete the answer: the ${backend} backend ${
    action ?? "reached its token limit"
  }`;
}

function textTooLong(): Problem {
  const found = `the response is longer than ${MAX_TEXT_BYTES} bytes`;
  return new Problem("bad-gateway", `Cannot answer: ${found}; /dev/gpu/stream has no limit`);
}

/**
 * Answers with events as the tokens arrive.
 *
 * @throws {Problem} if the backend fails before the first token, and within {@link FIRST_TOKEN_MS}
 */
export async function respondEvents(modelCall: ModelCall): Promise<Response> {
  const { call, model, prompt, usage, headers, onEnd } = modelCall;
  let body: ReadableStream<Uint8Array>;
  try {
    body = await eventStream(modelCall, await call.start(model, prompt));
  } catch (error) {
    call.cancel();
    recordFailure(usage, error, error instanceof Problem ? error.status : 502);
    onEnd();
    throw error;
  }
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Some proxies would hold the events back until the response ends.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}

/** @throws {Problem} if the call fails within {@link FIRST_TOKEN_MS}, before its first token */
async function eventStream(
  modelCall: ModelCall,
  pieces: AsyncGenerator<Piece[]>,
): Promise<ReadableStream<Uint8Array>> {
  const { call, usage } = modelCall;
  const chunks = eventChunks(modelCall, pieces);
  let first: ReturnType<typeof chunks.next> | undefined = chunks.next();
  await settled(first, FIRST_TOKEN_MS);
  let isEnded = false;
  const end = (): void => {
    if (!isEnded) modelCall.onEnd();
    isEnded = true;
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await (first ?? chunks.next());
        first = undefined;
        if (!done) return controller.enqueue(encoder.encode(value));
        end();
      } catch (error) {
        recordFailure(usage, error, 200);
        end();
        const last = new TokenEvents().end(failureResult(error), failureDetail(error));
        controller.enqueue(encoder.encode(last));
      }
      controller.close();
    },
    cancel() {
      call.cancel();
      recordFailure(usage, new CallerDisconnected(), 499);
      end();
    },
  }, { highWaterMark: 0 });
}

/** The events of a response: those that arrive together come together, the last ones with `done`. */
async function* eventChunks(
  modelCall: ModelCall,
  pieces: AsyncGenerator<Piece[]>,
): AsyncGenerator<string, void> {
  const { usage } = modelCall;
  const events = new TokenEvents();
  const joined = new TokenText();
  let isBegun = false;
  try {
    for await (const some of pieces) {
      const text = events.format(takeTokens(modelCall, joined, some));
      if (text === "") continue;
      isBegun = true;
      yield text;
    }
  } catch (error) {
    if (!isBegun) throw error;
    const rest = events.format([endTokens(modelCall, joined)]);
    recordFailure(usage, error, 200);
    yield rest + events.end("error", failureDetail(error));
    return;
  }
  const rest = events.format([endTokens(modelCall, joined)]);
  assertAnswer(modelCall);
  const isUnfinished = usage.finish !== "stop" && usage.finish !== "length";
  yield rest + events.end(usage.finish, isUnfinished ? unfinishedDetail(usage) : undefined);
}

function failureDetail(error: unknown): string {
  return error instanceof Problem ? error.message : "Cannot continue: internal error";
}

/** Waits until a promise settles or the time is over. @throws what the promise rejects with */
async function settled(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
    // A rejection after the time is handled by the reader of the stream.
    promise.catch(() => {});
  }
}

/** Counts the tokens of some pieces, and returns their text in whole characters. */
function takeTokens(modelCall: ModelCall, joined: TokenText, pieces: readonly Piece[]): string[] {
  const tokens: string[] = [];
  for (const { text = "", finish } of pieces) {
    if (finish !== undefined) modelCall.finish = combineFinish(modelCall.finish, finish);
    const whole = joined.push(text);
    if (whole !== "") tokens.push(whole);
  }
  countTokens(modelCall, tokens);
  return tokens;
}

/** The rest of the text at the end of a response, and the reason of its end. */
function endTokens(modelCall: ModelCall, joined: TokenText): string {
  const rest = joined.end();
  if (rest !== "") countTokens(modelCall, [rest]);
  modelCall.usage.finish = combineFinish(modelCall.finish, undefined);
  return rest;
}

function countTokens(modelCall: ModelCall, tokens: readonly string[]): void {
  if (tokens.length === 0) return;
  if (modelCall.firstToken === 0) modelCall.firstToken = Date.now();
  for (const token of tokens) modelCall.usage.answer_bytes += encoder.encode(token).length;
}

function recordFailure(usage: UsageRecord, error: unknown, status: number): void {
  const isDisconnected = error instanceof CallerDisconnected;
  usage.finish = isDisconnected ? "left" : "error";
  usage.status = isDisconnected ? 499 : status;
}
