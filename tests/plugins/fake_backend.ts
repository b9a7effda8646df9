/**
 * A fake server of a language model, on a free port of this computer. It speaks the three wire formats
 * of the public documentation, chosen by path: Ollama's NDJSON (`/api/chat`, `/api/generate`), OpenAI's
 * anonymous server-sent events (`…/chat/completions`) and Anthropic's named ones (`…/messages`). A test
 * defines how it behaves, and can make it violate its format.
 */

/** The three formats. */
export type WireFormat = "ollama" | "openai" | "claude";

/** One request to the backend. */
export interface ReceivedCall {
  readonly format: WireFormat;
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Headers;
  /** The content of the request. */
  readonly text: string;
  /** The parsed content; `undefined` if it is not a JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  /** The last message of the user. */
  readonly prompt: string;
  /** The system prompt. */
  readonly system: string | undefined;
  /** Resolves if the caller disconnects before the response is complete. */
  readonly left: Promise<void>;
}

/** How the backend answers one request. The default is an echo of the prompt. */
export interface Behaviour {
  /** The tokens of the response; by default `You said: ` and the prompt. */
  readonly tokens?: readonly string[] | ((call: ReceivedCall) => readonly string[]);
  /** Awaited before each token, and once more before the end, with the number of the token. */
  readonly before?: (index: number) => Promise<void> | void;
  /** Awaited before the response headers are sent. */
  readonly head?: () => Promise<void> | void;
  /**
   * How the response ends: `whole` with its end mark, `unmarked` without it, `broken` by closing the
   * connection, `error` with an error of the format, `hang` not at all.
   */
  readonly end?: "whole" | "unmarked" | "broken" | "error" | "hang";
  /** The text of an error. */
  readonly errorText?: string;
  /** Text that replaces the frame of a token, by the number of the token. */
  readonly raw?: Readonly<Record<number, string>>;
  /** Most bytes of one write: 1 splits every character of several bytes. */
  readonly pieces?: number;
  /** Line end of events; a line feed by default. */
  readonly newline?: "\n" | "\r\n" | "\r";
  /** Answers with one JSON document instead of a stream. */
  readonly document?: boolean;
  /** Status of the response; other than 200 with `errorText` as the text of the error. */
  readonly status?: number;
  /** Headers of the response, in addition to those of the format. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Content of the response, instead of all the above. */
  readonly body?: string | ((call: ReceivedCall) => string);
}

const MODEL = "fake-model";
const encoder = new TextEncoder();

/** A running fake server. */
export class FakeBackend {
  /** All requests so far. */
  readonly calls: ReceivedCall[] = [];
  /** The behaviour if none is queued. */
  behaviour: Behaviour = {};
  readonly #queue: Behaviour[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #waiting: (() => void)[] = [];
  readonly #closed = Promise.withResolvers<void>();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request, { completed }) => this.#answer(request, completed),
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** `127.0.0.1:port`, for a line of the configuration. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** The latest request. */
  get last(): ReceivedCall {
    const last = this.calls.at(-1);
    if (last === undefined) throw new Error("The backend was not called");
    return last;
  }

  /** Queues a behaviour for one request. */
  next(behaviour: Behaviour): void {
    this.#queue.push(behaviour);
  }

  /** Removes all recorded requests and queued behaviours. */
  clear(): void {
    this.calls.length = 0;
    this.#queue.length = 0;
    this.behaviour = {};
  }

  /** Waits until this many requests were sent. */
  async called(count: number): Promise<ReceivedCall> {
    while (this.calls.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.last;
  }

  /** Stops the server, and ends responses that hang. */
  async close(): Promise<void> {
    this.#closed.resolve();
    await this.#server.shutdown();
  }

  async #answer(request: Request, completed: Promise<void>): Promise<Response> {
    const left = Promise.withResolvers<void>();
    const call = await seen(request, left.promise);
    const behaviour = this.#queue.shift() ?? this.behaviour;
    this.calls.push(call);
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (behaviour.head !== undefined) {
      // Before the headers only the signal reports a disconnect; later it aborts for any reason.
      const leave = (): void => left.resolve();
      request.signal.addEventListener("abort", leave, { once: true });
      await Promise.race([behaviour.head(), this.#closed.promise, left.promise]);
      request.signal.removeEventListener("abort", leave);
    }
    completed.catch(() => left.resolve());
    const { status = 200, headers = {} } = behaviour;
    if (behaviour.body !== undefined) {
      const body = typeof behaviour.body === "string" ? behaviour.body : behaviour.body(call);
      return new Response(status === 204 || status === 304 ? null : body, { status, headers });
    }
    if (status !== 200) {
      return Response.json(errorDocument(call.format, behaviour.errorText ?? "it failed"), {
        status,
        headers,
      });
    }
    const wire = WIRES[call.format];
    const tokens = tokensOf(behaviour, call);
    if (behaviour.document) return Response.json(wire.document(tokens.join("")), { headers });
    const body = this.#stream(tokens, behaviour, wire, left.resolve);
    return new Response(body, { headers: { "content-type": wire.type, ...headers } });
  }

  #stream(
    tokens: readonly string[],
    behaviour: Behaviour,
    wire: WireOf,
    left: () => void,
  ): ReadableStream<Uint8Array> {
    const closed = this.#closed.promise;
    const { newline = "\n", pieces = Infinity } = behaviour;
    const parts = frames(tokens, behaviour, wire);
    let over = false;
    return new ReadableStream({
      async start(controller) {
        try {
          for await (const frame of parts) {
            const text = newline === "\n" ? frame : frame.replaceAll("\n", newline);
            for (const piece of split(encoder.encode(text), pieces)) {
              if (over) return;
              controller.enqueue(piece);
              // Without a pause between two writes the server joins them.
              if (pieces < Infinity) await new Promise((resolve) => setImmediate(resolve));
            }
          }
          if (behaviour.end === "hang") await closed;
          if (over) return;
          if (behaviour.end === "broken") controller.error(new Error("closed by the test"));
          else controller.close();
        } catch (error) {
          if (!over) controller.error(error);
        }
      },
      cancel() {
        over = true;
        left();
      },
    });
  }
}

/** Runs a test with its own backend. */
export async function withBackend(test: (backend: FakeBackend) => Promise<void>): Promise<void> {
  const backend = new FakeBackend();
  try {
    await test(backend);
  } finally {
    await backend.close();
  }
}

/** The frames of a wire format. */
interface WireOf {
  readonly type: string;
  readonly opening: readonly string[];
  token(text: string, index: number): string;
  readonly closing: readonly string[];
  error(words: string): string;
  document(text: string): unknown;
}

async function* frames(
  tokens: readonly string[],
  { before, raw = {}, end = "whole", errorText = "it failed" }: Behaviour,
  wire: WireOf,
): AsyncGenerator<string> {
  yield* wire.opening;
  for (const [index, token] of tokens.entries()) {
    await before?.(index);
    yield raw[index] ?? wire.token(token, index);
  }
  await before?.(tokens.length);
  const rest = raw[tokens.length];
  if (rest !== undefined) yield rest;
  if (end === "error") yield wire.error(errorText);
  if (end === "whole") yield* wire.closing;
}

function* split(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const named = (type: string, value: Record<string, unknown>): string =>
  `event: ${type}\n${data({ type, ...value })}`;

const OLLAMA = { model: MODEL, created_at: "2026-01-02T03:04:05.678901234Z" };
const CHUNK = {
  id: "chatcmpl-123",
  object: "chat.completion.chunk",
  created: 1_767_323_045,
  model: MODEL,
  system_fingerprint: "fp_1",
};
const choice = (delta: Record<string, unknown>, reason: string | null = null) => ({
  ...CHUNK,
  choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
});
const USAGE = { input_tokens: 12, output_tokens: 34 };

const WIRES: Readonly<Record<WireFormat, WireOf>> = {
  ollama: {
    type: "application/x-ndjson",
    opening: [],
    // Only for /api/chat: the tests of /api/generate use `raw` and `body`.
    token: (content) => line({ ...OLLAMA, message: { role: "assistant", content }, done: false }),
    closing: [line({
      ...OLLAMA,
      message: { role: "assistant", content: "" },
      done: true,
      done_reason: "stop",
      total_duration: 4_883_583_458,
      load_duration: 1_334_875,
      prompt_eval_count: 26,
      eval_count: 282,
    })],
    error: (words) => line({ error: words }),
    document: (content) => ({
      ...OLLAMA,
      message: { role: "assistant", content },
      done: true,
      done_reason: "stop",
    }),
  },
  openai: {
    type: "text/event-stream; charset=utf-8",
    opening: [data(choice({ role: "assistant", content: "" }))],
    token: (content) => data(choice({ content })),
    closing: [
      data(choice({}, "stop")),
      // `include_usage` adds a chunk without choices.
      data({ ...CHUNK, choices: [], usage: { prompt_tokens: 12, completion_tokens: 34 } }),
      "data: [DONE]\n\n",
    ],
    error: (words) => data({ error: { message: words, type: "server_error", code: null } }),
    document: (content) => ({
      ...CHUNK,
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    }),
  },
  claude: {
    type: "text/event-stream; charset=utf-8",
    opening: [
      named("message_start", {
        message: {
          id: "msg_1",
          type: "message",
          role: "assistant",
          content: [],
          model: MODEL,
          stop_reason: null,
          stop_sequence: null,
          usage: USAGE,
        },
      }),
      named("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      named("ping", {}),
    ],
    token: (text) =>
      named("content_block_delta", { index: 0, delta: { type: "text_delta", text } }),
    closing: [
      named("content_block_stop", { index: 0 }),
      named("message_delta", {
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: { output_tokens: 34 },
      }),
      named("message_stop", {}),
    ],
    error: (words) => named("error", { error: { type: "overloaded_error", message: words } }),
    document: (text) => ({
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: MODEL,
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
      usage: USAGE,
    }),
  },
};

function errorDocument(format: WireFormat, words: string): unknown {
  if (format === "ollama") return { error: words };
  if (format === "claude") return { type: "error", error: { type: "api_error", message: words } };
  return { error: { message: words, type: "server_error", param: null, code: "it_failed" } };
}

function formatOf(path: string): WireFormat {
  if (/\/api\/(?:chat|generate)$/.test(path)) return "ollama";
  return path.endsWith("/messages") ? "claude" : "openai";
}

function tokensOf({ tokens }: Behaviour, call: ReceivedCall): readonly string[] {
  if (tokens === undefined) return ["You said: ", call.prompt];
  return typeof tokens === "function" ? tokens(call) : tokens;
}

async function seen(request: Request, left: Promise<void>): Promise<ReceivedCall> {
  const { pathname, search } = new URL(request.url);
  const text = await request.text();
  const json = objectIn(text);
  const messages = Array.isArray(json?.messages) ? json.messages : [];
  const said = (role: string): string | undefined => {
    const message = messages.findLast((entry: unknown) => field(entry, "role") === role);
    const content = field(message, "content");
    return typeof content === "string" ? content : undefined;
  };
  const word = (value: unknown): string | undefined =>
    typeof value === "string" ? value : undefined;
  return {
    format: formatOf(pathname),
    method: request.method,
    path: pathname + search,
    headers: new Headers(request.headers),
    text,
    json,
    prompt: said("user") ?? word(json?.prompt) ?? "",
    system: said("system") ?? word(json?.system),
    left,
  };
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    return undefined; // not JSON
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
