/** Streams of the semantic plugin, and generations that several clients share. */

import { eventually, record, stateOf } from "../plugin/plugin_test_server.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventsIn, type Script, shaperSteps, textIn } from "./shaper.ts";

shaperSteps("GET /shaped/… streams a shape", "budget 10000\ntimeout 60", {
  "sends pieces as the model writes them, then done; later the stored shape": async (
    { url, shape, model },
    path,
  ) => {
    const whole = { accept: "text/html", "x-semantic-intent": "for me" };
    const stream = { ...whole, accept: "text/event-stream, text/html" };
    await model.script({ tokens: ["<p>one</p>", "\n<p>", "two</p>\n"], hold: 1 });
    const answer = await fetch(`${url}/shaped${path}`, { headers: stream });
    assertEquals(answer.headers.get("content-type"), "text/event-stream");
    assertEquals(answer.headers.get("x-semantic-shape"), "text/html");
    assertEquals(answer.headers.get("x-semantic-cache"), "generated");
    assertMatch(answer.headers.get("content-security-policy") ?? "", /default-src 'none'/);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    assertEquals((await reader?.read())?.value, "data: <p>one</p>\n\n");
    await model.release();
    let rest = "";
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
      rest += part.value;
    }
    assertEquals(textIn(rest), "\n<p>two</p>");
    const done = eventsIn(rest).at(-1);
    assertEquals(done?.type, "done");
    const again = await shape(path, stream);
    assertEquals(again.header("x-semantic-cache"), "hit");
    assertEquals(textIn(again.text), "<p>one</p>\n<p>two</p>");
    assertEquals(eventsIn(again.text).at(-1)?.type, "done");
    const stored = await shape(path, whole);
    assertEquals(
      [stored.header("x-semantic-cache"), stored.text],
      ["hit", "<p>one</p>\n<p>two</p>"],
    );
    assertEquals(JSON.parse(done?.data ?? "").etag, stored.header("etag"));
    assertEquals((await model.state()).calls.length, 1);
  },
  "ends with an error event if the output is not complete or not valid": async (
    { shape, model },
    path,
  ) => {
    const rows: [Script, RegExp][] = [
      [{ tokens: ["{", '"a"'] }, /is not valid JSON/],
      [{ tokens: ["{}"], end: "break" }, /stopped early/],
      [{ tokens: ["{}"], end: "silent" }, /stopped early/],
      [{ tokens: ["{}"], end: "length" }, /reached the limit/],
      [{ tokens: ["{}"], end: "error" }, /stopped early/],
      [{ tokens: ["{", "\x1b[0m"] }, /control characters/],
    ];
    for (const [script, words] of rows) {
      await model.script(script);
      const reply = await shape(path, { accept: "text/event-stream, application/json" });
      assertEquals(reply.status, 200);
      const events = eventsIn(reply.text);
      assertEquals(events.at(-1)?.type, "error", reply.text);
      assertMatch(events.at(-1)?.data ?? "", words);
      assertEquals(events.some(({ type }) => type === "done"), false);
      assert(!reply.text.includes("\x1b") && !reply.text.includes("burnt"), reply.text);
    }
    const last = await shape(path, { accept: "application/json" }, "HEAD");
    assertEquals(last.header("x-semantic-cache"), "miss");
  },
  "does not send a fence that arrives in pieces": async ({ shape, model }, path) => {
    await model.script({ tokens: ["`", "``js", "on\n", "[1", "]", "\n`", "``", "\n"] });
    const reply = await shape(path, { accept: "text/event-stream, application/json" });
    assertEquals(textIn(reply.text), "[1]");
    assertEquals(eventsIn(reply.text).at(-1)?.type, "done");
  },
  "answers a failure before the first piece with a status": async ({ shape, model }, path) => {
    await model.script({ status: 502 });
    const reply = await shape(path, { accept: "text/event-stream, text/html" });
    assertEquals(reply.status, 503);
  },
});

shaperSteps("GET /shaped/… shares a running generation", "budget 10000", {
  "answers 100 identical requests from one generation": async ({ shape, model }, path) => {
    await model.script({ tokens: ["one ", "answer"], hold: 1 });
    const accept = (at: number) => at % 4 === 0 ? "text/event-stream, text/plain" : "text/plain";
    const requests = Array.from({ length: 100 }, (_, at) => shape(path, { accept: accept(at) }));
    await model.until("the model waits", ({ held }) => held === 1);
    await model.release();
    const replies = await Promise.all(requests);
    let generated = 0;
    for (const [at, reply] of replies.entries()) {
      assertEquals(reply.status, 200, reply.text);
      assertEquals(at % 4 === 0 ? textIn(reply.text) : reply.text, "one answer");
      if (reply.header("x-semantic-cache") === "generated") generated++;
    }
    assertEquals(generated, 1);
    assertEquals((await model.state()).calls.length, 1);
  },
  "continues when the first client disconnects and stops with the last": async (
    { url, shape, model, server },
    path,
  ) => {
    await model.script({ tokens: ["a", "b"], hold: 1 });
    const first = new AbortController();
    const started = fetch(`${url}/shaped${path}?intent=one`, { signal: first.signal })
      .catch(() => "disconnected");
    await model.until("the model waits", ({ held }) => held === 1);
    const second = shape(`${path}?intent=one`);
    const stream = new AbortController();
    const streamed = await fetch(`${url}/shaped${path}?intent=one`, {
      headers: { accept: "text/event-stream, text/plain" },
      signal: stream.signal,
    });
    assertEquals(streamed.headers.get("x-semantic-cache"), "shared");
    const untilClients = (count: number) =>
      eventually(async () => {
        const { requests } = record((await stateOf(server, "semantic")).health);
        return requests === count ? true : undefined;
      }, `${count} clients wait`);
    await untilClients(3);
    first.abort();
    assertEquals(await started, "disconnected");
    stream.abort();
    await streamed.body?.cancel().catch(() => "disconnected");
    await untilClients(1);
    await model.release();
    const reply = await second;
    assertEquals([reply.status, reply.text], [200, "ab"]);
    assertEquals((await model.state()).calls.length, 1);

    await model.script({ tokens: ["a", "b"], hold: 1 });
    const only = new AbortController();
    const gone = fetch(`${url}/shaped${path}?intent=other`, { signal: only.signal })
      .catch(() => "disconnected");
    await model.until("the model waits", ({ held }) => held === 1);
    only.abort();
    assertEquals(await gone, "disconnected");
    await model.until("the stream was cancelled", ({ left }) => left === 1);
    await model.release();
    const head = await shape(`${path}?intent=other`, {}, "HEAD");
    assertEquals(head.header("x-semantic-cache"), "miss");
  },
});
