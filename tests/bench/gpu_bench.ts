/**
 * The time that `/dev/gpu` adds to its backend: milliseconds to the first token and to the whole
 * response through the device and directly from the same backend, in turn, with one caller and with
 * eight. The backend is a separate process that answers at once. Prints figures, asserts nothing.
 *
 * `deno run -A tests/bench/gpu_bench.ts [calls per measurement]`
 */

import { ROOT, startProgram } from "../project/program.ts";
import { median, report } from "./report.ts";
import { freePort } from "../support/free_port.ts";

const CALLS = Number(Deno.args[0] ?? 300);
const ROUNDS = 3;
const TOKENS = 200;
const TOKEN = "bench-t2-token";
const APPROVE = "bench-approve-token";
const BACKEND = `
const encoder = new TextEncoder();
const chunk = (delta) => encoder.encode("data: " + JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk",
  created: 1, model: "m", choices: [{ index: 0, delta, logprobs: null, finish_reason: null }] }) + "\\n\\n");
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0]), onListen() {} }, async (request) => {
  await request.text();
  let left = ${TOKENS};
  return new Response(new ReadableStream({
    async pull(controller) {
      if (left-- > 0) controller.enqueue(chunk({ content: "token " }));
      else {
        controller.enqueue(encoder.encode("data: [DONE]\\n\\n"));
        controller.close();
      }
      // Each token in its own chunk, as a model sends them.
      await new Promise((resolve) => setImmediate(resolve));
    },
  }), { headers: { "content-type": "text/event-stream" } });
});`;

/** Milliseconds of one call. */
interface Times {
  readonly first: number;
  readonly whole: number;
}

const folder = await Deno.makeTempDir({ prefix: "elastik-gpu-bench-" });
const port = freePort();
await Deno.writeTextFile(`${folder}/backend.ts`, BACKEND);
const backend = new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", "--no-check", `${folder}/backend.ts`, String(port)],
  stdin: "null",
  stdout: "null",
  stderr: "null",
}).spawn();
const server = await startProgram({
  command: Deno.execPath(),
  args: ["run", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
  cwd: folder,
  env: {
    ELASTIK_PORT: "0",
    ELASTIK_DATA: `${folder}/data`,
    ELASTIK_TOKEN: TOKEN,
    ELASTIK_APPROVE_TOKEN: APPROVE,
  },
});
try {
  await untilListening(`http://127.0.0.1:${port}`);
  await put("/etc/gpu.conf", `openai://127.0.0.1:${port}`);
  await put("/lib/gpu", await Deno.readTextFile(`${ROOT}/plugins/gpu.ts`));
  await put("/lib/gpu/state", "active");
  for (const callers of [1, 8]) await measure(callers);
} finally {
  await server.stop("SIGKILL");
  backend.kill("SIGKILL");
  await backend.status;
  await Deno.remove(folder, { recursive: true });
}

async function measure(callers: number): Promise<void> {
  const found = { direct: empty(), stream: empty(), device: empty() };
  for (const ask of [direct, stream, device]) await run(ask, 50, callers);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, ask] of Object.entries({ direct, stream, device })) {
      const into = found[name as keyof typeof found]; // the names of the object itself
      for (const { first, whole } of await run(ask, CALLS, callers)) {
        into.first.push(first);
        into.whole.push(whole);
      }
    }
  }
  const callerText = callers === 1 ? "one caller" : `${callers} callers`;
  const unit = "ms";
  const of = (name: keyof typeof found, what: "first" | "whole") => median(found[name][what]);
  const p99 = (name: keyof typeof found) => percentile(found[name].first, 0.99);
  report({ what: `first token, directly, ${callerText}`, found: of("direct", "first"), unit });
  report({
    what: `first token, /dev/gpu/stream, ${callerText}`,
    found: of("stream", "first"),
    unit,
  });
  report({
    what: `added by the device to the first token, ${callerText}`,
    found: of("stream", "first") - of("direct", "first"),
    unit,
    ...(callers === 1 ? { aim: "<= 5" } : {}),
  });
  report({
    what: `the same, at the 99th percentile, ${callerText}`,
    found: p99("stream") - p99("direct"),
    unit,
  });
  report({ what: `${TOKENS} tokens, directly, ${callerText}`, found: of("direct", "whole"), unit });
  report({
    what: `${TOKENS} tokens, /dev/gpu/stream, ${callerText}`,
    found: of("stream", "whole"),
    unit,
  });
  report({
    what: `${TOKENS} tokens as one text, /dev/gpu, ${callerText}`,
    found: of("device", "whole"),
    unit,
  });
}

/** Makes calls by several callers at the same time; each caller waits for its call to end. */
async function run(ask: () => Promise<Times>, calls: number, callers: number): Promise<Times[]> {
  const times: Times[] = [];
  let left = calls;
  await Promise.all(Array.from({ length: callers }, async () => {
    while (left-- > 0) times.push(await ask());
  }));
  return times;
}

function direct(): Promise<Times> {
  return timeCall(`http://127.0.0.1:${port}/v1/chat/completions`, {
    "content-type": "application/json",
    "accept-encoding": "identity",
  }, JSON.stringify({ model: "m", messages: [{ role: "user", content: "x" }], stream: true }));
}

function stream(): Promise<Times> {
  return timeCall(`${server.url}/dev/gpu/stream`, { authorization: `Bearer ${TOKEN}` }, "x");
}

function device(): Promise<Times> {
  return timeCall(`${server.url}/dev/gpu`, { authorization: `Bearer ${TOKEN}` }, "x");
}

async function timeCall(
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<Times> {
  const start = performance.now();
  const answer = await fetch(url, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  let first = 0;
  for await (const piece of answer.body ?? new ReadableStream<Uint8Array>()) {
    if (first === 0 && piece.length > 0) first = performance.now() - start;
  }
  return { first, whole: performance.now() - start };
}

async function put(path: string, body: string): Promise<void> {
  const headers = { authorization: `Bearer ${APPROVE}` };
  const answer = await fetch(`${server.url}${path}`, { method: "PUT", body, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Cannot PUT ${path}: ${text}`);
}

async function untilListening(url: string): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    try {
      await (await fetch(url)).body?.cancel();
      return;
    } catch {
      // No server listens yet; the next request tries again.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`No server listens at ${url}`);
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
}

function empty(): { first: number[]; whole: number[] } {
  return { first: [], whole: [] };
}
