import { assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { parseSettings } from "../../../plugins/gpu/config.ts";
import { backendHeaders, statusResponse, unusableDetail } from "../../../plugins/gpu/status.ts";

const CONFIGURED = parseSettings("openai://127.0.0.1:8080\nmodel a/b:c");

function get(accept: string | undefined, settings = CONFIGURED, method = "GET"): Response {
  const headers: Record<string, string> = accept === undefined ? {} : { accept };
  return statusResponse(new Request("http://m/dev/gpu", { method, headers }), settings, {});
}

Deno.test("statusResponse() answers with text unless Accept prefers JSON", async () => {
  const text = "openai a/b:c, on this computer; OPENAI_API_KEY is not set\n";
  for (
    const accept of [undefined, "*/*", "text/plain", "text/html", "application/json;q=0.5, text/*"]
  ) {
    assertStrictEquals(await get(accept).text(), text, accept);
  }
  const json = { backend: "openai", model: "a/b:c", local: true, configured: true };
  for (const accept of ["application/json", "text/plain;q=0.1, application/json;q=0.2, */*;q=0"]) {
    assertEquals(await get(accept).json(), json, accept);
  }
});

Deno.test("statusResponse() reports a missing configuration", async () => {
  assertEquals(await get("application/json", {}).json(), {
    backend: null,
    model: null,
    local: false,
    configured: false,
  });
  assertMatch(await get(undefined, {}).text(), /no backend is configured; PUT \/etc\/gpu\.conf/);
});

Deno.test("statusResponse() answers HEAD without a body", async () => {
  const response = get(undefined, CONFIGURED, "HEAD");
  assertEquals([response.status, await response.text()], [200, ""]);
  assertEquals(response.headers.get("x-gpu-local"), "true");
});

Deno.test("unusableDetail() names the fault of the configuration", () => {
  assertEquals(
    unusableDetail({ fault: "/etc/gpu.conf line 3: x" }),
    "Cannot answer: /etc/gpu.conf line 3: x; PUT /etc/gpu.conf with a corrected line, as T3",
  );
});

Deno.test("backendHeaders() name the scheme, the model, and whether the host is this computer", () => {
  assertEquals(backendHeaders({ scheme: "vast", isLocal: false }, "m"), {
    "x-gpu-backend": "vast",
    "x-gpu-model": "m",
    "x-gpu-local": "false",
  });
});
