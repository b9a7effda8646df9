import { assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import type { Backend } from "../../../plugins/gpu/backend.ts";
import type { Piece } from "../../../plugins/gpu/backends/wire.ts";
import { BackendCall, CallerDisconnected } from "../../../plugins/gpu/call.ts";
import { parseSettings } from "../../../plugins/gpu/config.ts";

type Answer = (url: string, init: RequestInit) => Response | Promise<Response>;

/** Replaces `fetch` while a test runs, so that no server is needed. */
async function withFetch(answer: Answer, test: () => Promise<void>): Promise<void> {
  const original = globalThis.fetch;
  globalThis.fetch = async (input, init = {}) => await answer(String(input), init);
  try {
    await test();
  } finally {
    globalThis.fetch = original;
  }
}

function backendOf(config: string): Backend {
  const { backend } = parseSettings(config);
  if (backend === undefined) throw new Error(`no backend in ${config}`);
  return backend;
}

function callOf(config = "openai://localhost", caller = new AbortController().signal): BackendCall {
  return new BackendCall(backendOf(config), "the-key-of-the-test", caller);
}

async function piecesOf(call: BackendCall): Promise<Piece[]> {
  const all: Piece[] = [];
  for await (const pieces of await call.start("m", "p")) all.push(...pieces);
  return all;
}

const WHOLE = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n';
const HALF = 'data: {"choices":[{"delta":{"content":"half"}}]}\n\n';
const failure = (action: string) => ({
  status: 503,
  message: `Cannot answer: the openai backend ${action}`,
});

Deno.test("BackendCall.start() sends the prompt and returns the pieces of the response", async () => {
  const sent: [url: string, authorization: string | null, body: unknown][] = [];
  await withFetch((url, { headers, body }) => {
    sent.push([url, new Headers(headers).get("authorization"), JSON.parse(String(body))]);
    return new Response(WHOLE);
  }, async () => {
    assertEquals(await piecesOf(callOf()), [{ text: "a" }, { isEnd: true }]);
  });
  const body = { model: "m", messages: [{ role: "user", content: "p" }], stream: true };
  const url = "http://localhost/v1/chat/completions";
  assertEquals(sent, [[url, "Bearer the-key-of-the-test", body]]);
});

Deno.test("BackendCall.start() reads a response that is one document", async () => {
  const document = { choices: [{ message: { content: "all" }, finish_reason: "stop" }] };
  await withFetch(() => Response.json(document), async () => {
    assertEquals(await piecesOf(callOf()), [{ text: "all", finish: "stop", isEnd: true }]);
  });
});

Deno.test("BackendCall.start() throws a problem if there is no response", async () => {
  const rows: readonly (readonly [answer: Answer, problem: { status: number; message: string }])[] =
    [
      [() => Response.json({ error: "x" }, { status: 500 }), failure("answered 500: x")],
      [() => new Response("<h1>", { status: 500 }), failure("answered 500")],
      [
        () => Response.json({ error: "x" }, { status: 429 }),
        failure("refuses further requests for now: x"),
      ],
      [() => Promise.reject(new TypeError("refused")), {
        status: 503,
        message:
          "Cannot answer: the openai backend refused the connection; check that it is running",
      }],
    ];
  for (const [answer, problem] of rows) {
    await withFetch(answer, () => assertRejects(callOf().start("m", "p"), problem));
  }
});

Deno.test("BackendCall.start() throws a problem for a response that breaks off, after its pieces", async () => {
  const broken = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(HALF)),
    pull: (controller) => controller.error(new TypeError("reset")),
  }, { highWaterMark: 0 });
  const html = { headers: { "content-type": "text/html" } };
  const rows: readonly (readonly [response: Response, action: string, pieces: number])[] = [
    [new Response(HALF), "ended its response without the end mark of its format", 1],
    [new Response(broken), "closed the connection before its response was complete", 1],
    [new Response(`${HALF}data: x\n\n`), "sent a frame that is not a JSON object", 1],
    [new Response(`${HALF}data: {"error":"no"}\n\n`), "answered with an error: no", 1],
    [new Response("<h1>", html), "sent an HTML page", 0],
    [
      new Response(null, { status: 204 }),
      "ended its response without the end mark of its format",
      0,
    ],
  ];
  for (const [response, action, count] of rows) {
    await withFetch(() => response, async () => {
      const pieces: Piece[] = [];
      await assertRejects(async () => {
        for await (const some of await callOf().start("m", "p")) pieces.push(...some);
      }, failure(action));
      assertStrictEquals(pieces.length, count, action);
    });
  }
});

Deno.test("BackendCall.start() accepts a finish reason without an end mark", async () => {
  const finished = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n';
  await withFetch(() => new Response(finished), async () => {
    assertEquals(await piecesOf(callOf()), [{ text: "a", finish: "stop" }]);
  });
});

/** Ends only with its signal, as a request to a silent backend does. */
const silent: Answer = (_url, { signal }) =>
  new Promise((_, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

Deno.test("BackendCall.start() throws unavailable after the idle time", async () => {
  await withFetch(silent, async () => {
    const call = callOf("openai://localhost\ntimeout 1");
    await assertRejects(call.start("m", "p"), failure("sent nothing for 1 s"));
  });
});

Deno.test("BackendCall.start() throws CallerDisconnected if the caller disconnects", async () => {
  await withFetch(silent, async () => {
    const caller = new AbortController();
    const started = callOf("openai://localhost", caller.signal).start("m", "p");
    caller.abort();
    await assertRejects(started, CallerDisconnected);
  });
});

Deno.test("BackendCall.cancel() ends a call", async () => {
  await withFetch(silent, async () => {
    const call = callOf();
    const started = call.start("m", "p");
    call.cancel();
    await assertRejects(started, CallerDisconnected);
  });
});
