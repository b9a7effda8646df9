import { deepStrictEqual as equal } from "node:assert/strict";
import { bodiless } from "../../lib/http/head_response.ts";

const HEADERS = { "content-length": "4", "x-meta-a": "b" };

Deno.test("bodiless() takes the body out of an answer to HEAD where no Host was sent", async () => {
  let cancelled = false;
  const stream = new ReadableStream({ cancel: () => void (cancelled = true) });
  for (const body of ["text", stream]) {
    const request = new Request("https://h/x", { method: "HEAD" });
    const answer = bodiless(request, new Response(body, { status: 207, headers: HEADERS }));
    equal(answer.status, 207);
    equal(answer.body, null);
    equal(answer.headers.get("content-length"), "4");
    equal(answer.headers.get("x-meta-a"), "b");
  }
  await Promise.resolve();
  equal(cancelled, true);
});

Deno.test("bodiless() leaves every other answer as it is", () => {
  const answer = new Response("text", { headers: HEADERS });
  const empty = new Response(null, { headers: HEADERS });
  const host = { headers: { host: "h" } };
  equal(bodiless(new Request("http://h/x", { method: "HEAD", ...host }), answer) === answer, true);
  equal(bodiless(new Request("https://h/x"), answer) === answer, true);
  equal(bodiless(new Request("https://h/x", { method: "HEAD" }), empty) === empty, true);
});
