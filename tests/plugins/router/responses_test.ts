import { assertEquals, assertMatch } from "../../support/assert.ts";
import { readRequestedPath } from "../../../plugins/router/requested_path.ts";
import {
  choicesResponse,
  declinedResponse,
  notFoundResponse,
  redirectResponse,
} from "../../../plugins/router/responses.ts";

const REQUESTED = readRequestedPath(new URL("http://server/salse%3Cb%3E?a=%22%3E"));
const PATHS = ["/home/a b", "/home/<b>&'"];

Deno.test("declinedResponse() is an empty 404 without a type", () => {
  const { status, body, headers } = declinedResponse();
  assertEquals([status, body, headers.has("content-type")], [404, null, false]);
});

Deno.test("redirectResponse() keeps the query", () => {
  const { status, headers } = redirectResponse(REQUESTED, "/home/a b");
  assertEquals([status, headers.get("location")], [303, "/home/a%20b?a=%22%3E"]);
  assertEquals(headers.get("vary"), "Accept, Authorization");
});

const FORMATS: readonly (readonly [accept: string | null, type: string])[] = [
  [null, "text/plain; charset=utf-8"],
  ["*/*", "text/plain; charset=utf-8"],
  ["application/json", "application/json"],
  ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"],
  ["text/*;q=0.5, application/json;q=0.6", "application/json"],
  ["text/plain;q=0, */*", "application/json"],
  ["image/png", "text/plain; charset=utf-8"],
];

for (const [accept, type] of FORMATS) {
  Deno.test(`choicesResponse() sends ${type} for ${accept}`, () => {
    const { status, headers } = choicesResponse(REQUESTED, PATHS, accept);
    assertEquals([status, headers.get("content-type")], [300, type]);
    assertEquals(headers.get("link")?.split(", ").length, 2);
  });
}

Deno.test("choicesResponse() escapes paths and the requested path in HTML", async () => {
  const response = choicesResponse(REQUESTED, PATHS, "text/html");
  const page = await response.text();
  assertMatch(page, /Nothing is at \/salse&lt;b&gt;\./);
  assertMatch(page, /<a href="\/home\/%3Cb%3E%26&#39;\?a=%22%3E">\/home\/&lt;b&gt;&amp;&#39;<\/a>/);
  assertMatch(response.headers.get("content-security-policy") ?? "", /^default-src 'none'/);
});

Deno.test("notFoundResponse() names near paths, and leaves HTML to the shell", async () => {
  const problem = await notFoundResponse(REQUESTED, ["/home/a b"], 3, null).json();
  assertEquals(problem.status, 404);
  assertMatch(problem.detail, /^Cannot find \/salse<b>: nothing is here; near it is \/home\/a b$/);
  assertEquals(problem.near, ["/home/a%20b"]);
  const text = await notFoundResponse(REQUESTED, [], 3, "text/plain").text();
  assertMatch(text, /; none of the 3 names that were considered fits\n$/);
  assertEquals(notFoundResponse(REQUESTED, [], 3, "text/html").headers.has("content-type"), false);
});
