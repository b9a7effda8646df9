/** What the device's configuration means, read as the host has it read: what may be reached, and why not. */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import gpu, { auth, config, grants, permissions, routes } from "../../plugins/gpu.ts";

const asked = (text: string | undefined) => permissions({ config: { "/etc/gpu.conf": text } });

Deno.test("gpu declares one route for T2, one config and its own receipts", () => {
  deepStrictEqual([routes, auth, config, grants], [
    ["/dev/gpu"],
    "T2",
    ["/etc/gpu.conf"],
    { "/var/log/gpu/": "rw" },
  ]);
});

Deno.test("permissions() are exactly the configured host and the one key it needs", () => {
  const rows: [line: string, host: string, key?: string][] = [
    ["ollama://localhost:11434", "localhost:11434"],
    ["ollama://localhost", "localhost:11434"],
    ["ollama://127.0.0.1/api/generate", "127.0.0.1:11434"],
    ["ollama://[::1]:80", "[::1]:80"],
    ["ollama://gpu.example", "gpu.example:11434"],
    ["ollama+http://gpu.example:80/x", "gpu.example:80"],
    ["openai://api.openai.com", "api.openai.com:443", "OPENAI_API_KEY"],
    ["openai://127.0.0.1:8080", "127.0.0.1:8080", "OPENAI_API_KEY"],
    ["openai://127.0.0.1", "127.0.0.1:80", "OPENAI_API_KEY"],
    ["openai+https://127.0.0.1", "127.0.0.1:443", "OPENAI_API_KEY"],
    ["openai+http://vllm.example", "vllm.example:80", "OPENAI_API_KEY"],
    ["openai+http://VLLM.example:443/v1/", "vllm.example:443", "OPENAI_API_KEY"],
    ["claude://api.anthropic.com", "api.anthropic.com:443", "ANTHROPIC_API_KEY"],
    ["deepseek://api.deepseek.com", "api.deepseek.com:443", "DEEPSEEK_API_KEY"],
    ["vast://openai.vast.ai/my-endpoint", "openai.vast.ai:443", "VAST_API_KEY"],
    ["OPENAI://api.openai.com  # the paid one", "api.openai.com:443", "OPENAI_API_KEY"],
    [
      "openai://openrouter.ai/api/v1\nkey OPENROUTER_API_KEY",
      "openrouter.ai:443",
      "OPENROUTER_API_KEY",
    ],
    ["openai://127.0.0.1:8080\nkey = none", "127.0.0.1:8080"],
    // Other spellings of this computer are this computer, and what only looks like it is not.
    ["openai://2130706433:8080", "127.0.0.1:8080", "OPENAI_API_KEY"],
    ["openai://localhost.example", "localhost.example:443", "OPENAI_API_KEY"],
    ["openai://x.localhost", "x.localhost:443", "OPENAI_API_KEY"],
    ["openai://127.0.0.1.example", "127.0.0.1.example:443", "OPENAI_API_KEY"],
  ];
  for (const [text, host, key] of rows) {
    deepStrictEqual(asked(text), { net: [host], env: key === undefined ? [] : [key] }, text);
  }
});

Deno.test("permissions() are none where nothing is configured", () => {
  for (const text of [undefined, "", "\n \r\n", "# ollama://localhost\n   # nothing"]) {
    deepStrictEqual(asked(text), {}, text);
  }
});

Deno.test("permissions() name the line that cannot be used, and never what stands there", () => {
  const fine = "ollama://localhost\n";
  const rows: [text: string, says: RegExp][] = [
    ["SECRET", /line 1 is neither a backend .* nor one of model, models, key, system/],
    ["# x\n\nSECRET://localhost", /line 3 has a scheme that is none of ollama, openai, claude/],
    ["ollama+ftp://localhost", /line 1 has a scheme/],
    ["ollama://", /line 1 names no host/],
    ["ollama://a b", /line 1 names no host/],
    ["ollama://h:99999", /line 1 names no host/],
    ["ollama://SECRET@h", /line 1 holds a user or a password; keys come from the environment/],
    ["ollama://u:SECRET@h", /line 1 holds a user/],
    ["ollama://h/?k=SECRET", /line 1 holds a \?/],
    ["ollama://h/#SECRET", /line 1 holds a \?/],
    ["ollama://*", /line 1 names/],
    ["ollama://a_b", /line 1 names a host that is none/],
    [`${fine}ollama://other`, /line 2 names a second backend/],
    [`${fine}model SECRET SECRET`, /line 2 names no model/],
    [`${fine}model`, /line 2 names no model/],
    [`${fine}model a\nmodel b`, /line 3 sets model a second time/],
    [`${fine}models a, SECRET`, /line 2 is no list of models/],
    [`${fine}temperature SECRET`, /line 2 sets temperature to no number from 0 to 2/],
    [`${fine}temperature 2.1`, /line 2 sets temperature/],
    [`${fine}max_tokens 1.5`, /line 2 sets max_tokens to no whole number/],
    [`${fine}max_tokens -1`, /line 2 sets max_tokens/],
    [`${fine}max_tokens 1e3`, /line 2 sets max_tokens/],
    [`${fine}timeout 0`, /line 2 sets timeout to no whole number from 1 to 600/],
    [`${fine}timeout 601`, /line 2 sets timeout/],
    [
      `${fine}key SECRET`,
      /line 2 names no variable: key takes none, or a name that ends in _API_KEY/,
    ],
    [`${fine}key AWS_SECRET`, /line 2 names no variable/],
    [`${fine}key ELASTIK_API_KEY`, /line 2 names no variable/],
    [`${fine}constructor x`, /line 2 is neither/],
    ["model llama3.2", /names no backend; a line such as ollama:/],
    [`# ${"x".repeat(70_000)}`, /is longer than/],
  ];
  for (const [text, says] of rows) {
    const { fault, ...rest } = asked(text);
    deepStrictEqual(rest, {}, text);
    match(String(fault), says);
    ok(String(fault).startsWith("/etc/gpu.conf "), text);
    ok(!String(fault).includes("SECRET"), text);
  }
});

Deno.test("gpu tells its state in words and in JSON, by what the caller would rather have", async () => {
  const env = {
    caller: { by: "T2" },
    machine: { fetch: () => Promise.reject(new Error("not to be called")) },
    config: { "/etc/gpu.conf": "\ufeffopenai://127.0.0.1:8080\r\nmodel a/b:c" },
    vars: {},
  };
  const get = async (
    accept?: string,
    told: typeof env.config | Record<string, never> = env.config,
  ) =>
    await gpu.fetch(
      new Request("http://m/dev/gpu", accept === undefined ? {} : { headers: { accept } }),
      { ...env, config: told },
      { waitUntil: () => {} },
    );
  const words = "openai a/b:c, on this computer; OPENAI_API_KEY is not set\n";
  for (const accept of [undefined, "*/*", "text/plain", "application/json;q=0.5, text/*"]) {
    equal(await (await get(accept)).text(), words, accept);
  }
  for (const accept of ["application/json", "text/plain;q=0.1, application/json;q=0.2, */*;q=0"]) {
    deepStrictEqual(await (await get(accept)).json(), {
      backend: "openai",
      model: "a/b:c",
      local: true,
      configured: true,
    });
  }
  deepStrictEqual(await (await get("application/json", {})).json(), {
    backend: null,
    model: null,
    local: false,
    configured: false,
  });
  match(await (await get(undefined, {})).text(), /no backend is configured; PUT \/etc\/gpu\.conf/);
  const head = await gpu.fetch(
    new Request("http://m/dev/gpu/", { method: "HEAD" }),
    env,
    { waitUntil: () => {} },
  );
  deepStrictEqual([head.status, await head.text(), head.headers.get("x-gpu-local")], [
    200,
    "",
    "true",
  ]);
});

Deno.test("gpu asks the big services as their pages say, and with one key each", async () => {
  const vars = {
    OPENAI_API_KEY: "o",
    ANTHROPIC_API_KEY: "a",
    DEEPSEEK_API_KEY: "d",
    VAST_API_KEY: "v",
  };
  const user = [{ role: "user", content: "hi" }];
  const rows: [
    line: string,
    url: string,
    key: Record<string, string>,
    body: Record<string, unknown>,
  ][] = [
    [
      "openai://api.openai.com",
      "https://api.openai.com/v1/chat/completions",
      { authorization: "Bearer o" },
      // Its newer models take the limit under this name alone.
      { model: "gpt-4.1-mini", messages: user, max_completion_tokens: 9, stream: true },
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
      { model: "deepseek-chat", messages: user, max_tokens: 9, stream: true },
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
  const network = globalThis.fetch;
  try {
    for (const [line, url, key, body] of rows) {
      let seen: [input: unknown, init: RequestInit] | undefined;
      globalThis.fetch = (input, init = {}) => {
        seen = [input, init];
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
      deepStrictEqual([reply.status, reply.headers.get("x-gpu-local")], [502, "false"]);
      const [input, init] = seen ?? [];
      deepStrictEqual([input, init?.method, init?.redirect], [url, "POST", "manual"]);
      const { accept: _accept, ...headers } = Object.fromEntries(new Headers(init?.headers));
      deepStrictEqual(headers, {
        "content-type": "application/json",
        "accept-encoding": "identity",
        ...key,
      });
      deepStrictEqual(JSON.parse(String(init?.body)), body);
    }
  } finally {
    globalThis.fetch = network;
  }
});

Deno.test("gpu refuses a key that no header can carry, without showing it", async () => {
  const env = {
    caller: { by: "T2" },
    machine: { fetch: () => Promise.reject(new Error("not to be called")) },
    config: { "/etc/gpu.conf": "claude://127.0.0.1:9" },
    vars: { ANTHROPIC_API_KEY: "SEC\r\nRET" },
  };
  const request = new Request("http://m/dev/gpu", { method: "POST", body: "hi" });
  const reply = await gpu.fetch(request, env, { waitUntil: () => {} });
  const text = await reply.text();
  deepStrictEqual([reply.status, text.includes("SEC")], [503, false]);
  match(text, /ANTHROPIC_API_KEY holds characters that no header may carry/);
});
