import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  Problem as CoreProblem,
  toProblemResponse as coreProblemResponse,
} from "../../../lib/http/problem.ts";
import { Problem, problemResponse } from "../../../plugins/kit/problem.ts";

const DETAIL = "Cannot GET /x: nothing is mounted there";

for (
  const accept of [
    null,
    "*/*",
    "application/json",
    "application/problem+json",
    "text/plain",
    "text/html, */*;q=0.1",
    "text/plain;q=0.1, application/json",
    "image/png",
  ]
) {
  for (const head of [false, true]) {
    const title = `${head ? "HEAD" : "GET"} with Accept ${accept}`;
    Deno.test(`problemResponse() of the kit and of the core agree on ${title}`, async () => {
      const headers = { "retry-after": "5" };
      const core = coreProblemResponse(
        new CoreProblem("not-found", DETAIL, headers),
        accept,
        head,
      );
      const response = problemResponse(new Problem("not-found", DETAIL, headers), accept, head);
      assertStrictEquals(response.status, core.status);
      assertStrictEquals(await response.text(), await core.text());
      // The server adds nosniff to all responses of plugins, and the core has no length for a GET.
      const names = ["content-type", "cache-control", "vary", "retry-after"];
      for (const name of head ? [...names, "content-length"] : names) {
        assertStrictEquals(response.headers.get(name), core.headers.get(name), name);
      }
    });
  }
}

Deno.test("problemResponse() adds headers, of which those of the problem have precedence", () => {
  const problem = new Problem("unavailable", "Cannot do it", { "retry-after": "9" });
  const { headers } = problemResponse(problem, null, false, {
    headers: { "retry-after": "1", "x-gpu-model": "m", "vary": "Accept, User-Agent" },
  });
  assertEquals(["retry-after", "x-gpu-model", "vary"].map((name) => headers.get(name)), [
    "9",
    "m",
    "Accept, User-Agent",
  ]);
});

Deno.test("problemResponse() sends text to readers of the additional text types", () => {
  const type = (textTypes: string[]) =>
    problemResponse(new Problem("gone", DETAIL), "text/event-stream", false, { textTypes })
      .headers.get("content-type");
  assertEquals(type([]), "application/problem+json");
  assertEquals(type(["text/event-stream"]), "text/plain; charset=utf-8");
});

Deno.test("Problem accepts a type that the server does not have", () => {
  const kind = { type: "/usr/share/doc/mounts.md", status: 501, title: "No adapter" };
  const { type, status, title, message } = new Problem(kind, DETAIL);
  assertEquals({ type, status, title, message }, { ...kind, message: DETAIL });
});

Deno.test("problemResponse() adds extension members to JSON only", async () => {
  const respond = (accept: string) =>
    problemResponse(new Problem("not-found", DETAIL), accept, false, { members: { near: ["/a"] } });
  assertEquals((await respond("application/json").json()).near, ["/a"]);
  assertEquals((await respond("text/plain").text()).includes("/a"), false);
});
