import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import {
  type Backend,
  ConfigError,
  createBackend,
  isOpenAi,
  parseEndpoint,
} from "../../../plugins/gpu/backend.ts";

function backendOf(line: string, settings: Record<string, string> = {}): Backend {
  return createBackend(parseEndpoint(line), new Map(Object.entries(settings)));
}

Deno.test("parseEndpoint() returns the host and port of a backend line", () => {
  const rows: readonly (readonly [line: string, href: string, isLocal: boolean])[] = [
    ["ollama://localhost:11434", "http://localhost:11434/", true],
    ["ollama://localhost", "http://localhost:11434/", true],
    ["ollama://127.0.0.1/api/generate", "http://127.0.0.1:11434/api/generate", true],
    ["ollama://[::1]:80", "http://[::1]/", true],
    ["ollama://gpu.example", "https://gpu.example:11434/", false],
    ["ollama+http://gpu.example:80/x", "http://gpu.example/x", false],
    ["OPENAI://api.openai.com", "https://api.openai.com/", false],
    ["openai+https://127.0.0.1", "https://127.0.0.1/", true],
    // Other spellings of a loopback address are that address.
    ["openai://2130706433:8080", "http://127.0.0.1:8080/", true],
    ["openai://x.localhost", "https://x.localhost/", false],
    ["openai://127.0.0.1.example", "https://127.0.0.1.example/", false],
  ];
  for (const [line, href, isLocal] of rows) {
    const { url, ...endpoint } = parseEndpoint(line);
    assertEquals([url.href, endpoint.isLocal], [href, isLocal], line);
  }
});

Deno.test("parseEndpoint() rejects a line without quoting it", () => {
  const rows: readonly (readonly [line: string, found: RegExp])[] = [
    ["SECRET://localhost", /unknown scheme; known: ollama, openai, claude, deepseek, vast/],
    ["ollama+ftp://localhost", /unknown scheme/],
    ["ollama://", /not followed by a host and port/],
    ["ollama://a b", /not followed by a host and port/],
    ["ollama://h:99999", /not followed by a host and port/],
    ["ollama://SECRET@h", /contains a user or a password; keys come from the environment/],
    ["ollama://u:SECRET@h", /contains a user or a password/],
    ["ollama://h/?k=SECRET", /contains \? or #/],
    ["ollama://h/#SECRET", /contains \? or #/],
    ["ollama://a_b", /the host name is invalid/],
  ];
  for (const [line, found] of rows) {
    assertThrows(() => parseEndpoint(line), (error: unknown) => {
      return error instanceof ConfigError && found.test(error.message) &&
        !error.message.includes("SECRET");
    }, line);
  }
});

Deno.test("createBackend() completes the path of the call", () => {
  const rows: readonly (readonly [line: string, url: string])[] = [
    ["ollama://localhost", "http://localhost:11434/api/chat"],
    ["ollama://localhost/api/generate", "http://localhost:11434/api/generate"],
    ["ollama://localhost/proxy/", "http://localhost:11434/proxy/api/chat"],
    ["openai://localhost", "http://localhost/v1/chat/completions"],
    ["openai://localhost/base/v1/", "http://localhost/base/v1/chat/completions"],
    ["openai://localhost/v1/chat/completions/", "http://localhost/v1/chat/completions"],
    ["claude://localhost/proxy", "http://localhost/proxy/messages"],
    ["deepseek://api.deepseek.com", "https://api.deepseek.com/chat/completions"],
    ["vast://openai.vast.ai/mine", "https://openai.vast.ai/mine/chat/completions"],
  ];
  for (const [line, url] of rows) assertStrictEquals(backendOf(line).url, url);
});

Deno.test("createBackend() uses the defaults of the scheme", () => {
  assertEquals(backendOf("openai://127.0.0.1:8080"), {
    scheme: "openai",
    format: "openai",
    url: "http://127.0.0.1:8080/v1/chat/completions",
    host: "127.0.0.1:8080",
    isLocal: true,
    model: "default",
    key: "OPENAI_API_KEY",
    idleMs: 120_000,
  });
  const models = ["ollama://h", "claude://h", "deepseek://h", "vast://h", "openai://api.openai.com"]
    .map((line) => backendOf(line).model);
  assertEquals(models, [
    "llama3.2",
    "claude-haiku-4-5",
    "deepseek-flash",
    "default",
    "gpt-6-luna",
  ]);
});

Deno.test("createBackend() replaces the defaults by settings", () => {
  const settings = {
    model: "m",
    models: "a b",
    key: "none",
    system: "s",
    temperature: "0.2",
    max_tokens: "77",
    timeout: "1",
  };
  const { url: _url, host: _host, ...backend } = backendOf("claude://localhost", settings);
  assertEquals(backend, {
    scheme: "claude",
    format: "claude",
    isLocal: true,
    model: "m",
    models: ["a", "b"],
    system: "s",
    temperature: 0.2,
    maxTokens: 77,
    idleMs: 1000,
  });
});

Deno.test("isOpenAi() is true for the service of OpenAI only", () => {
  assertEquals(isOpenAi(new URL("https://api.openai.com/v1")), true);
  assertEquals(isOpenAi(new URL("https://api.openai.com.example/v1")), false);
});
