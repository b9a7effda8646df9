import { assertEquals } from "../support/assert.ts";
import { toHeadResponse } from "../../lib/http/head_response.ts";

const HEADERS = { "content-length": "4", "x-meta-a": "b" };

Deno.test("toHeadResponse() removes the body of a HEAD response over HTTP/2", async () => {
  let cancelled = false;
  const stream = new ReadableStream({ cancel: () => void (cancelled = true) });
  for (const body of ["text", stream]) {
    const request = new Request("https://h/x", { method: "HEAD" });
    const answer = toHeadResponse(request, new Response(body, { status: 207, headers: HEADERS }));
    assertEquals(answer.status, 207);
    assertEquals(answer.body, null);
    assertEquals(answer.headers.get("content-length"), "4");
    assertEquals(answer.headers.get("x-meta-a"), "b");
  }
  await Promise.resolve();
  assertEquals(cancelled, true);
});

Deno.test("toHeadResponse() returns other responses unchanged", () => {
  const answer = new Response("text", { headers: HEADERS });
  const empty = new Response(null, { headers: HEADERS });
  const host = { headers: { host: "h" } };
  assertEquals(
    toHeadResponse(new Request("http://h/x", { method: "HEAD", ...host }), answer) === answer,
    true,
  );
  assertEquals(toHeadResponse(new Request("https://h/x"), answer) === answer, true);
  assertEquals(
    toHeadResponse(new Request("https://h/x", { method: "HEAD" }), empty) === empty,
    true,
  );
});
