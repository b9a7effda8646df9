/** The manifest of gpu, and the requests that it sends to the public services. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import gpu, { auth, config, grants, patience, permissions, routes } from "../../plugins/gpu.ts";

const permissionsOf = (text: string | undefined) =>
  permissions({ config: { "/etc/gpu.conf": text } });

Deno.test("gpu declares one route for T2, its configuration and its usage log", () => {
  assertEquals([routes, auth, config, grants, patience], [
    ["/dev/gpu"],
    "T2",
    ["/etc/gpu.conf"],
    { "/var/log/gpu/": "rw" },
    620,
  ]);
});

Deno.test("permissions() are exactly the configured host and the key that it needs", () => {
  const rows: readonly (readonly [text: string, host: string, key?: string])[] = [
    ["ollama://localhost:11434", "localhost:11434"],
    ["ollama://localhost", "localhost:11434"],
    ["ollama://[::1]:80", "[::1]:80"],
    ["ollama://gpu.example", "gpu.example:11434"],
    ["openai://api.openai.com", "api.openai.com:443", "OPENAI_API_KEY"],
    ["openai://127.0.0.1", "127.0.0.1:80", "OPENAI_API_KEY"],
    ["openai+http://VLLM.example:443/v1/", "vllm.example:443", "OPENAI_API_KEY"],
    ["claude://api.anthropic.com", "api.anthropic.com:443", "ANTHROPIC_API_KEY"],
    ["deepseek://api.deepseek.com", "api.deepseek.com:443", "DEEPSEEK_API_KEY"],
    ["vast://openai.vast.ai/my-endpoint", "openai.vast.ai:443", "VAST_API_KEY"],
    ["OPENAI://api.openai.com  # paid", "api.openai.com:443", "OPENAI_API_KEY"],
    ["openai://openrouter.ai/api\nkey X_API_KEY", "openrouter.ai:443", "X_API_KEY"],
    ["openai://127.0.0.1:8080\nkey = none", "127.0.0.1:8080"],
  ];
  for (const [text, host, key] of rows) {
    const expected = { net: [host], env: key === undefined ? [] : [key] };
    assertEquals(permissionsOf(text), expected, text);
  }
});

Deno.test("permissions() are empty if nothing is configured", () => {
  for (const text of [undefined, "", "# ollama://localhost"]) {
    assertEquals(permissionsOf(text), {}, text);
  }
});

Deno.test("permissions() report a configuration that cannot be used, without quoting it", () => {
  const { fault, ...rest } = permissionsOf("ollama://localhost\nkey SECRET");
  assertEquals(rest, {});
  assertMatch(String(fault), /^\/etc\/gpu\.conf line 2: key is neither none nor/);
  assert(!String(fault).includes("SECRET"));
});

Deno.test("POST /dev/gpu sends each public service the request that its documentation requires", async () => {
  const vars = {
    OPENAI_API_KEY: "o",
    ANTHROPIC_API_KEY: "a",
    DEEPSEEK_API_KEY: "d",
    VAST_API_KEY: "v",
  };
  const user = [{ role: "user", content: "hi" }];
  const rows: readonly (readonly [
    line: string,
    url: string,
    key: Record<string, string>,
    body: Record<string, unknown>,
  ])[] = [
    [
      "openai://api.openai.com",
      "https://api.openai.com/v1/chat/completions",
      { authorization: "Bearer o" },
      { model: "gpt-6-luna", messages: user, max_completion_tokens: 9, stream: true },
    ],
    [
      "claude://api.anthropic.com",
      "https://api.anthropic.com/v1/messages",
      { "anthropic-version": "2023-06-01", "x-api-key": "a" },
      { model: "claude-haiku-4-5", max_tokens: 9, messages: user, stream: true },
    ],
    [
      "deepseek://api.deepseek.com",
      "https://api.deepseek.com/chat/completions",
      { authorization: "Bearer d" },
      { model: "deepseek-flash", messages: user, max_tokens: 9, stream: true },
    ],
    [
      "vast://openai.vast.ai/my-endpoint",
      "https://openai.vast.ai/my-endpoint/chat/completions",
      { authorization: "Bearer v" },
      { model: "default", messages: user, max_tokens: 9, stream: true },
    ],
    [
      "openai+http://vllm.example:8000/v1/chat/completions/",
      "http://vllm.example:8000/v1/chat/completions",
      { authorization: "Bearer o" },
      { model: "default", messages: user, max_tokens: 9, stream: true },
    ],
    [
      "ollama://gpu.example",
      "https://gpu.example:11434/api/chat",
      {},
      { model: "llama3.2", messages: user, options: { num_predict: 9 }, stream: true },
    ],
  ];
  const original = globalThis.fetch;
  try {
    for (const [line, url, key, body] of rows) {
      let sent: [input: unknown, init: RequestInit] | undefined;
      globalThis.fetch = (input, init = {}) => {
        sent = [input, init];
        return Promise.resolve(new Response(null, { status: 500 }));
      };
      const env = {
        caller: { by: "T2" },
        machine: { fetch: () => Promise.resolve(Response.json({ version: 2 })) },
        config: { "/etc/gpu.conf": `${line}\nmax_tokens 9` },
        vars,
      };
      const request = new Request("http://m/dev/gpu", { method: "POST", body: "hi" });
      const reply = await gpu.fetch(request, env, { waitUntil: () => {} });
      assertEquals([reply.status, reply.headers.get("x-gpu-local")], [503, "false"]);
      const [input, init] = sent ?? [];
      assertEquals([input, init?.method, init?.redirect], [url, "POST", "manual"]);
      const { accept: _accept, ...headers } = Object.fromEntries(new Headers(init?.headers));
      assertEquals(headers, {
        "content-type": "application/json",
        "accept-encoding": "identity",
        ...key,
      });
      assertEquals(JSON.parse(String(init?.body)), body);
    }
  } finally {
    globalThis.fetch = original;
  }
});
