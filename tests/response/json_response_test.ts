import { deepStrictEqual, equal } from "node:assert/strict";
import { factsResponse, jsonResponse, lineResponse } from "../../lib/response/json_response.ts";

async function shown(response: Response): Promise<[string | null, string]> {
  return [response.headers.get("content-type"), await response.text()];
}

Deno.test("jsonResponse() sends one line of JSON with no-store and nosniff", async () => {
  const response = jsonResponse({ a: "<b>" }, { link: "</x>" }, 201);
  equal(response.status, 201);
  equal(response.headers.get("link"), "</x>");
  equal(response.headers.get("cache-control"), "no-store");
  equal(response.headers.get("x-content-type-options"), "nosniff");
  deepStrictEqual(await shown(response), ["application/json", '{"a":"<b>"}\n']);
});

Deno.test("factsResponse() sends JSON unless Accept prefers text", async () => {
  const value = { pid: 7, version: "1.2.3" };
  const text = "text/plain; charset=utf-8";
  for (const accept of [null, "*/*", "application/json", "image/png"]) {
    deepStrictEqual(await shown(factsResponse(accept, value)), [
      "application/json",
      '{"pid":7,"version":"1.2.3"}\n',
    ]);
  }
  deepStrictEqual(await shown(factsResponse("text/plain", value)), [
    text,
    "pid 7\nversion 1.2.3\n",
  ]);
  equal(factsResponse(null, value).headers.get("vary"), "Accept");
});

Deno.test("lineResponse() sends text unless Accept prefers JSON", async () => {
  const text = "text/plain; charset=utf-8";
  deepStrictEqual(await shown(lineResponse(null, 1.5)), [text, "1.5\n"]);
  deepStrictEqual(await shown(lineResponse("*/*", "6.0.0")), [text, "6.0.0\n"]);
  deepStrictEqual(await shown(lineResponse("application/json", "6.0.0")), [
    "application/json",
    '"6.0.0"\n',
  ]);
  equal(lineResponse(null, 1).headers.get("vary"), "Accept");
  equal(lineResponse(null, 1).headers.get("cache-control"), "no-store");
});
