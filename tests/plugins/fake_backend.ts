/**
 * A language model's server for tests, on a free port of this computer. It speaks the three wire
 * formats as their makers' public pages record them, told apart by path alone: Ollama's NDJSON
 * (`/api/chat`, `/api/generate`), OpenAI's anonymous SSE (`…/chat/completions`) and Anthropic's named
 * SSE (`…/messages`). It does as its test says, also what no sane server would.
 */

/** The three formats. */
export type WireFormat = "ollama" | "openai" | "claude";

/** What one call to the backend was. */
export interface SeenCall {
  readonly format: WireFormat;
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Headers;
  /** The content as it came. */
  readonly text: string;
  /** The content, parsed; `undefined` when it is no JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  /** The last words of the user in it. */
  readonly prompt: string;
  /** The system prompt in it. */
  readonly system: string | undefined;
  /** Resolves when the caller left before the answer was whole; else never. */
  readonly left: Promise<void>;
}

/** How the backend answers one call. Everything is optional; nothing given answers with an echo. */
export interface Behaviour {
  /** The answer in its pieces; `You said: ` and the prompt unless given. */
  readonly tokens?: readonly string[] | ((call: SeenCall) => readonly string[]);
  /** Awaited before each token, and once more before the end, with its number. */
  readonly before?: (index: number) => Promise<void> | void;
  /** Awaited before the head is sent. */
  readonly head?: () => Promise<void> | void;
  /**
   * How it ends: with its end mark (`whole`); without one but in good order (`unmarked`); with the
   * connection broken off (`broken`); with an error in the format's own words (`error`); not (`hang`).
   */
  readonly end?: "whole" | "unmarked" | "broken" | "error" | "hang";
  /** What `error` says. */
  readonly says?: string;
  /** Text put on the wire as it stands in place of a token, by the token's number. */
  readonly raw?: Readonly<Record<number, string>>;
  /** Largest piece written at a time, in bytes: 1 splits every character of several bytes. */
  readonly pieces?: number;
  /** Line ends of SSE; a line feed unless given. */
  readonly newline?: "\n" | "\r\n" | "\r";
  /** Answers with one JSON document, as if streaming had not been asked for. */
  readonly document?: boolean;
  /** A status other than 200, with `says` as the error's words. */
  readonly status?: number;
  /** Headers of the answer, laid over what the format sends. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Content in place of everything else. */
  readonly body?: string | ((call: SeenCall) => string);
}

const MODEL = "fake-model";
const encoder = new TextEncoder();

/** See the module. */
export class FakeBackend {
  /** Every call so far. */
  readonly calls: SeenCall[] = [];
  /** What is done when nothing is queued. */
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

  /** `127.0.0.1:port`, as a config line names it. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** The newest call. */
  get last(): SeenCall {
    const last = this.calls.at(-1);
    if (last === undefined) throw new Error("The backend was not called");
    return last;
  }

  /** Has the next call without a behaviour of its own answered so. */
  next(behaviour: Behaviour): void {
    this.#queue.push(behaviour);
  }

  /** Forgets what was called and what was queued. */
  clear(): void {
    this.calls.length = 0;
    this.#queue.length = 0;
    this.behaviour = {};
  }

  /** Waits until there were this many calls. */
  async called(count: number): Promise<SeenCall> {
    while (this.calls.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.last;
  }

  /** Stops; what hangs is broken off. */
  async close(): Promise<void> {
    this.#closed.resolve();
    await this.#server.shutdown();
  }

  async #answer(request: Request, completed: Promise<void>): Promise<Response> {
    const left = Promise.withResolvers<void>();
    const call = await seen(request, left.promise);
    const behaviour = this.#queue.shift() ?? this.behaviour;
    this.calls.push(call);
    for (const tell of this.#waiting.splice(0)) tell();
    if (behaviour.head !== undefined) {
      // The signal alone tells it before there is a head, and after one it aborts in any case.
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
      return Response.json(errorDocument(call.format, behaviour.says ?? "it failed"), {
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
              // A turn between two pieces, or the server joins them into one.
              if (pieces < Infinity) await new Promise((resolve) => setImmediate(resolve));
            }
          }
          if (behaviour.end === "hang") await closed;
          if (over) return;
          if (behaviour.end === "broken") controller.error(new Error("broken off by the test"));
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

/** Runs a test with a backend of its own. */
export async function withBackend(test: (backend: FakeBackend) => Promise<void>): Promise<void> {
  const backend = new FakeBackend();
  try {
    await test(backend);
  } finally {
    await backend.close();
  }
}

/** A token's frames and what stands around them. */
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
  { before, raw = {}, end = "whole", says = "it failed" }: Behaviour,
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
  if (end === "error") yield wire.error(says);
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
    // Both endpoints' fields at once would be a format of its own; the tests of /api/generate use `raw`.
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
      // What `include_usage` brings: a chunk without choices.
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

function tokensOf({ tokens }: Behaviour, call: SeenCall): readonly string[] {
  if (tokens === undefined) return ["You said: ", call.prompt];
  return typeof tokens === "function" ? tokens(call) : tokens;
}

async function seen(request: Request, left: Promise<void>): Promise<SeenCall> {
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
    return undefined; // no JSON is what `undefined` says
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
