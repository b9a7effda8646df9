/** The fake backend, called as the public documentation of each format describes. */

import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
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
    assertEquals(lines.slice(0, -1).map((part) => part.message.content).join(""), "You said: häh?");
    assertEquals(lines.at(-1).done, true);
    const openai = await (await post(`${backend.url}/v1/chat/completions`, ASK)).text();
    assertMatch(openai, /"delta":\{"content":"häh\?"\}/);
    assert(openai.endsWith("data: [DONE]\n\n"));
    const claude = await (await post(`${backend.url}/v1/messages`, ASK)).text();
    assertMatch(claude, /event: content_block_delta\ndata: .*"text":"häh\?"/);
    assertMatch(claude, /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/);
    assertEquals(backend.calls.map((call) => call.format), ["ollama", "openai", "claude"]);
    assertEquals(backend.last.prompt, "häh?");
  });
});

Deno.test("FakeBackend.next() applies to one request, behaviour to all others", async () => {
  await withBackend(async (backend) => {
    const url = `${backend.url}/v1/chat/completions`;
    backend.next({ status: 429, headers: { "retry-after": "7" }, errorText: "slow down" });
    const limited = await post(url, ASK);
    assertEquals([limited.status, limited.headers.get("retry-after")], [429, "7"]);
    assertEquals((await limited.json()).error.message, "slow down");
    backend.behaviour = { tokens: ["a"], end: "broken" };
    await assertRejects(async () => await (await post(url, ASK)).text());
    backend.behaviour = { tokens: ["a"], end: "unmarked" };
    assert(!(await (await post(url, ASK)).text()).includes("[DONE]"));
    backend.behaviour = { document: true };
    assertEquals(
      (await (await post(url, ASK)).json()).choices[0].message.content,
      "You said: häh?",
    );
  });
});

Deno.test("ReceivedCall.left resolves when the caller disconnects, before or after the response headers", async () => {
  await withBackend(async (backend) => {
    const gone = new AbortController();
    backend.next({ head: () => new Promise(() => {}) });
    const response = post(`${backend.url}/api/chat`, ASK, gone.signal);
    await backend.called(1);
    gone.abort();
    await assertRejects(response);
    await backend.last.left;
    const later = new AbortController();
    backend.next({ end: "hang" });
    const answer = await post(`${backend.url}/api/chat`, ASK, later.signal);
    await answer.body?.getReader().read();
    later.abort();
    await backend.last.left;
  });
});
