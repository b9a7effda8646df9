import { assertEquals } from "../support/assert.ts";
import { jsonResponse, lineResponse, objectResponse } from "../../lib/response/json_response.ts";

async function shown(response: Response): Promise<[string | null, string]> {
  return [response.headers.get("content-type"), await response.text()];
}

Deno.test("jsonResponse() sends one line of JSON with no-store and nosniff", async () => {
  const response = jsonResponse({ a: "<b>" }, { link: "</x>" }, 201);
  assertEquals(response.status, 201);
  assertEquals(response.headers.get("link"), "</x>");
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  assertEquals(await shown(response), ["application/json", '{"a":"<b>"}\n']);
});

Deno.test("objectResponse() sends JSON unless Accept prefers text", async () => {
  const value = { pid: 7, version: "1.2.3" };
  const text = "text/plain; charset=utf-8";
  for (const accept of [null, "*/*", "application/json", "image/png"]) {
    assertEquals(await shown(objectResponse(accept, value)), [
      "application/json",
      '{"pid":7,"version":"1.2.3"}\n',
    ]);
  }
  assertEquals(await shown(objectResponse("text/plain", value)), [
    text,
    "pid 7\nversion 1.2.3\n",
  ]);
  assertEquals(objectResponse(null, value).headers.get("vary"), "Accept");
});

Deno.test("lineResponse() sends text unless Accept prefers JSON", async () => {
  const text = "text/plain; charset=utf-8";
  assertEquals(await shown(lineResponse(null, 1.5)), [text, "1.5\n"]);
  assertEquals(await shown(lineResponse("*/*", "6.0.0")), [text, "6.0.0\n"]);
  assertEquals(await shown(lineResponse("application/json", "6.0.0")), [
    "application/json",
    '"6.0.0"\n',
  ]);
  assertEquals(lineResponse(null, 1).headers.get("vary"), "Accept");
  assertEquals(lineResponse(null, 1).headers.get("cache-control"), "no-store");
});
