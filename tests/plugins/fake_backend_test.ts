/** The fake backend, called as the public documentation of each format describes. */

import { deepStrictEqual, equal, match, ok, rejects } from "node:assert/strict";
import { withBackend } from "./fake_backend.ts";

function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const init = { method: "POST", body: JSON.stringify(body) };
  return fetch(url, signal === undefined ? init : { ...init, signal });
}

const ASK = { model: "m", stream: true, messages: [{ role: "user", content: "häh?" }] };

Deno.test("FakeBackend answers in the wire format of the path", async () => {
  await withBackend(async (backend) => {
    const ollama = await (await post(`${backend.url}/api/chat`, ASK)).text();
    const lines = ollama.trimEnd().split("\n").map((line) => JSON.parse(line));
    equal(lines.slice(0, -1).map((part) => part.message.content).join(""), "You said: häh?");
    equal(lines.at(-1).done, true);
    const openai = await (await post(`${backend.url}/v1/chat/completions`, ASK)).text();
    match(openai, /"delta":\{"content":"häh\?"\}/);
    ok(openai.endsWith("data: [DONE]\n\n"));
    const claude = await (await post(`${backend.url}/v1/messages`, ASK)).text();
    match(claude, /event: content_block_delta\ndata: .*"text":"häh\?"/);
    match(claude, /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/);
    deepStrictEqual(backend.calls.map((call) => call.format), ["ollama", "openai", "claude"]);
    equal(backend.last.prompt, "häh?");
  });
});

Deno.test("FakeBackend.next() applies to one request, behaviour to all others", async () => {
  await withBackend(async (backend) => {
    const url = `${backend.url}/v1/chat/completions`;
    backend.next({ status: 429, headers: { "retry-after": "7" }, says: "slow down" });
    const limited = await post(url, ASK);
    deepStrictEqual([limited.status, limited.headers.get("retry-after")], [429, "7"]);
    equal((await limited.json()).error.message, "slow down");
    backend.behaviour = { tokens: ["a"], end: "broken" };
    await rejects(async () => await (await post(url, ASK)).text());
    backend.behaviour = { tokens: ["a"], end: "unmarked" };
    ok(!(await (await post(url, ASK)).text()).includes("[DONE]"));
    backend.behaviour = { document: true };
    equal((await (await post(url, ASK)).json()).choices[0].message.content, "You said: häh?");
  });
});

Deno.test("SeenCall.left resolves when the caller disconnects, before or after the response headers", async () => {
  await withBackend(async (backend) => {
    const gone = new AbortController();
    backend.next({ head: () => new Promise(() => {}) });
    const asked = post(`${backend.url}/api/chat`, ASK, gone.signal);
    await backend.called(1);
    gone.abort();
    await rejects(asked);
    await backend.last.left;
    const later = new AbortController();
    backend.next({ end: "hang" });
    const answer = await post(`${backend.url}/api/chat`, ASK, later.signal);
    await answer.body?.getReader().read();
    later.abort();
    await backend.last.left;
  });
});
