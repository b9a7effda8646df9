/**
 * The two responses of the device: the complete text, or one event per token. Both write one line of
 * the usage log when the call ends.
 */

import { Problem } from "../kit/problem.ts";
import type { Piece } from "./backends/wire.ts";
import { type BackendCall, CallerDisconnected } from "./call.ts";
import { TokenEvents } from "./token_events.ts";
import type { UsageRecord } from "./usage_log.ts";

/** Longest text of a response that is not streamed, in bytes. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
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
  /** Called once, when the call ends. */
  readonly onEnd: () => void;
}

/** Answers with the complete text. @throws {Problem} if the backend fails */
export async function respondText(modelCall: ModelCall): Promise<Response> {
  const { call, model, prompt, usage, headers, onEnd } = modelCall;
  let text = "";
  try {
    for await (const pieces of await call.start(model, prompt)) {
      text += takeTokens(modelCall, pieces).join("");
      if (usage.answer_bytes > MAX_TEXT_BYTES) throw textTooLong();
    }
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

function textTooLong(): Problem {
  const found = `the response is longer than ${MAX_TEXT_BYTES} bytes`;
  return new Problem("bad-gateway", `Cannot answer: ${found}; /dev/gpu/stream has no limit`);
}

/** Answers with events as the tokens arrive. @throws {Problem} if the backend fails before them */
export async function respondEvents(modelCall: ModelCall): Promise<Response> {
  const { call, model, prompt, usage, headers, onEnd } = modelCall;
  let tokens: AsyncGenerator<Piece[]>;
  try {
    tokens = await call.start(model, prompt);
  } catch (error) {
    recordFailure(usage, error, error instanceof Problem ? error.status : 502);
    onEnd();
    throw error;
  }
  return new Response(eventStream(modelCall, tokens), {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Some proxies would hold the events back until the response ends.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}

function eventStream(
  modelCall: ModelCall,
  tokens: AsyncGenerator<Piece[]>,
): ReadableStream<Uint8Array> {
  const { call, usage } = modelCall;
  const events = new TokenEvents();
  let isEnded = false;
  const end = (): void => {
    if (!isEnded) modelCall.onEnd();
    isEnded = true;
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        for (let text = ""; text === "";) {
          const { done, value } = await tokens.next();
          text = done ? events.end(usage.finish) : events.format(takeTokens(modelCall, value));
          if (text !== "") controller.enqueue(encoder.encode(text));
          if (!done) continue;
          end();
          controller.close();
        }
      } catch (error) {
        recordFailure(usage, error, 200);
        end();
        const detail = error instanceof Problem ? error.message : "Cannot continue: internal error";
        controller.enqueue(encoder.encode(events.end("error", detail)));
        controller.close();
      }
    },
    cancel() {
      call.cancel();
      recordFailure(usage, new CallerDisconnected(), 499);
      end();
    },
  }, { highWaterMark: 0 });
}

/** Counts the tokens of some pieces, and returns them. */
function takeTokens(modelCall: ModelCall, pieces: readonly Piece[]): string[] {
  const { usage } = modelCall;
  const tokens: string[] = [];
  for (const { text = "", finish } of pieces) {
    if (finish !== undefined) usage.finish = finish;
    if (text === "") continue;
    if (modelCall.firstToken === 0) modelCall.firstToken = Date.now();
    usage.answer_bytes += encoder.encode(text).length;
    tokens.push(text);
  }
  return tokens;
}

function recordFailure(usage: UsageRecord, error: unknown, status: number): void {
  const isDisconnected = error instanceof CallerDisconnected;
  usage.finish = isDisconnected ? "left" : "error";
  usage.status = isDisconnected ? 499 : status;
}
